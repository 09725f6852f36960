"""SQL of the envelopes: what each day may hold, what was claimed of it, and what its forecast is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from domain.charge_attempt import OPEN_ATTEMPT
from domain.envelope import Envelope, Volume
from domain.invoice_line import EACH_PERIOD
from domain.subscription import BILLABLE
from models.base import listed
from models.queries import stop, usage
from models.queries.beside import WAITS
from models.queries.periods import CALENDAR

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date, datetime
    from uuid import UUID

    from sqlalchemy import Row

    from models.session import Transaction

_PAGE: Final = 5_000

_COLUMNS: Final = (
    "channel, day, begins_at, ends_at, expected_charges, expected_won, allowed_charges, allowed_won, claimed_charges,"
    " claimed_won, begun_at"
)
_READ: Final = f"SELECT {_COLUMNS} FROM charge_envelope WHERE channel = :channel AND day = :day"
#: What a subscription should pay a whole period, by what it paid last: a price that went wrong since does not show in
#: it. What a coupon or credit took off may be paid next time; what came once does not come again. Of a partial period
#: what was rounded down, once a line, is put back, and at most that. Who asked since for another plan or quantity pays
#: by that.
_USUAL_AMOUNT: Final = (
    "coalesce((SELECT (SELECT CASE WHEN coalesce(l.quantity, s.quantity) <> s.quantity"
    "   OR coalesce(lp.plan_id, s.plan_id) <> s.plan_id THEN NULL WHEN l.share_days IS NULL THEN sum(n.amount)"
    "   ELSE (sum(n.amount) + count(*)) * l.share_of_days / l.share_days END"
    f"  FROM invoice_line n WHERE n.invoice_id = l.id AND n.kind IN ({listed(EACH_PERIOD)}))::bigint"
    " FROM invoice l LEFT JOIN plan_price lp ON lp.id = l.plan_price_id"
    " WHERE l.subscription_id = s.id AND l.state = 'paid' AND l.purpose = 'period' ORDER BY l.ordinal DESC LIMIT 1),"
    " s.quantity * pp.amount)"
)
#: The same of a standing invoice ``i``, which may be a partial period's.
_ITS_AMOUNT: Final = f"{_USUAL_AMOUNT} * coalesce(i.share_days, 1) / coalesce(i.share_of_days, 1)"
#: One-off items, which a person asked for by name: those that wait for an invoice, or those of invoice ``i``.
_ITEMS: Final = "SELECT sum(w.quantity * w.unit_amount)::bigint FROM invoice_item w WHERE"
#: What periods used, as it was told: what waits, or what invoice ``i`` has.
_USED: Final = "SELECT sum(u.amount)::bigint FROM usage u WHERE u.subscription_id = s.id AND"
_ADD_ONS: Final = "SELECT sum(o.quantity * o.unit_amount)::bigint FROM add_on o WHERE o.subscription_id = s.id"
#: And add-ons that begin, and the setup fee, of who has no period yet, or of the first one.
_WAITING: Final = (
    f"coalesce(({_ITEMS} w.subscription_id = s.id AND {WAITS}), 0) + coalesce(({_USED} {usage.WAITS}), 0)"
    f" + coalesce(({_ADD_ONS} AND o.first_ordinal = s.ordinal + 1), 0)"
    " + CASE WHEN s.ordinal < 0 THEN pp.setup_fee ELSE 0 END"
)
_ON_IT: Final = (
    f"coalesce(({_ITEMS} w.invoice_id = i.id), 0) + coalesce(({_USED} u.invoice_id = i.id), 0)"
    f" + coalesce(({_ADD_ONS} AND o.first_ordinal = i.ordinal), 0)"
    " + CASE WHEN i.ordinal = 0 THEN pp.setup_fee ELSE 0 END"
)
#: What an invoice should charge: a period what it usually costs; what a person made due, what it says.
_EXPECTED: Final = f"(CASE WHEN i.purpose = 'period' THEN {_ITS_AMOUNT} + {_ON_IT} ELSE i.amount END)"
_BILLED: Final = f"s.state IN ({listed(BILLABLE)}) AND s.set_aside_reason IS NULL AND k.revoked_at IS NULL"
_CHARGED: Final = f"{stop.IS_BILLED} AND s.set_aside_reason IS NULL AND k.revoked_at IS NULL"
_FROM: Final = (
    " FROM subscription s JOIN plan p ON p.id = s.plan_id JOIN plan_price pp ON pp.id = s.plan_price_id"
    " JOIN billing_key k ON k.id = s.billing_key_id"
)
_PERIODS: Final = (
    f"SELECT s.id, s.ordinal, s.next_billing_at, s.catch_up_below, s.stops_before, {CALENDAR}, p.catch_up,"
    f" p.after_outage, k.channel, {_USUAL_AMOUNT} AS amount, {_WAITING} AS items{_FROM}"
    f" WHERE {_BILLED} AND {stop.IS_FORESEEN}"
)
_STANDING: Final = (
    "SELECT count(*) FILTER (WHERE i.attempt_count > 0) AS declined_charges,"
    f" sum({_EXPECTED}) FILTER (WHERE i.attempt_count > 0) AS declined_won,"
    " count(*) FILTER (WHERE i.attempt_count = 0 AND i.is_catch_up) AS spread_charges,"
    f" sum({_EXPECTED}) FILTER (WHERE i.attempt_count = 0 AND i.is_catch_up) AS spread_won,"
    " count(*) FILTER (WHERE i.attempt_count = 0 AND NOT i.is_catch_up) AS open_charges,"
    f" sum({_EXPECTED}) FILTER (WHERE i.attempt_count = 0 AND NOT i.is_catch_up) AS open_won"
    f"{_FROM} JOIN invoice i ON i.subscription_id = s.id WHERE {_CHARGED} AND i.next_attempt_at < :end"
    " AND (CAST(:after AS timestamptz) IS NULL OR i.next_attempt_at > :after)"
    " AND i.set_aside_reason IS NULL AND NOT EXISTS (SELECT FROM charge_attempt a"
    f"  WHERE a.invoice_id = i.id AND a.state IN ({listed(OPEN_ATTEMPT)}))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Invoices that are due before an instant: never attempted, spread over days by ``catch_up``, declined before."""

    opened: Volume
    spread: Volume
    declined: Volume


