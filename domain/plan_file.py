"""What does a plan file say: the plans of a TOML text, each checked, or one sentence about what is wrong."""

from __future__ import annotations

import difflib
import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from domain.billing_period import CatchUp
from domain.consent import WithoutConsent
from domain.errors import BadInput
from domain.file_value import shown as _shown
from domain.plan_dates import PLAN_DATE_KEYS, PlanDates, read_plan_dates, timed
from domain.plan_terms import PLAN_TERM_KEYS, PlanTerms, read_plan_terms
from domain.price import PRICE_KEYS, Price, read_price
from domain.schedule import Cron, Every, Schedule, Unit, is_daily, parse_cron, parse_every

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Our choices: hundreds of plans fit easily, and no period is longer than ten years.
MAXIMUM_BYTES: Final = 1_048_576
MAXIMUM_PLANS: Final = 1_000
_LONGEST: Final = {Unit.DAY: 3660, Unit.WEEK: 520, Unit.MONTH: 120, Unit.YEAR: 10}

_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_NAME_LENGTH: Final = 100
#: Our choice, a bound on typing errors.
_LONGEST_TRIAL: Final = 730
#: What of a plan is about trials and consent.
CONSENT_KEYS: Final = ("trial_days", "without_consent")
_KEYS: Final = (
    "code",
    "name",
    *PRICE_KEYS,
    "every",
    "cron",
    *PLAN_DATE_KEYS,
    "catch_up",
    *CONSENT_KEYS,
    *PLAN_TERM_KEYS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSpec:
    """One plan as its file asks for it."""

    code: str
    name: str
    price: Price
    schedule: Schedule  # at its own time of day
    dates: PlanDates
    catch_up: CatchUp
    terms: PlanTerms
    trial_days: int | None = None  # of those who come new; None: they pay at once
    without_consent: WithoutConsent = WithoutConsent.STAY

    @property
    def every(self) -> str | None:
        """The interval as it is stored, or None for a cron plan."""
        return self.schedule.text if isinstance(self.schedule, Every) else None

    @property
    def cron(self) -> str | None:
        """The cron expression as it is stored, or None for an interval plan."""
        return self.schedule.text if isinstance(self.schedule, Cron) else None


def read_plan_file(content: bytes) -> tuple[PlanSpec, ...]:
    """Read a whole plan file; one bad plan refuses all of it.

    Raises:
        BadInput: The sentence names the plan and the field, or the line that is not TOML.
    """
    if len(content) > MAXIMUM_BYTES:
        raise BadInput(f"the plan file has more than {MAXIMUM_BYTES:,} bytes; split it")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadInput(f"the plan file is not UTF-8 at line {line}; save it as UTF-8") from error
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"the plan file is not TOML: {error}") from error
    _refuse_unknown(document, ("plan",), where="the plan file")
    tables = document.get("plan")
    if not isinstance(tables, list) or not tables:
        raise BadInput("the plan file has no plan; begin each one with a line [[plan]], in double brackets")
    if len(tables) > MAXIMUM_PLANS:
        raise BadInput(f"the plan file has {len(tables)} plans, more than {MAXIMUM_PLANS}; split it")
    plans = tuple(_read_plan(table, number) for number, table in enumerate(tables, start=1))
    _refuse_doubles(plans)
    return plans


def _read_plan(table: object, number: int) -> PlanSpec:
    if not isinstance(table, dict):
        raise BadInput(f"plan number {number} is not a table; begin it with a line [[plan]]")
    code = table.get("code")
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        raise BadInput(
            f"plan number {number}: code = {_shown(code)} cannot be used; give 1 to 64 letters, digits, dots, hyphens"
            " or underscores"
        )
    where = f"plan {code!r}"
    _refuse_unknown(table, _KEYS, where=where)
    schedule = _schedule(table, where)
    dates = read_plan_dates(table, schedule, where)
    plan = PlanSpec(
        code=code,
        name=_name(table.get("name"), where),
        price=read_price(table, where),
        schedule=timed(schedule, dates.at),
        dates=dates,
        catch_up=_catch_up(table.get("catch_up", CatchUp.LATEST.value), where),
        trial_days=_trial_days(table.get("trial_days"), where),
        without_consent=_without_consent(table.get("without_consent", WithoutConsent.STAY.value), where),
        terms=read_plan_terms(table, schedule, where),
    )
    if plan.catch_up is CatchUp.ALL and is_daily(plan.schedule):
        raise BadInput(
            f'{where}: catch_up = "all" never catches up on a plan that bills every day, for a customer is charged at'
            ' most once a day; give "latest" or "none"'
        )
    return plan


def _name(name: object, where: str) -> str:
    if not isinstance(name, str) or not name.strip() or len(name) > _NAME_LENGTH or not name.isprintable():
        raise BadInput(f"{where}: name = {_shown(name)} cannot be used; give 1 to {_NAME_LENGTH} printable characters")
    return name.strip()


def _schedule(table: Mapping[str, object], where: str) -> Schedule:
    every, cron = table.get("every"), table.get("cron")
    if (every is None) == (cron is None):
        told = "neither every nor cron" if every is None else "both every and cron"
        raise BadInput(f'{where}: has {told}; give exactly one, such as every = "1 month"')
    field, value = ("every", every) if every is not None else ("cron", cron)
    if not isinstance(value, str):
        raise BadInput(f'{where}: {field} = {_shown(value)} is not a text, such as every = "1 month"')
    try:
        schedule = parse_every(value) if field == "every" else parse_cron(value)
    except BadInput as error:
        raise BadInput(f"{where}: {error}") from error
    if isinstance(schedule, Every) and schedule.count > _LONGEST[schedule.unit]:
        raise BadInput(f"{where}: every = {value!r} is longer than ten years")
    return schedule


def _catch_up(value: object, where: str) -> CatchUp:
    try:
        return CatchUp(str(value))
    except ValueError:
        choices = ", ".join(f'"{choice}"' for choice in CatchUp)
        raise BadInput(f"{where}: catch_up = {_shown(value)} is unknown; give one of {choices}") from None


def _trial_days(value: object, where: str) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _LONGEST_TRIAL:
        raise BadInput(f"{where}: trial_days = {_shown(value)} cannot be used; give 1 to {_LONGEST_TRIAL} days")
    return value


def _without_consent(value: object, where: str) -> WithoutConsent:
    try:
        return WithoutConsent(str(value))
    except ValueError:
        choices = " or ".join(f'"{choice}"' for choice in WithoutConsent)
        raise BadInput(f"{where}: without_consent = {_shown(value)} is unknown; give {choices}") from None


def _refuse_unknown(table: Mapping[str, object], known: Sequence[str], *, where: str) -> None:
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            mend = f"did you mean {near[0]}?" if near else f"the keys are {', '.join(known)}"
            raise BadInput(f"{where}: {key} is no key; {mend}")


def _refuse_doubles(plans: Sequence[PlanSpec]) -> None:
    seen: set[str] = set()
    for plan in plans:
        if plan.code in seen:
            raise BadInput(f"plan {plan.code!r}: its code stands twice in the file; give each plan its own")
        seen.add(plan.code)
