"""Each evening what the next day will charge is kept; once that day is over, what was opened is held against it.

Line by line. A difference that something explains which was recorded since (a cancel, an item, a consent) is written
down with that; one that nothing explains is an incident: a month was forgotten, or charged otherwise than it should.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from billing.foresee import foresee
from domain.forecast_day import COMPARED_AFTER, KEPT_FROM, digest_of
from domain.instants import ONE_DAY, civil_date, instant_of
from domain.invoice import Purpose
from models.queries import forecast, installation

if TYPE_CHECKING:
    from datetime import date, datetime

    from domain.forecast_day import Line
    from models.session import Database, Transaction

_CHUNK: Final = 5_000
_MIDNIGHT: Final = KEPT_FROM.replace(hour=0)


def keep_forecast(database: Database, *, zone_name: str) -> int | None:
    """Keep tomorrow's forecast if it is time; gives how many charges it has, None: there was nothing to keep.

    Safe at any time, and at once: one is kept of a day, and none once the day has begun.
    """
    with database.transaction() as tx:
        today = civil_date(tx.now, zone_name)
        day = today + ONE_DAY
        if tx.now < instant_of(today, KEPT_FROM, zone_name) or not forecast.one_writer(tx) or forecast.is_kept(tx, day):
            return None
        begin, end = instant_of(day, _MIDNIGHT, zone_name), instant_of(day + ONE_DAY, _MIDNIGHT, zone_name)
        lines = _foreseen(tx, begin=begin, end=end)
        forecast.write_day(
            tx,
            {
                "day": day,
                "begins_at": begin,
                "ends_at": end,
                "kept_at": tx.now,
                "charges": len(lines),
                "won": sum(won for _, _, won, _ in lines),
                "digest": digest_of(lines),
            },
        )
        for start in range(0, len(lines), _CHUNK):
            forecast.write_lines(
                tx,
                [
                    {"day": day, "subscription_id": subscription, "ordinal": ordinal, "amount": won, "due_at": due_at}
                    for subscription, ordinal, won, due_at in lines[start : start + _CHUNK]
                ],
            )
        return len(lines)


def compare_forecast(database: Database) -> int | None:
    """Compare the oldest day that is over; gives how many differences nothing explains, None: no day is to be."""
    with database.transaction() as tx:
        kept = forecast.first_to_compare(tx, over_before=tx.now - COMPARED_AFTER) if forecast.one_writer(tx) else None
        if kept is None:
            return None
        is_whole = kept.digest == digest_of(
            (row.subscription_id, row.ordinal, row.amount, row.due_at) for row in forecast.lines_of(tx, kept.day)
        )
        found = forecast.differences_of(tx, kept.day)
        unexplained = [row for row in found if row["cause"] is None]
        forecast.write_compared(
            tx,
            kept.day,
            differences=[{"day": kept.day, **row} for row in found],
            unexplained=len(unexplained),
        )
        if unexplained or not is_whole:
            _tell(tx, kept.day, unexplained=len(unexplained), is_whole=is_whole)
        return len(unexplained)


def _foreseen(tx: Transaction, *, begin: datetime, end: datetime) -> list[Line]:
    """First charges of a day's periods: what is tried again after a decline is none that could be forgotten."""
    return [
        (each.subscription_id, each.ordinal, each.amount, each.due_at)
        for each in foresee(tx, until=end)
        if begin <= each.due_at < end and each.attempts == 0 and each.purpose is Purpose.PERIOD
    ]


def _tell(tx: Transaction, day: date, *, unexplained: int, is_whole: bool) -> None:
    told = installation.event(
        tx, "forecast.unexplained", is_incident=True, day=day.isoformat(), differences=unexplained, is_whole=is_whole
    )
    installation.write_events(tx, [told])