def alone(tx: Transaction, *, or_beside_others: bool = False) -> None:
    """Whoever forecasts is alone with what it counts: who makes more due waits for it, or is waited for.

    Args:
        tx: Until its end.
        or_beside_others: Of those who make more due, any number may be at work at once.
    """
    shared = "_shared" if or_beside_others else ""
    tx.connection.execute(text(f"SELECT pg_advisory_xact_lock{shared}(hashtext('charge_envelope'))"))


def envelope_of(row: Row[Any]) -> Envelope:
    """A day's envelope in its row."""
    return Envelope(
        expected=Volume(charges=row.expected_charges, won=row.expected_won),
        allowed=Volume(charges=row.allowed_charges, won=row.allowed_won),
        claimed=Volume(charges=row.claimed_charges, won=row.claimed_won),
    )


def read_envelope(tx: Transaction, channel: str, day: date) -> Row[Any] | None:
    """A day's envelope, if it was written."""
    return tx.connection.execute(text(_READ), {"channel": channel, "day": day}).one_or_none()


def envelopes_to_come(tx: Transaction, channels: Sequence[str]) -> Sequence[Row[Any]]:
    """The envelopes of these channels whose day is not over."""
    return tx.connection.execute(
        text(f"SELECT {_COLUMNS} FROM charge_envelope WHERE channel = ANY(:channels) AND ends_at > :now ORDER BY 1, 2"),
        {"channels": list(channels), "now": tx.now},
    ).all()


def add_claimed(tx: Transaction, channel: str, day: date, volume: Volume) -> Row[Any]:
    """Count a claim in its day's envelope, which stays locked; gives the envelope as it was before."""
    row = tx.connection.execute(text(f"{_READ} FOR UPDATE"), {"channel": channel, "day": day}).one()
    _add(tx, "claimed", channel, day, volume)
    return row


def add_expected(tx: Transaction, channel: str, day: date, volume: Volume) -> None:
    """A person made so much more of it due."""
    _add(tx, "expected", channel, day, volume)


def add_allowed(tx: Transaction, channel: str, day: date, volume: Volume) -> Row[Any]:
    """A person lets more be charged on a day; gives its envelope after that."""
    _add(tx, "allowed", channel, day, volume)
    return tx.connection.execute(text(_READ), {"channel": channel, "day": day}).one()


def _add(tx: Transaction, what: str, channel: str, day: date, volume: Volume) -> None:
    tx.connection.execute(
        text(
            f"UPDATE charge_envelope SET {what}_charges = {what}_charges + :charges, {what}_won = {what}_won + :won"
            " WHERE channel = :channel AND day = :day"
        ),
        {"channel": channel, "day": day, "charges": volume.charges, "won": volume.won},
    )


