"""When do the periods of a plan start: every so often from an anchor, or by a cron expression?"""

from __future__ import annotations

import itertools
import re
from calendar import monthrange
from collections import deque
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Final, assert_never

from croniter import CroniterError, croniter

from domain.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Periods of an interval plan start at this civil time, unless the plan names another. Our choice: banks' nightly
#: maintenance is over, and a customer who is told about a decline is awake.
BILLING_TIME: Final = time(10, 0)

#: A bound on ordinals, so that a wrong date can never spin: one a day for 273 years.
MAX_ORDINAL: Final = 100_000

_EVERY: Final = re.compile(r"(?P<count>[1-9][0-9]{0,3}) (?P<unit>day|week|month|year)s?")
_LONGEST_YEARS: Final = 100
_CRON_FIELDS: Final = 5
#: So far back the fire before one is looked for: a month, a year, and from one 29 February over 1900 to the next.
_LOOK_BACK_DAYS: Final = (32, 400, 2_930)
#: croniter draws R (and hashes H) anew in every process: period k would not be the same twice. Not in MAR, FRI, THU.
_CHANCE: Final = re.compile(r"(?<![A-Za-z])[HhRr](?![A-Za-z])")
#: croniter reads 5-5 as "all", not as "5".
_SPAN_OF_ONE: Final = re.compile(r"(?<![A-Za-z0-9])0*([A-Za-z0-9]+)-0*\1(?![A-Za-z0-9])", re.IGNORECASE)
_MONTHS_REVIEWED: Final = 48  # one whole leap cycle
_DATES_SHOWN: Final = 24


