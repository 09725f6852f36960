"""What is a part of a period worth? A share of it by civil days, rounded once, in the customer's favour.

One rule for whatever is charged or given back for some of a period's days: won times days, divided by the days of the
whole period, and rounded down. What a customer pays is rounded down by less than a won; what is given back to them is a
negative amount, so it is rounded up. A tax-free part has its share in the same ratio, so that it is never more than the
whole. The rule is our choice, decision 0052.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from domain.errors import RuleBroken
from domain.instants import civil_date

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Share:
    """``days`` of the ``of_days`` civil days of a whole period; at least none of them, at most all.

    Raises:
        RuleBroken: It is no part of a whole.
    """

    days: int
    of_days: int

    def __post_init__(self) -> None:
        if self.of_days < 1 or not 0 <= self.days <= self.of_days:
            raise RuleBroken(f"{self.days} of {self.of_days} days are no share of a period")

    def of(self, won: int) -> int:
        """What they are worth, of so many won for the whole; negative won are given back."""
        return won * self.days // self.of_days

    @property
    def words(self) -> str:
        """As a customer reads it on an invoice's line."""
        return f"{self.days} of {self.of_days} day{'s' if self.of_days > 1 else ''}"


def remaining(*, start: datetime, end: datetime, now: datetime, zone_name: str) -> Share:
    """The civil days of a period that are left, the one that runs among them: all of them before it begins."""
    of_days = (civil_date(end, zone_name) - civil_date(start, zone_name)).days
    left = (civil_date(end, zone_name) - civil_date(now, zone_name)).days
    return Share(days=min(max(left, 0), of_days), of_days=of_days)