def write_forecast(
    tx: Transaction, channel: str, day: date, span: tuple[datetime, datetime], expected: Volume, *, has_begun: bool
) -> None:
    """Write a day's forecast, unless somebody was first."""
    tx.connection.execute(
        text(
            "INSERT INTO charge_envelope (channel, day, begins_at, ends_at, expected_charges, expected_won,"
            " forecast_at, begun_at) VALUES (:channel, :day, :begin, :end, :charges, :won, :now, :begun_at)"
            " ON CONFLICT DO NOTHING"
        ),
        {
            "channel": channel,
            "day": day,
            "begin": span[0],
            "end": span[1],
            "charges": expected.charges,
            "won": expected.won,
            "now": tx.now,
            "begun_at": tx.now if has_begun else None,
        },
    )


def due_now(tx: Transaction, channel: str) -> Volume:
    """What the next claims would take of a channel's day, if nothing held it back; what is only sent again is none."""
    row = tx.connection.execute(
        text(
            f"SELECT count(*) AS charges, coalesce(sum(i.amount), 0) AS won{_FROM}"
            f" JOIN invoice i ON i.subscription_id = s.id WHERE {_CHARGED} AND k.channel = :channel"
            " AND i.next_attempt_at <= :now AND i.set_aside_reason IS NULL AND NOT EXISTS (SELECT FROM charge_attempt a"
            f"  WHERE a.invoice_id = i.id AND a.state IN ({listed(OPEN_ATTEMPT)}))"
        ),
        {"channel": channel, "now": tx.now},
    ).one()
    return Volume(charges=row.charges, won=int(row.won))


def begin_day(tx: Transaction, channel: str, day: date, more: Volume) -> None:
    """Add to a day that was forecast ahead what is known only when it begins; once."""
    tx.connection.execute(
        text(
            "UPDATE charge_envelope SET expected_charges = expected_charges + :charges,"
            " expected_won = expected_won + :won, begun_at = :now"
            " WHERE channel = :channel AND day = :day AND begun_at IS NULL"
        ),
        {"channel": channel, "day": day, "charges": more.charges, "won": more.won, "now": tx.now},
    )


def due_subscriptions(tx: Transaction, channel: str, *, end: datetime) -> Iterator[Row[Any]]:
    """Subscriptions of a channel with a period to be opened before an instant, each with what it usually pays.

    In no order, and read once: everything falls due at the same instant, and a page of an order would sort all of it.
    """
    statement = text(f"{_PERIODS} AND k.channel = :channel AND s.next_billing_at < :end")
    in_pages = statement.execution_options(stream_results=True, yield_per=_PAGE)
    yield from tx.connection.execute(in_pages, {"channel": channel, "end": end})


def subscriptions_by_id(tx: Transaction, ids: Sequence[UUID]) -> Sequence[Row[Any]]:
    """The same of named subscriptions, as far as they are billed."""
    return tx.connection.execute(text(f"{_PERIODS} AND s.id = ANY(:ids)"), {"ids": list(ids)}).all()


def channels_of(tx: Transaction, subscription_id: UUID) -> Sequence[str]:
    """The channel of a subscription's card, if it has one; also of one that has ended."""
    return (
        tx.connection.execute(
            text("SELECT k.channel FROM subscription s JOIN billing_key k ON k.id = s.billing_key_id WHERE s.id = :id"),
            {"id": subscription_id},
        )
        .scalars()
        .all()
    )


def standing(
    tx: Transaction,
    *,
    end: datetime,
    after: datetime | None = None,
    channel: str | None = None,
    ids: Sequence[UUID] | None = None,
) -> Standing:
    """What stands due before an instant (and after another), of a channel or of named subscriptions.

    What is only sent again is none.
    """
    whose = "k.channel = :channel" if ids is None else "s.id = ANY(:ids)"
    named = {"channel": channel} if ids is None else {"ids": list(ids)}
    row = tx.connection.execute(text(f"{_STANDING} AND {whose}"), {"end": end, "after": after, **named}).one()
    return Standing(
        opened=Volume(charges=row.open_charges, won=int(row.open_won or 0)),
        spread=Volume(charges=row.spread_charges, won=int(row.spread_won or 0)),
        declined=Volume(charges=row.declined_charges, won=int(row.declined_won or 0)),
    )
