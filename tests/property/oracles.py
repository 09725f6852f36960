"""The same questions answered the slow way: walks, not searches, and no croniter."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from domain.billing_period import Calendar

ONE_DAY = timedelta(days=1)


def first_from(calendar: Calendar, instant: datetime) -> int:
    """Count periods from 0 until one starts at or after the instant."""
    ordinal = 0
    while calendar.start(ordinal) < instant:
        ordinal += 1
    return ordinal


def civil_instant(day: date, at: time, zone_name: str) -> datetime:
    """The first instant at which a zone's clock shows at least this civil time on this day."""
    wanted = datetime.combine(day, at)
    zone = ZoneInfo(zone_name)
    before = wanted.replace(tzinfo=zone, fold=0)
    after = wanted.replace(tzinfo=zone, fold=1)
    if before.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == wanted:
        return min(before.astimezone(UTC), after.astimezone(UTC))
    # Skipped: forward by the gap, which is what the offset before it gives.
    return max(before.astimezone(UTC), after.astimezone(UTC))


def cron_days(expression: str, begin: date, end: date) -> list[datetime]:
    """The civil fires of a plain expression (numbers, spans, steps, lists, stars) in [begin, end)."""
    minute, hour, days, months, weekdays = expression.split()
    of_day = _numbers(days, 1, 31)
    of_month = _numbers(months, 1, 12)
    of_week = _numbers(weekdays, 0, 6)
    # Only a star leaves a field out: 0-6 written out is "or any weekday".
    any_day, any_weekday = days == "*", weekdays == "*"
    fires = []
    day = begin
    while day < end:
        on_day, on_weekday = day.day in of_day, day.isoweekday() % 7 in of_week
        is_day = on_day and on_weekday if any_day or any_weekday else on_day or on_weekday
        if day.month in of_month and is_day:
            fires.append(datetime.combine(day, time(int(hour), int(minute))))
        day += ONE_DAY
    return fires


def _numbers(text: str, low: int, high: int) -> set[int]:
    if text == "*":
        return set(range(low, high + 1))
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        found.update(range(int(first), int(last or first) + 1, int(step or 1)))
    return found


def interval_days(started_on: date, count: int, unit: str, number: int) -> list[date]:
    """The first ``number`` civil days of an interval, one step after another; a short month lends its last day."""
    days: list[date] = []
    day, year, month = started_on, started_on.year, started_on.month
    while len(days) < number:
        days.append(day)
        if unit in {"day", "week"}:
            for _ in range(count * (7 if unit == "week" else 1)):
                day += ONE_DAY
            continue
        for _ in range(count * (12 if unit == "year" else 1)):
            year, month = (year + 1, 1) if month == 12 else (year, month + 1)
        day = _last_that_exists(year, month, started_on.day)
    return days


def _last_that_exists(year: int, month: int, day: int) -> date:
    while True:
        try:
            return date(year, month, day)
        except ValueError:
            day -= 1


def clock_changes(zone_name: str, begin: date, end: date) -> list[date]:
    """The UTC days during which a zone's offset changes."""
    zone = ZoneInfo(zone_name)
    changes, day = [], begin
    offset = datetime.combine(day, time.min, tzinfo=UTC).astimezone(zone).utcoffset()
    while day < end:
        following = datetime.combine(day + ONE_DAY, time.min, tzinfo=UTC).astimezone(zone).utcoffset()
        if following != offset:
            changes.append(day)
        day, offset = day + ONE_DAY, following
    return changes
