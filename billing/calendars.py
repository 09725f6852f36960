"""A stored subscription's calendar: rows in, the domain's own value out."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from domain.billing_period import Calendar
from domain.schedule import Cron, Schedule, parse_every

if TYPE_CHECKING:
    from sqlalchemy import Row


def calendar_of(row: Row[Any]) -> Calendar:
    """The calendar of a row that has ``every``, ``cron``, ``started_on`` and ``timezone``."""
    return Calendar(schedule=schedule_of(row.every, row.cron), started_on=row.started_on, zone_name=row.timezone)


@lru_cache(maxsize=1024)
def schedule_of(every: str | None, cron: str | None) -> Schedule:
    """The schedule of a stored plan; exactly one of both is given (a CHECK sees to it)."""
    if every is not None:
        return parse_every(every)
    return Cron(cron or "")
