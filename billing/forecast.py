"""What will be charged on a day? Written ahead, from subscriptions and from what they paid last, not from the invoices.

The claim counts against it (``claim_due``): a price that went wrong, or a loop that makes everything due, stops there
and asks a person. A day's forecast is written on the day before. When the day begins, what was left over and what
dunning brings is added; what a person makes due is added by the command that does it.
"""

from __future__ import annotations

from datetime import time
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import structlog

from billing.due_periods import due_periods
from domain.billing_period import Skip
from domain.envelope import Volume
from domain.instants import ONE_DAY, civil_date, instant_of
from domain.proration import Share
from models.queries import envelope

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import date, datetime
    from uuid import UUID

    from sqlalchemy import Row

    from models.session import Database, Transaction

_log = structlog.get_logger("billing")

#: Periods of one subscription on one day, at most: more are a mistake that the envelope should not excuse.
_MOST_PERIODS: Final = 150
_NONE: Final = Volume()
_WHOLE: Final = Share(1, 1)
#: All that the number of a subscription's periods depends on.
_CALENDAR: Final = (
    "timezone", "anchored_on", "anchor_ordinal", "stub_from", "billing_day",
    "ordinal", "next_billing_at", "catch_up_below",
    "every", "cron", "charge_time",
    "shift", "catch_up", "after_outage", "stops_before", "periods", "billed",
)  # fmt: skip


def begin_day(database: Database, channel: str, zone_name: str) -> None:
    """Let the channel's civil day have its forecast, and the next one. Safe to run any number of times at once."""
    with database.reading() as tx:  # the rule: it has
        if _has_begun(tx, channel, civil_date(tx.now, zone_name)):
            return
    with database.transaction() as tx:
        envelope.alone(tx)
        today = civil_date(tx.now, zone_name)
        if _has_begun(tx, channel, today):
            return
        tomorrow = today + ONE_DAY
        standing_today = envelope.read_envelope(tx, channel, today)
        is_tomorrow_written = envelope.read_envelope(tx, channel, tomorrow) is not None
        begin, end = _span(today, zone_name)
        if standing_today is None:
            expected = _everything_due(tx, channel, end=end)
        elif standing_today.begun_at is None:
            expected = _left_over(tx, channel, today, begin=begin) + _known_late(tx, channel, end=end)
        else:
            expected = _NONE
        next_span = _span(tomorrow, zone_name)
        ahead = _NONE if is_tomorrow_written else _periods_of(tx, channel, begin=next_span[0], end=next_span[1])
        if standing_today is None:
            envelope.write_forecast(tx, channel, today, (begin, end), expected, has_begun=True)
        elif standing_today.begun_at is None:
            envelope.begin_day(tx, channel, today, expected)
        if not is_tomorrow_written:
            envelope.write_forecast(tx, channel, tomorrow, next_span, ahead, has_begun=False)


def expect_more(tx: Transaction, subscription_ids: Sequence[UUID]) -> None:
    """A person has just made these subscriptions due, or due sooner: their charges are no surprise."""
    envelope.alone(tx, or_beside_others=True)
    rows = envelope.subscriptions_by_id(tx, subscription_ids)
    for day in envelope.envelopes_to_come(tx, sorted({row.channel for row in rows})):
        begin = day.begins_at if day.begins_at > tx.now else None
        mine = [row for row in rows if row.channel == day.channel]
        more = _periods(mine, now=tx.now, begin=begin, end=day.ends_at)
        if begin is None:
            at_once = envelope.standing(tx, end=day.ends_at, ids=[row.id for row in mine])
            more = more + at_once.opened + at_once.declined
        if more != _NONE:
            envelope.add_expected(tx, day.channel, day.day, more)


def expect_rises(tx: Transaction, rises: Sequence[tuple[UUID, int]]) -> None:
    """Subscriptions owe so many won more from today on: what they paid last does not show that."""
    envelope.alone(tx, or_beside_others=True)
    won = dict(rises)
    rows = envelope.subscriptions_by_id(tx, [each for each, _ in rises])
    for day in envelope.envelopes_to_come(tx, sorted({row.channel for row in rows})):
        if day.begins_at <= tx.now:
            more = sum(won[row.id] for row in rows if row.channel == day.channel)
            envelope.add_expected(tx, day.channel, day.day, Volume(charges=0, won=more))


