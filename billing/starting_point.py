"""Where does billing begin for a row that comes in? Many rows share a plan, a day and a zone: asked once, kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import date, datetime

    from domain.billing_period import Arrears, Calendar, CatchUp

#: Answers kept at once, some twenty megabytes.
_KEPT: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StartingPoint:
    """The arrears, when the first period to be opened is due, and how many are at once, behind or not."""

    arrears: Arrears
    first_at: datetime
    due_behind: int
    due_besides: int


class StartingPoints:
    """Starting points of one import. An answer holds until the next period of its calendar begins, or is due."""

    def __init__(self, *, max_behind: int) -> None:
        self._max_behind = max_behind
        self._kept: dict[tuple[Calendar, CatchUp, date | None], tuple[datetime, datetime, StartingPoint]] = {}

    def find(self, calendar: Calendar, *, catch_up: CatchUp, paid_through: date | None, now: datetime) -> StartingPoint:
        """The starting point of a subscription that comes to us ``now``.

        Raises:
            BadInput: More periods behind than may be caught up.
        """
        key = (calendar, catch_up, paid_through)
        known = self._kept.get(key)
        if known is not None and known[0] <= now < known[1]:
            return known[2]
        arrears = calendar.arrears(now=now, catch_up=catch_up, paid_through=paid_through, max_behind=self._max_behind)
        due = arrears.first
        while calendar.has(due) and calendar.due_at(due) <= now:
            due += 1
        found = StartingPoint(
            arrears=arrears,
            first_at=calendar.due_at(arrears.first),
            due_behind=max(0, min(due, arrears.current) - arrears.first),
            due_besides=max(0, due - arrears.current),
        )
        if len(self._kept) >= _KEPT:
            self._kept.clear()
        upcoming = calendar.start(arrears.current)
        changes_at = min(calendar.due_at(due), upcoming if upcoming > now else calendar.start(arrears.current + 1))
        self._kept[key] = (now, changes_at, found)
        return found
