"""A stored subscription's calendar: rows in, the domain's own value out."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from domain.billing_period import Billed, Calendar, spread_seconds_of
from domain.business_day import Shift
from domain.schedule import Cron, Every, Schedule, parse_every

if TYPE_CHECKING:
    from datetime import date, time
    from uuid import UUID

    from sqlalchemy import Row


def calendar_of(row: Row[Any]) -> Calendar:
    """The calendar of a row that has ``models.queries.periods.CALENDAR``."""
    return Calendar(
        schedule=schedule_of(row.every, row.cron, row.charge_time),
        anchored_on=row.anchored_on,
        zone_name=row.timezone,
        anchor_ordinal=row.anchor_ordinal,
        stub_from=row.stub_from,
        billing_day=row.billing_day,
        shift=Shift(row.shift),
        spread_seconds=spread_seconds_of(row.subscription_id, spread_minutes=row.spread_minutes),
        periods=row.periods,
        billed=Billed(row.billed),
    )


def calendar_for(
    plan: Row[Any], *, subscription_id: UUID, begins_on: date, zone_name: str, periods: int | None = None
) -> Calendar:
    """The calendar that a new subscription has, or would have, on a plan (a row that has ``PLAN_CALENDAR``).

    ``begins_on``: the first civil day that is paid.
    """
    calendar = Calendar(
        schedule=schedule_of(plan.every, plan.cron, plan.charge_time),
        anchored_on=begins_on,
        zone_name=zone_name,
        shift=Shift(plan.shift),
        spread_seconds=spread_seconds_of(subscription_id, spread_minutes=plan.spread_minutes),
        periods=periods,
        billed=Billed(plan.billed),
    )
    return calendar if plan.billing_day is None else calendar.from_billing_day(0, plan.billing_day)


def anchor_columns(calendar: Calendar) -> dict[str, Any]:
    """The columns of a subscription that say where its calendar is anchored."""
    return {
        "anchored_on": calendar.anchored_on,
        "anchor_ordinal": calendar.anchor_ordinal,
        "stub_from": calendar.stub_from,
        "billing_day": calendar.billing_day,
    }


@lru_cache(maxsize=1024)
def schedule_of(every: str | None, cron: str | None, charge_time: time | None = None) -> Schedule:
    """The schedule of a stored plan; exactly one of ``every`` and ``cron`` is given (a CHECK sees to it)."""
    if every is None:
        return Cron(cron or "")
    interval = parse_every(every)
    return interval if charge_time is None else Every(interval.count, interval.unit, charge_time)
