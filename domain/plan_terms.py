"""How long does an agreement on a plan run, when is a period charged, and after an outage: keys of a plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from domain.billing_period import AfterOutage, Billed
from domain.business_day import Shift
from domain.consent import WithoutConsent
from domain.errors import BadInput
from domain.file_value import shown
from domain.usage import read_usage_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from domain.schedule import Schedule

PLAN_TERM_KEYS: Final = ("after_outage", "periods", "minimum_periods", "usage", "billed")

#: Our choices: a period a day for more than two years, and nobody agrees for longer than a life.
MOST_PERIODS: Final = 999
_LONGEST_DAYS: Final = 36_525


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanTerms:
    """``periods``: so many, and it ends; None: it goes on. ``minimum_periods``: a customer is bound for so many.

    ``usage``: the entry point that tells what a period used (``domain/usage.py``); None: nothing is billed by use.
    """

    after_outage: AfterOutage = AfterOutage.ALL
    periods: int | None = None
    minimum_periods: int | None = None
    usage: str | None = None
    billed: Billed = Billed.IN_ADVANCE


def read_plan_terms(table: Mapping[str, object], schedule: Schedule, where: str) -> PlanTerms:
    """Read these keys of a plan.

    Raises:
        BadInput: The sentence names the plan (``where``) and the key.
    """
    periods, minimum = (_count(table, key, schedule, where) for key in ("periods", "minimum_periods"))
    if periods is not None and minimum is not None and minimum > periods:
        raise BadInput(
            f"{where}: minimum_periods = {minimum} is more than periods = {periods}; nobody is bound for longer than"
            " the agreement runs"
        )
    usage = read_usage_name(table.get("usage"), where)
    if usage is not None and table.get("shift") == Shift.PREVIOUS:
        raise BadInput(
            f'{where}: with shift = "previous" it may be charged before the period is over whose use is billed; give'
            ' "next" or "none", or leave usage out'
        )
    terms = PlanTerms(
        after_outage=_after_outage(table.get("after_outage", AfterOutage.ALL.value), where),
        periods=periods,
        minimum_periods=minimum,
        usage=usage,
        billed=_billed(table.get("billed", Billed.IN_ADVANCE.value), where),
    )
    if terms.billed is Billed.IN_ARREARS:
        _refuse_in_arrears(table, terms, where)
    return terms


def _refuse_in_arrears(table: Mapping[str, object], terms: PlanTerms, where: str) -> None:
    """What goes with a charge at the beginning of a period only."""
    begin = f'{where}: billed = "{Billed.IN_ARREARS}" does not go with '
    if table.get("shift") == Shift.PREVIOUS:
        raise BadInput(f'{begin}shift = "previous", which may charge a period before it is over; give "next" or "none"')
    if "trial_days" in table:
        raise BadInput(
            f"{begin}trial_days: its first period is charged at its end anyway; leave trial_days out, and give a coupon"
            " for what is to be free"
        )
    if table.get("without_consent") == WithoutConsent.END:
        raise BadInput(
            f'{begin}without_consent = "end": a rise is decided at the end of its period, which was delivered by then;'
            " leave it out, and the old price stays"
        )
    if terms.usage is not None and terms.after_outage is not AfterOutage.ALL:
        raise BadInput(
            f'{begin}usage and after_outage = "{terms.after_outage}": what a period used that is not charged would be'
            ' owed by nobody; give after_outage = "all"'
        )


def _billed(value: object, where: str) -> Billed:
    try:
        return Billed(str(value))
    except ValueError:
        choices = " or ".join(f'"{choice}"' for choice in Billed)
        raise BadInput(f"{where}: billed = {shown(value)} is unknown; give {choices}") from None


def _count(table: Mapping[str, object], key: str, schedule: Schedule, where: str) -> int | None:
    if key not in table:
        return None
    value = table[key]
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST_PERIODS:
        raise BadInput(f"{where}: {key} = {shown(value)} is not a whole number of periods from 1 to {MOST_PERIODS}")
    if value * schedule.shortest_days > _LONGEST_DAYS:
        raise BadInput(f"{where}: {key} = {value} is longer than a hundred years; give fewer, or leave it out")
    return value


def _after_outage(value: object, where: str) -> AfterOutage:
    try:
        return AfterOutage(str(value))
    except ValueError:
        choices = ", ".join(f'"{choice}"' for choice in AfterOutage)
        raise BadInput(f"{where}: after_outage = {shown(value)} is unknown; give one of {choices}") from None
