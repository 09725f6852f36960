"""Which days are business days in Korea, and where does a charge go that would fall on another?"""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import holidays

from domain.instants import ONE_DAY

if TYPE_CHECKING:
    from datetime import date

_SATURDAY: Final = 5


class Shift(StrEnum):
    """What becomes of a charge whose civil day is no business day; the periods themselves never move."""

    NONE = "none"
    NEXT = "next"  # the first business day after it
    PREVIOUS = "previous"  # the last one before it


def is_business_day(day: date) -> bool:
    """Whether Korean banks are open: no Saturday, Sunday, public or substitute holiday.

    Source: the ``holidays`` package. What a government announces after its release is in its next one.
    """
    return day.weekday() < _SATURDAY and day not in _holidays(day.year)


def shifted(day: date, shift: Shift) -> date:
    """The civil day on which a charge of ``day`` is made."""
    if shift is not Shift.NONE:
        step = ONE_DAY if shift is Shift.NEXT else -ONE_DAY
        while not is_business_day(day):
            day += step
    return day


@lru_cache(maxsize=256)
def _holidays(year: int) -> frozenset[date]:
    return frozenset(holidays.country_holidays("KR", years=year))
