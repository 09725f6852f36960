"""A merchant's plans come in: all of a file or nothing, again and again with the same end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time
from typing import TYPE_CHECKING, Any, Final

from billing.usage_resolvers import refuse_not_installed
from domain.errors import Conflict
from domain.instants import civil_date
from domain.plan_file import CONSENT_KEYS
from domain.plan_terms import PLAN_TERM_KEYS
from domain.price import PRICE_KEYS
from domain.schedule import Cron, CronReview, review_cron
from models.ids import new_id
from models.queries import importing, installation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Row

    from billing.change_subscription import By
    from domain.plan_file import PlanSpec
    from models.session import Database


#: What of a plan's dates has a column of the same name.
_DATES: Final = ("shift", "spread_minutes", "billing_day")
_ANOTHER_CODE: Final = "give the new terms another code"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlansImported:
    """Codes of plans made, or that would be; of plans that stand as the file says; and every cron plan's review."""

    created: tuple[str, ...]
    unchanged: tuple[str, ...]
    reviews: tuple[tuple[str, CronReview], ...]


def import_plans(
    database: Database, plans: Sequence[PlanSpec], *, by: By, timezone: str, dry_run: bool = False
) -> PlansImported:
    """Write the plans that are new, in one commit, with one audit entry.

    Args:
        database: Where they are kept.
        plans: Checked already; codes differ.
        by: Who asks.
        timezone: Whose today a cron plan's next dates begin at.
        dry_run: Only say what would be made.

    Raises:
        BadInput: A plan bills by use, and what it names for that is not installed.
        Conflict: A plan that stands differs; the sentence names it and the field. Nothing was written.
    """
    refuse_not_installed([plan.terms.usage for plan in plans])
    with database.transaction() as tx:
        importing.lock_plans(tx)
        standing = importing.plans_by_code(tx, [plan.code for plan in plans])
        for plan in plans:
            if plan.code in standing:
                _refuse_difference(plan, standing[plan.code])
        created = [plan for plan in plans if plan.code not in standing]
        today = civil_date(tx.now, timezone)
        reviews = tuple(
            (plan.code, review_cron(plan.schedule, today=today)) for plan in plans if isinstance(plan.schedule, Cron)
        )
        if created and not dry_run:
            ids = {plan.code: new_id(tx.real) for plan in created}
            importing.write_plans(
                tx,
                [{"id": ids[plan.code], **_columns(plan)} for plan in created],
                [
                    {
                        "id": new_id(tx.real),
                        "plan_id": ids[plan.code],
                        **{key: getattr(plan.price, key) for key in PRICE_KEYS},
                        "effective_from": tx.now,
                    }
                    for plan in created
                ],
            )
            installation.write_audit(
                tx,
                actor=by.actor,
                action="plan.imported",
                subject="plan",
                subject_id=None,
                reason=by.reason,
                created=sorted(ids),
            )
    return PlansImported(
        created=tuple(plan.code for plan in created),
        unchanged=tuple(plan.code for plan in plans if plan.code in standing),
        reviews=reviews,
    )


def _columns(plan: PlanSpec) -> dict[str, Any]:
    return {
        "code": plan.code,
        "name": plan.name,
        "every": plan.every,
        "cron": plan.cron,
        "charge_time": plan.dates.at,
        **{key: getattr(plan.dates, key) for key in _DATES},
        "catch_up": plan.catch_up,
        **{key: getattr(plan, key) for key in CONSENT_KEYS},
        **{key: getattr(plan.terms, key) for key in PLAN_TERM_KEYS},
    }


def _refuse_difference(plan: PlanSpec, standing: Row[Any]) -> None:
    told: dict[str, tuple[object, object]] = {
        "name": (plan.name, standing.name),
        **{key: (getattr(plan.price, key), getattr(standing, key)) for key in PRICE_KEYS},
        **{key: (getattr(plan, key), getattr(standing, key)) for key in ("every", "cron", "catch_up", *CONSENT_KEYS)},
        "at": (plan.dates.at, standing.charge_time),
        **{key: (getattr(plan.dates, key), getattr(standing, key)) for key in _DATES},
        **{key: (getattr(plan.terms, key), getattr(standing, key)) for key in PLAN_TERM_KEYS},
    }
    for field, (asked, stands) in told.items():
        if asked != stands:
            mend = "`jeonggi plan price add` gives it another price" if field in PRICE_KEYS else _ANOTHER_CODE
            raise Conflict(
                f"plan {plan.code!r}: {field} is {_shown(stands)} here and {_shown(asked)} in the file; a plan that"
                f" stands is not changed by an import: {mend}"
            )


def _shown(value: object) -> str:
    if isinstance(value, time):
        return f"'{value:%H:%M}'"
    return "unset" if value is None else repr(str(value) if isinstance(value, str) else value)