def expect_item(tx: Transaction, subscription_id: UUID, *, won: int) -> None:
    """A person put so many won on a subscription's next invoice: a day that is forecast already expects them."""
    envelope.alone(tx, or_beside_others=True)
    for row in envelope.subscriptions_by_id(tx, [subscription_id]):
        for day in envelope.envelopes_to_come(tx, [row.channel]):
            if max(day.begins_at, tx.now) <= max(row.next_billing_at, tx.now) < day.ends_at:
                envelope.add_expected(tx, day.channel, day.day, Volume(won=won))


def expect_charge(tx: Transaction, subscription_id: UUID, *, won: int) -> None:
    """A charge of so many won has just become due, by an invoice of its own: today expects it."""
    envelope.alone(tx, or_beside_others=True)
    for day in envelope.envelopes_to_come(tx, envelope.channels_of(tx, subscription_id)):
        if day.begins_at <= tx.now:
            envelope.add_expected(tx, day.channel, day.day, Volume(charges=1, won=won))


def later_today(tx: Transaction, channel: str, *, end: datetime) -> Volume:
    """What the day will see by itself and is not due yet, or not opened: until ``end``, its end."""
    standing = envelope.standing(tx, channel=channel, after=tx.now, end=end)
    return _periods_of(tx, channel, begin=None, end=end) + standing.opened + standing.spread + standing.declined


def _has_begun(tx: Transaction, channel: str, today: date) -> bool:
    standing = envelope.read_envelope(tx, channel, today)
    is_begun = standing is not None and standing.begun_at is not None
    return is_begun and envelope.read_envelope(tx, channel, today + ONE_DAY) is not None


def _everything_due(tx: Transaction, channel: str, *, end: datetime) -> Volume:
    """A day that nobody forecast: the engine was down, or is new. What is overdue is what it has to do."""
    return (
        _periods_of(tx, channel, begin=None, end=end)
        + envelope.standing(tx, channel=channel, end=end).opened
        + _known_late(tx, channel, end=end)
    )


def _left_over(tx: Transaction, channel: str, today: date, *, begin: datetime) -> Volume:
    """What yesterday's forecast expected and was not claimed, as far as it is really still due."""
    yesterday = envelope.read_envelope(tx, channel, today - ONE_DAY)
    if yesterday is None:
        return _NONE
    before = envelope.envelope_of(yesterday)
    overdue = _periods_of(tx, channel, begin=None, end=begin) + envelope.standing(tx, channel=channel, end=begin).opened
    return before.expected.less(before.claimed).least(overdue)


def _known_late(tx: Transaction, channel: str, *, end: datetime) -> Volume:
    """What is known only when the day begins: the steps of dunning, and what catching up spreads over days."""
    due = envelope.standing(tx, channel=channel, end=end)
    return due.declined + due.spread


def _periods_of(tx: Transaction, channel: str, *, begin: datetime | None, end: datetime) -> Volume:
    return _periods(envelope.due_subscriptions(tx, channel, end=end), now=tx.now, begin=begin, end=end)


def _periods(subscriptions: Iterable[Row[Any]], *, now: datetime, begin: datetime | None, end: datetime) -> Volume:
    """The periods that are due before ``end``, and from ``begin`` on, with what their subscriptions usually pay."""
    charges = won = uncounted = 0
    known: dict[tuple[object, ...], tuple[Share, ...]] = {}  # most subscriptions began on the same days as others
    for subscription in subscriptions:
        try:
            own = subscription.id if subscription.spread_minutes else None
            alike = (own, *(getattr(subscription, name) for name in _CALENDAR))
            shares = known.get(alike)
            if shares is None:
                shares = known[alike] = tuple(_shares_of(subscription, now=now, begin=begin, end=end))
        except Exception:  # noqa: BLE001 - whatever one row did, the day must begin; opening its period sets it aside
            uncounted += 1
            continue
        charges += len(shares)
        won += sum(share.of(subscription.amount) for share in shares) + (subscription.items if shares else 0)
    if uncounted:
        _log.warning("forecast.uncounted", subscriptions=uncounted)
    return Volume(charges=charges, won=won)


def _shares_of(subscription: Row[Any], *, now: datetime, begin: datetime | None, end: datetime) -> Iterator[Share]:
    """Of each period that is due, how much of a whole one it is."""
    for due in islice(due_periods(subscription, now=now, until=end), _MOST_PERIODS):
        # What catching up spreads over the days to come is counted on those days.
        if isinstance(due, Skip) or (due.is_catch_up and due.attempt_at > now):
            continue
        if due.attempt_at < end and (begin is None or due.attempt_at >= begin):
            yield due.period.share or _WHOLE


def _span(day: date, zone_name: str) -> tuple[datetime, datetime]:
    return instant_of(day, time.min, zone_name), instant_of(day + ONE_DAY, time.min, zone_name)
