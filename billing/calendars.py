"""A stored subscription's calendar: rows in, the domain's own value out."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from domain.billing_period import Calendar, spread_seconds_of
from domain.business_day import Shift
from domain.schedule import Cron, Every, Schedule, parse_every

if TYPE_CHECKING:
    from datetime import date, time
    from uuid import UUID

    from sqlalchemy import Row


def calendar_of(row: Row[Any]) -> Calendar:
    """The calendar of a row that has ``models.queries.periods.CALENDAR``."""
    return calendar_for(
        row,
        subscription_id=row.subscription_id,
        started_on=row.started_on,
        zone_name=row.timezone,
        periods=row.periods,
    )


def calendar_for(
    plan: Row[Any], *, subscription_id: UUID, started_on: date, zone_name: str, periods: int | None = None
) -> Calendar:
    """The calendar that a subscription has, or would have, on a plan (a row that has ``PLAN_CALENDAR``)."""
    return Calendar(
        schedule=schedule_of(plan.every, plan.cron, plan.charge_time),
        started_on=started_on,
        zone_name=zone_name,
        shift=Shift(plan.shift),
        spread_seconds=spread_seconds_of(subscription_id, spread_minutes=plan.spread_minutes),
        periods=periods,
    )


@lru_cache(maxsize=1024)
def schedule_of(every: str | None, cron: str | None, charge_time: time | None = None) -> Schedule:
    """The schedule of a stored plan; exactly one of ``every`` and ``cron`` is given (a CHECK sees to it)."""
    if every is None:
        return Cron(cron or "")
    interval = parse_every(every)
    return interval if charge_time is None else Every(interval.count, interval.unit, charge_time)
