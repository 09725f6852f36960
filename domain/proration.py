"""What is a part of a period worth? A share of it by civil days, rounded once, in the customer's favour.

One rule for whatever is charged or given back for some of a period's days: won times days, divided by the days of the
whole period, and rounded down. What a customer pays is rounded down by less than a won; what is given back to them is a
negative amount, so it is rounded up. The rule is our choice, decision 0052.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from domain.instants import civil_date

if TYPE_CHECKING:
    from datetime import datetime


def share_of(won: int, days: int, of_days: int) -> int:
    """So many won for ``of_days``, for ``days`` of them; negative won are given back."""
    return won * days // of_days


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Some civil days of a period."""

    days: int
    of_days: int

    def of(self, won: int) -> int:
        """What they are worth, of so many won for the whole period."""
        return share_of(won, self.days, self.of_days)


def remaining(*, start: datetime, end: datetime, now: datetime, zone_name: str) -> Share:
    """The civil days of a period that are left, the one that runs among them: all of them before it begins."""
    of_days = (civil_date(end, zone_name) - civil_date(start, zone_name)).days
    left = (civil_date(end, zone_name) - civil_date(now, zone_name)).days
    return Share(days=min(max(left, 0), of_days), of_days=of_days)
