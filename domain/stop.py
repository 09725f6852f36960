"""When does a stop that was asked for ahead take effect, and when does billing go on by itself after a pause?"""

from __future__ import annotations

import re
from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from domain.errors import BadInput
from domain.instants import instant_of, zone

if TYPE_CHECKING:
    from domain.billing_period import Calendar

#: What a person says instead of a date: no end, until somebody acts.
NO_DATE: Final = "none"

_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class Stop(StrEnum):
    """What becomes of a subscription once its paid period is over; members of ``Change``."""

    CANCEL = "cancel"
    PAUSE = "pause"


def first_unbilled(calendar: Calendar, *, unopened: int, now: datetime) -> int:
    """The first period that is not billed any more: it starts when the one that runs, or was paid ahead, is over.

    One that begins just now runs, opened or not; so does one whose charge is due already.

    Args:
        calendar: The subscription's.
        unopened: The first period not yet opened or skipped.
        now: Billing time.
    """
    ordinal = max(unopened, calendar.first_from(now))
    while calendar.start(ordinal) <= now or calendar.due_at(ordinal) <= now:
        ordinal += 1
    return ordinal


def goes_on_at(day: date, *, next_billing_at: datetime, zone_name: str) -> datetime:
    """The UTC instant of a civil date at the hour at which the subscription is billed."""
    return instant_of(day, next_billing_at.astimezone(zone(zone_name)).time(), zone_name)


def read_until(option: str, given: str) -> date | None:
    """The civil date that an option was given; None: no date.

    Raises:
        BadInput: It is neither a date nor the word for none.
    """
    given = given.strip()
    if given == NO_DATE:
        return None
    try:
        if _DATE.fullmatch(given):
            return date.fromisoformat(given)
    except ValueError:
        pass
    raise BadInput(f"{option} {given[:20]!r} is no date; give one such as 2026-03-01, or {NO_DATE}")
