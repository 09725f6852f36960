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
    """The arrears, when the first period to be opened starts, and whether a period runs that is due at once."""

    arrears: Arrears
    first_at: datetime
    is_running: bool


class StartingPoints:
    """Starting points of one import. An answer holds until the next period of its calendar begins."""

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
        current_at = calendar.start(arrears.current)
        is_running = current_at <= now
        found = StartingPoint(arrears=arrears, first_at=calendar.start(arrears.first), is_running=is_running)
        if len(self._kept) >= _KEPT:
            self._kept.clear()
        self._kept[key] = (now, calendar.start(arrears.current + 1) if is_running else current_at, found)
        return found