class Unit(StrEnum):
    """The units of an interval."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


_SHORTEST_DAYS: Final = {Unit.DAY: 1, Unit.WEEK: 7, Unit.MONTH: 28, Unit.YEAR: 365}
#: So many of a unit before an anchor is as far as a calendar tells: a thousand years. Whoever asks searches only.
_FARTHEST: Final = {Unit.DAY: 365_000, Unit.WEEK: 52_000, Unit.MONTH: 12_000, Unit.YEAR: 1_000}
_CYCLE: Final = datetime(2000, 1, 1)  # noqa: DTZ001 - civil time
_LONG: Final = 365
#: How many of a unit make a year at least.
_A_YEAR: Final = {Unit.DAY: 365, Unit.WEEK: 52, Unit.MONTH: 12, Unit.YEAR: 1}


@dataclass(frozen=True, slots=True)
class Every:
    """A period every ``count`` days, weeks, months or years, counted from the start, never from the period before."""

    count: int
    unit: Unit
    at: time = BILLING_TIME  # civil

    def start(self, anchored_on: date, periods: int) -> datetime:
        """The civil (naive) start so many periods after the anchor, or before it, if negative.

        Its day is kept from ``anchored_on``, clamped to the month's length.
        """
        steps = max(self.count * periods, -_FARTHEST[self.unit])
        match self.unit:
            case Unit.DAY:
                day = anchored_on + timedelta(days=steps)
            case Unit.WEEK:
                day = anchored_on + timedelta(weeks=steps)
            case Unit.MONTH:
                day = _add_months(anchored_on, steps)
            case Unit.YEAR:
                day = _add_months(anchored_on, 12 * steps)
            case _:
                assert_never(self.unit)
        return datetime.combine(day, self.at)

    @property
    def shortest_days(self) -> int:
        """How many days its shortest period has."""
        return self.count * _SHORTEST_DAYS[self.unit]

    @property
    def text(self) -> str:
        """As it is written in a plan file."""
        return f"{self.count} {self.unit}{'s' if self.count > 1 else ''}"


@dataclass(frozen=True, slots=True)
class Cron:
    """A period at every fire of a five-field cron expression, at most one a day, from ``anchored_on`` on."""

    expression: str

    def start(self, anchored_on: date, periods: int) -> datetime:
        """The civil (naive) start of a period: the fire number ``periods`` at or after ``anchored_on``, from 0.

        Before the anchor, if negative, one each day: it never fires more often.
        """
        if periods < 0:
            return datetime.combine(anchored_on, self.at) + timedelta(days=max(periods, -_FARTHEST[Unit.DAY]))
        return _fires(self.expression, anchored_on)[periods]

    @property
    def text(self) -> str:
        """As it is written in a plan file."""
        return self.expression

    @property
    def shortest_days(self) -> int:
        """How many days its shortest period has, in a whole leap cycle."""
        fires = itertools.takewhile(lambda fire: fire.year < _CYCLE.year + 4, _walk(self.expression, _CYCLE))
        return min(((after - before).days for before, after in itertools.pairwise(fires)), default=_LONG)

    @property
    def at(self) -> time:
        """The civil time at which it fires."""
        minute, hour = self.expression.split(" ")[:2]
        return time(int(hour), int(minute))


Schedule = Every | Cron


@dataclass(frozen=True, slots=True, kw_only=True)
class CronReview:
    """What an operator should see of a cron expression before it bills anybody."""

    next_dates: tuple[datetime, ...]  # civil, naive
    warnings: tuple[str, ...]


def parse_every(text: str) -> Every:
    """Read ``1 month``, ``2 weeks``, ``1 year``, ``10 days``.

    Raises:
        BadInput: It is not of that form.
    """
    match = _EVERY.fullmatch(" ".join(text.split()).lower())
    if match is None:
        raise BadInput(f"every = {text!r} is not an interval; write a whole number and day, week, month or year")
    every = Every(int(match["count"]), Unit(match["unit"]))
    if every.count > _LONGEST_YEARS * _A_YEAR[every.unit]:
        raise BadInput(f"every = {text!r} is longer than {_LONGEST_YEARS} years; check the unit")
    return every


def parse_cron(text: str) -> Cron:
    """Read a cron expression of five fields that fires at one time of day.

    Raises:
        BadInput: It has another number of fields, does not parse, never fires, or fires more than once a day.
    """
    expression = " ".join(text.split())
    fields = expression.split(" ")
    if len(fields) != _CRON_FIELDS or expression.startswith("@"):
        raise BadInput(
            f"cron = {text!r} has {len(fields)} fields; write five: minute hour day-of-month month day-of-week"
        )
    if _CHANCE.search(expression) or "?" in "".join(fields[:3]):
        raise BadInput(f"cron = {text!r} leaves a field to chance; a billing date must be written out")
    if span := _SPAN_OF_ONE.search(expression):
        raise BadInput(f"cron = {text!r}: {span[0]} names one value; write {span[1]}")
    try:
        expanded, _ = croniter.expand(expression)
        if len(expanded[0]) != 1 or len(expanded[1]) != 1 or "*" in (expanded[0][0], expanded[1][0]):
            raise BadInput(f"cron = {text!r} fires more than once a day; name one minute and one hour")
        next(_walk(expression, datetime(2000, 1, 1)))  # noqa: DTZ001 - civil time
    except (CroniterError, ValueError, TypeError, KeyError) as error:
        raise BadInput(f"cron = {text!r} is not a cron expression that ever fires: {error}") from error
    return Cron(expression)


def is_daily(schedule: Schedule) -> bool:
    """Whether every civil day has a period of its own."""
    match schedule:
        case Every():
            return schedule.unit is Unit.DAY and schedule.count == 1
        case Cron():
            return schedule.expression.split(" ")[2:] == ["*", "*", "*"]
        case _:
            assert_never(schedule)


def review_cron(cron: Cron, *, today: date) -> CronReview:
    """The next 24 fires, and warnings about months that are skipped and fields that mean "or"."""
    begin = datetime.combine(today, time.min)
    dates = tuple(itertools.islice(_walk(cron.expression, begin), _DATES_SHOWN))
    warnings = []
    _, _, day_of_month, month, day_of_week = cron.expression.split(" ")
    if skipped := _skipped_months(cron, begin):
        named = "" if month == "*" else f" (of those that {month!r} names)"
        warnings.append(
            f"{skipped} of the next {_MONTHS_REVIEWED} months{named} have no billing date: a month without the day is"
            " skipped"
            ' (day L is the last of the month; every = "1 month" bills every month)'
        )
    if day_of_month != "*" and day_of_week != "*":
        warnings.append("day of month and day of week are both set: cron bills on either, not on both at once")
    return CronReview(next_dates=dates, warnings=tuple(warnings))


def has_billing_days(schedule: Schedule) -> bool:
    """Whether its periods may begin on a chosen day of the month: those of months and years may."""
    return isinstance(schedule, Every) and schedule.unit in {Unit.MONTH, Unit.YEAR}


def start_on(schedule: Schedule, day: date) -> datetime:
    """The civil (naive) start of a period that begins on a day, whatever days the schedule has."""
    return datetime.combine(day, schedule.at)


def start_before(schedule: Schedule, start: date) -> date:
    """The civil day on which the period began that ends on the day ``start``, on which another one begins."""
    if isinstance(schedule, Every):
        return schedule.start(start, -1).date()
    for days in _LOOK_BACK_DAYS:  # forwards alone, as every other start is found
        begin = datetime.combine(start - timedelta(days=days), time.min)
        before = deque(
            itertools.takewhile(lambda fire: fire.date() < start, _walk(schedule.expression, begin)), maxlen=1
        )
        if before:
            return before[0].date()
    raise BadInput(f"cron = {schedule.expression!r} does not fire within the {_LOOK_BACK_DAYS[-1]} days before {start}")


def on_day(month: date, day: int) -> date:
    """A day of a month, given by any date of it: the last one, where the month has no such day."""
    return month.replace(day=min(day, monthrange(month.year, month.month)[1]))


def next_billing_day(begin: date, day: int) -> date:
    """The first date, ``begin`` itself or later, that is this day of its month, or its month's last."""
    found = on_day(begin, day)
    return found if found >= begin else on_day(_add_months(begin.replace(day=1), 1), day)


