"""When is a channel, or a card's issuer, closed for maintenance? Windows are data: civil times that come again.

Card companies and the gateway rest at night; what is charged then fails or stays unknown. A window keeps automatic
charges back until it is over.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

from domain.errors import BadInput
from domain.instants import ONE_DAY, civil_date, instant_of, require_utc, zone

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: A window that was looked for so long does not come any more.
_HORIZON: Final = timedelta(days=400)
_MOST_WEEKS: Final = 5
_DAYS: Final = range(1, 8)
NAMES_OF_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Civil times in a zone. One that ends at or before its beginning ends on the next day.

    ``weekdays``: ISO days on which it begins, empty: every day. ``nth``: only the n-th such day of its month, 0: all.
    ``issuer_code`` None: every card.
    """

    begins: time
    ends: time
    zone_name: str
    weekdays: frozenset[int] = frozenset()
    nth: int = 0
    issuer_code: str | None = None


#: What every channel begins with behind which real money moves. Source: KG Inicis and the card companies tell of
#: nightly work between 23:30 and 01:00; ten minutes on both sides are our own.
NIGHTLY: Final = Window(begins=time(23, 20), ends=time(1, 10), zone_name="Asia/Seoul")


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A half-open span of UTC instants."""

    begin: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """What is closed at one instant: everything, or the cards of some issuers."""

    is_all: bool = False
    issuer_codes: frozenset[str] = frozenset()


def check_window(window: Window) -> None:
    """Refuse what cannot be a window.

    Raises:
        BadInput: One field cannot be used; the message names it.
    """
    zone(window.zone_name)
    if window.begins == window.ends:
        raise BadInput("begins and ends are the same time; give a window that leaves some of the day open")
    if not window.weekdays <= set(_DAYS):
        raise BadInput("weekdays cannot be used; give days of the week such as sun or mon,tue")
    if not 0 <= window.nth <= _MOST_WEEKS:
        raise BadInput(f"nth cannot be used; give 1 to {_MOST_WEEKS}, the week of the month")
    if window.nth and not window.weekdays:
        raise BadInput("nth needs weekdays: which day's n-th in the month?")


def read_time(name: str, text: str) -> time:
    """A civil time such as ``23:20``.

    Raises:
        BadInput: It is none, or has seconds or an offset; the message names it.
    """
    try:
        found = time.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.second or found.microsecond or found.tzinfo is not None:
        raise BadInput(f"{name} {text!r} is no time of the day; give one such as 23:20")
    return found


def read_weekdays(text: str) -> frozenset[int]:
    """ISO days of a list such as ``sat,sun``; empty for an empty one.

    Raises:
        BadInput: A name is none of ``NAMES_OF_DAYS``.
    """
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in NAMES_OF_DAYS]
    if unknown:
        raise BadInput(f"{unknown[0]!r} is no day of the week; give {', '.join(NAMES_OF_DAYS)}")
    return frozenset(NAMES_OF_DAYS.index(name) + 1 for name in names)


def occurrence(window: Window, day: date) -> Span | None:
    """The window that begins on a civil day; None if none does, or if the zone skips all of it."""
    if window.weekdays and day.isoweekday() not in window.weekdays:
        return None
    if window.nth and (day.day - 1) // 7 + 1 != window.nth:
        return None
    last_day = day if window.begins < window.ends else day + ONE_DAY
    begin = instant_of(day, window.begins, window.zone_name)
    # A time that happens twice ends a window the second time: rather closed too long than open too soon.
    end = instant_of(last_day, window.ends.replace(fold=1), window.zone_name)
    return Span(begin=begin, end=end) if begin < end else None


def occurrences(window: Window, *, after: datetime) -> Iterator[Span]:
    """Spans of a window that end after an instant, in order; for some more than a year."""
    day = civil_date(after, window.zone_name) - ONE_DAY - ONE_DAY
    last = civil_date(after + _HORIZON, window.zone_name)
    while day <= last:
        span = occurrence(window, day)
        if span is not None and span.end > after:
            yield span
        day += ONE_DAY


def is_closed(window: Window, instant: datetime) -> bool:
    """Whether an instant lies in a window."""
    return _around(window, require_utc(instant)) is not None


def closed_at(windows: Sequence[Window], instant: datetime) -> Closed:
    """What is closed at an instant."""
    closed = [window for window in windows if is_closed(window, instant)]
    return Closed(
        is_all=any(window.issuer_code is None for window in closed),
        issuer_codes=frozenset(window.issuer_code for window in closed if window.issuer_code is not None),
    )


def ends_next(windows: Sequence[Window], instant: datetime) -> datetime | None:
    """When the first of the windows that an instant lies in is over; None if it lies in none."""
    ends = [span.end for window in windows if (span := _around(window, require_utc(instant))) is not None]
    return min(ends, default=None)


def next_open(windows: Sequence[Window], instant: datetime) -> datetime | None:
    """The first instant from ``instant`` on that lies in no window; None if there is none for more than a year."""
    at = require_utc(instant)
    last = at + _HORIZON
    while at <= last:
        ends = [span.end for window in windows if (span := _around(window, at)) is not None]
        if not ends:
            return at
        at = max(ends)
    return None


def _around(window: Window, instant: datetime) -> Span | None:
    """The window's span that an instant lies in."""
    today = civil_date(instant, window.zone_name)
    # A zone may skip or repeat hours around midnight: the day before yesterday's may still end today.
    for day in (today, today - ONE_DAY, today - ONE_DAY - ONE_DAY):
        span = occurrence(window, day)
        if span is not None and span.begin <= instant < span.end:
            return span
    return None
