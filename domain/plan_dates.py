"""When do the periods of a plan begin, and when are they charged: keys of a plan."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import time
from typing import TYPE_CHECKING, Final

from domain.business_day import Shift
from domain.errors import BadInput
from domain.file_value import shown
from domain.schedule import BILLING_TIME, Cron, Every, Schedule, has_billing_days

if TYPE_CHECKING:
    from collections.abc import Mapping

PLAN_DATE_KEYS: Final = ("at", "shift", "spread_minutes", "billing_day")

_MINUTES_A_DAY: Final = 24 * 60
MOST_SPREAD_MINUTES: Final = _MINUTES_A_DAY - 1
#: The day 31 is the last of every month.
LAST_BILLING_DAY: Final = 31

#: Our choice: banks of Korea have been closed for seven days on end, weekends included, and may be for ten.
MINIMUM_SHIFT_DAYS: Final = 14

_AT: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanDates:
    """How a plan's schedule becomes due times; ``at`` is civil, None for a cron plan or the usual ``BILLING_TIME``.

    ``billing_day``: the day of the month on which whole periods begin, whoever came when; None: that of their start.
    """

    at: time | None = None
    shift: Shift = Shift.NONE
    spread_minutes: int = 0
    billing_day: int | None = None


def read_plan_dates(table: Mapping[str, object], schedule: Schedule, where: str) -> PlanDates:
    """Read a plan's keys about when it is charged.

    Raises:
        BadInput: The sentence names the plan (``where``) and the key.
    """
    dates = PlanDates(
        at=_at(table["at"], schedule, where) if "at" in table else None,
        shift=_shift(table.get("shift", Shift.NONE.value), where),
        spread_minutes=_spread(table.get("spread_minutes", 0), where),
        billing_day=_billing_day(table["billing_day"], schedule, where) if "billing_day" in table else None,
    )
    if dates.shift is not Shift.NONE and schedule.shortest_days < MINIMUM_SHIFT_DAYS:
        raise BadInput(
            f"{where}: shift = {dates.shift.value!r} needs periods of {MINIMUM_SHIFT_DAYS} days or more: around long"
            " holidays the charges of shorter ones would meet; leave shift out"
        )
    begin = schedule.at if isinstance(schedule, Cron) else dates.at or BILLING_TIME
    if begin.hour * 60 + begin.minute + dates.spread_minutes > MOST_SPREAD_MINUTES:
        raise BadInput(
            f"{where}: spread_minutes = {dates.spread_minutes} from {begin:%H:%M} on goes past midnight; give fewer, or"
            " an earlier time"
        )
    return dates


def timed(schedule: Schedule, at: time | None) -> Schedule:
    """The schedule with the time of day that the plan names."""
    return Every(schedule.count, schedule.unit, at) if isinstance(schedule, Every) and at is not None else schedule


def _at(value: object, schedule: Schedule, where: str) -> time | None:
    if isinstance(schedule, Cron):
        raise BadInput(f"{where}: at stands beside cron, which names the time itself; leave one out")
    found = _AT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise BadInput(f'{where}: at is not a time of day in quotes, such as at = "09:30"')
    at = time(int(found[1]), int(found[2]))
    return None if at == BILLING_TIME else at


def _shift(value: object, where: str) -> Shift:
    try:
        return Shift(str(value))
    except ValueError:
        raise BadInput(
            f'{where}: shift is unknown; give "none", "next" or "previous" (business day in Korea)'
        ) from None


def _spread(value: object, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST_SPREAD_MINUTES:
        raise BadInput(f"{where}: spread_minutes is not a whole number of minutes from 0 to {MOST_SPREAD_MINUTES}")
    return value


def _billing_day(value: object, schedule: Schedule, where: str) -> int:
    if not has_billing_days(schedule):
        raise BadInput(
            f"{where}: billing_day goes with every = so many months or years, which is when a month has one; leave it"
            " out"
        )
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= LAST_BILLING_DAY:
        raise BadInput(
            f"{where}: billing_day = {shown(value)} is no day of a month; give 1 to {LAST_BILLING_DAY}, which is the"
            " last of every month"
        )
    return value