def _add_months(day: date, months: int) -> date:
    index = day.year * 12 + (day.month - 1) + months
    year, month = divmod(index, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def _walk(expression: str, begin: datetime) -> Iterator[datetime]:
    """Civil fires at or after ``begin``. Naive on purpose: croniter's own zone arithmetic skips and doubles at DST."""
    fires = croniter(expression, begin - timedelta(seconds=1), ret_type=datetime, max_years_between_matches=8)
    while True:
        yield fires.get_next()


class _Fires:
    """The fires of one (expression, start), found once and kept: period k is asked for again and again."""

    def __init__(self, expression: str, anchored_on: date) -> None:
        self._walk = _walk(expression, datetime.combine(anchored_on, time.min))
        self._known: list[datetime] = []

    def __getitem__(self, ordinal: int) -> datetime:
        while len(self._known) <= ordinal:
            self._known.append(next(self._walk))
        return self._known[ordinal]


@lru_cache(maxsize=4096)
def _fires(expression: str, anchored_on: date) -> _Fires:
    return _Fires(expression, anchored_on)


def _skipped_months(cron: Cron, begin: datetime) -> int:
    first = begin.year * 12 + begin.month - 1
    named = croniter.expand(cron.expression)[0][3]
    # The running month is partly over.
    coming = range(first + 1, first + 1 + _MONTHS_REVIEWED)
    wanted = {index for index in coming if named == ["*"] or index % 12 + 1 in named}
    for fire in _walk(cron.expression, begin):
        index = fire.year * 12 + fire.month - 1
        if index > first + _MONTHS_REVIEWED:
            break
        wanted.discard(index)
    return len(wanted)
