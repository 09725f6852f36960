"""SQL of foreign hands: what they did to cards of ours, which cards that blocks, how far we have looked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from domain.charge_attempt import OPEN_ATTEMPT
from domain.foreign import WAITING
from domain.invoice import CHARGEABLE
from models.base import listed
from models.foreign import ForeignPayment, ForeignSchedule, GatewayComparison
from models.queries.bulk import insert_rows, update_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime, timedelta
    from uuid import UUID

    from sqlalchemy import Row

    from models.session import Transaction

#: An arbitrary number of our own: writers of what was seen at the gateway go one after the other, a channel each.
_LOCK: Final = 7_302_551

#: Money of a foreign schedule that nobody has answered for, whatever the schedule says of itself.
UNANSWERED: Final = (
    "FROM foreign_payment p JOIN foreign_schedule f ON f.channel = p.channel AND f.merchant_uid = p.merchant_uid"
    " WHERE p.is_money AND p.accepted_at IS NULL AND f.ignored_at IS NULL AND f.billing_key_id = p.billing_key_id"
)
#: A schedule that somebody must answer for, or its money, or an adoption that is not finished.
ASKS: Final = (
    "(EXISTS (SELECT FROM foreign_schedule f WHERE f.billing_key_id = k.id AND f.gone_at IS NULL"
    " AND f.ignored_at IS NULL)"
    f" OR EXISTS (SELECT {UNANSWERED} AND p.billing_key_id = k.id)"
    " OR EXISTS (SELECT FROM adoption a WHERE a.billing_key_id = k.id AND a.state <> 'done'))"
)


def one_writer(tx: Transaction, channel: str) -> None:
    """Let nobody else write what was seen at this channel's gateway until the end: an incident is told once."""
    tx.connection.execute(
        text("SELECT pg_advisory_xact_lock(:lock, hashtext(:channel))"), {"lock": _LOCK, "channel": channel}
    )


def cards_by_uid(tx: Transaction, channel: str, uids: Iterable[str]) -> Mapping[str, Row[Any]]:
    """Cards of a channel by their public name, each with a subscription that it belongs to."""
    wanted = sorted(set(uids))
    if not wanted:
        return {}
    rows = tx.connection.execute(
        text(
            "SELECT k.id, k.customer_uid, k.created_at, k.foreign_schedule_since,"
            " coalesce((SELECT s.id FROM subscription s WHERE s.billing_key_id = k.id ORDER BY s.id LIMIT 1),"
            "  (SELECT s.id FROM subscription s WHERE s.customer_id = k.customer_id ORDER BY s.id LIMIT 1))"
            " AS subscription_id"
            " FROM billing_key k WHERE k.customer_uid = ANY(:uids) AND k.channel = :channel"
        ),
        {"uids": wanted, "channel": channel},
    )
    return {row.customer_uid: row for row in rows}


def attempts_named(tx: Transaction, uids: Iterable[str]) -> Mapping[str, Row[Any]]:
    """Attempts by order number, each with the channels that its sends went through."""
    wanted = sorted(set(uids))
    if not wanted:
        return {}
    rows = tx.connection.execute(
        text(
            "SELECT a.id, a.merchant_uid, a.amount, a.state, a.send_no, a.fence, a.invoice_id, i.subscription_id,"
            " ARRAY(SELECT k.channel FROM send d JOIN billing_key k ON k.id = d.billing_key_id"
            "  WHERE d.attempt_id = a.id) AS channels"
            " FROM charge_attempt a JOIN invoice i ON i.id = a.invoice_id WHERE a.merchant_uid = ANY(:uids)"
        ),
        {"uids": wanted},
    )
    return {row.merchant_uid: row for row in rows}


# Payments.


def known_payments(tx: Transaction, imp_uids: Iterable[str]) -> Mapping[str, Row[Any]]:
    """Foreign payments that are written down."""
    rows = tx.connection.execute(
        text("SELECT imp_uid, is_money FROM foreign_payment WHERE imp_uid = ANY(:uids)"),
        {"uids": sorted(set(imp_uids))},
    )
    return {row.imp_uid: row for row in rows}


def adopted_names(tx: Transaction, channel: str, uids: Iterable[str]) -> set[str]:
    """Order numbers of schedules that are being adopted: whether they were paid is the adoption's to find."""
    rows = tx.connection.execute(
        text(
            "SELECT d.merchant_uid FROM adopted_schedule d WHERE d.channel = :channel AND d.merchant_uid = ANY(:uids)"
            " AND d.became IN ('open', 'paid')"
        ),
        {"uids": sorted(set(uids)), "channel": channel},
    )
    return {row.merchant_uid for row in rows}


def write_payments(tx: Transaction, *, new: Sequence[Mapping[str, Any]], again: Sequence[Mapping[str, Any]]) -> None:
    """Write foreign payments seen for the first time, and what changed of those seen again."""
    insert_rows(tx, ForeignPayment, new, or_ignore=True)
    update_rows(tx, ForeignPayment, again, key=("imp_uid",))


def channel_of_payment(tx: Transaction, imp_uid: str) -> str | None:
    """Whose gateway told of a foreign payment; None: nobody's."""
    found: str | None = tx.connection.execute(
        text("SELECT channel FROM foreign_payment WHERE imp_uid = :uid"), {"uid": imp_uid}
    ).scalar_one_or_none()
    return found


def payment_of(tx: Transaction, imp_uid: str) -> Row[Any]:
    """A foreign payment, locked."""
    return tx.connection.execute(
        text("SELECT * FROM foreign_payment WHERE imp_uid = :uid FOR UPDATE"), {"uid": imp_uid}
    ).one()


def owner_of_invoice(tx: Transaction, invoice_id: UUID) -> UUID | None:
    """The subscription that an invoice belongs to."""
    found: UUID | None = tx.connection.execute(
        text("SELECT subscription_id FROM invoice WHERE id = :id"), {"id": invoice_id}
    ).scalar_one_or_none()
    return found


def is_key_of(tx: Transaction, key_id: UUID, customer_id: UUID) -> bool:
    """Whether a card is a customer's."""
    return bool(
        tx.connection.execute(
            text("SELECT EXISTS (SELECT FROM billing_key WHERE id = :key AND customer_id = :customer)"),
            {"key": key_id, "customer": customer_id},
        ).scalar_one()
    )


def accept_payment(tx: Transaction, *, imp_uid: str, because: str) -> None:
    """Somebody knows of a foreign payment; a schedule that made it asks no more."""
    parameters = {"uid": imp_uid, "because": because, "real": tx.real}
    tx.connection.execute(
        text("UPDATE foreign_payment SET accepted_at = :real, accepted_because = :because WHERE imp_uid = :uid"),
        parameters,
    )
    tx.connection.execute(
        text(
            "UPDATE foreign_schedule f SET gone_at = :real FROM foreign_payment p WHERE p.imp_uid = :uid"
            " AND f.channel = p.channel AND f.merchant_uid = p.merchant_uid AND f.gone_at IS NULL"
            f" AND f.state NOT IN ({listed(WAITING)})"
        ),
        parameters,
    )


def payments_of_channel(tx: Transaction, channel: str, *, begin: datetime, end: datetime) -> Sequence[Row[Any]]:
    """Payments of ours that a span of the gateway's list must have: paid in it, by the gateway's clock."""
    return tx.connection.execute(
        text(
            "SELECT p.id, p.imp_uid, p.amount, p.cancelled_amount, p.invoice_id, p.attempt_id, i.subscription_id"
            " FROM payment p JOIN invoice i ON i.id = p.invoice_id"
            " WHERE p.paid_at >= :begin AND p.paid_at < :end AND p.cancelled_amount = 0 AND p.channel = :channel"
        ),
        {"begin": begin, "end": end, "channel": channel},
    ).all()


def told_of_payment(tx: Transaction, *, kind: str, invoice_id: UUID, imp_uid: str) -> bool:
    """Whether such an event was written of a payment already."""
    return bool(
        tx.connection.execute(
            text(
                "SELECT EXISTS (SELECT FROM outbox_event e WHERE e.invoice_id = :invoice AND e.kind = :kind"
                " AND e.data ->> 'imp_uid' = :uid)"
            ),
            {"invoice": invoice_id, "kind": kind, "uid": imp_uid},
        ).scalar_one()
    )


# Schedules.


def known_schedules(tx: Transaction, channel: str, uids: Iterable[str]) -> Mapping[str, Row[Any]]:
    """Foreign schedules that are written down."""
    rows = tx.connection.execute(
        text("SELECT * FROM foreign_schedule WHERE channel = :channel AND merchant_uid = ANY(:uids)"),
        {"uids": sorted(set(uids)), "channel": channel},
    )
    return {row.merchant_uid: row for row in rows}


def write_schedules(tx: Transaction, *, new: Sequence[Mapping[str, Any]], again: Sequence[Mapping[str, Any]]) -> None:
    """Write schedules seen for the first time, and what changed of those seen again."""
    insert_rows(tx, ForeignSchedule, new, or_ignore=True)
    update_rows(tx, ForeignSchedule, again)


def unseen_schedules(tx: Transaction, channel: str, *, since: datetime, after: str, limit: int) -> Sequence[Row[Any]]:
    """Schedules that may still charge, or have just run, and that nobody saw since a real time, a page at a time."""
    return tx.connection.execute(
        text(
            "SELECT * FROM foreign_schedule WHERE channel = :channel AND gone_at IS NULL AND last_seen_at < :since"
            f" AND (state IN ({listed(WAITING)}) OR (payment_status = '' AND state <> 'revoked'))"
            " AND merchant_uid > :after ORDER BY merchant_uid LIMIT :limit"
        ),
        {"channel": channel, "since": since, "after": after, "limit": limit},
    ).all()


def ignore_schedule(tx: Transaction, schedule_id: UUID, *, because: str) -> None:
    """A schedule asks no more, though it may run."""
    update_rows(tx, ForeignSchedule, [{"id": schedule_id, "ignored_at": tx.real, "ignored_because": because}])


def answer_schedules(tx: Transaction, channel: str, uids: Iterable[str]) -> None:
    """What these schedules did is known: they ask no more."""
    tx.connection.execute(
        text(
            "UPDATE foreign_schedule SET gone_at = :real WHERE channel = :channel AND merchant_uid = ANY(:uids)"
            " AND gone_at IS NULL"
        ),
        {"uids": sorted(set(uids)), "channel": channel, "real": tx.real},
    )


def lock_keys(tx: Transaction, key_ids: Iterable[UUID]) -> None:
    """Lock cards, after their subscriptions and before their invoices."""
    tx.connection.execute(
        text("SELECT FROM billing_key WHERE id = ANY(:ids) ORDER BY id FOR UPDATE"), {"ids": sorted(set(key_ids))}
    )


def block(tx: Transaction, key_ids: Iterable[UUID]) -> Sequence[Row[Any]]:
    """Block those cards that a schedule or an adoption asks about, free the others; gives those that changed."""
    ids = sorted(set(key_ids))
    if not ids:
        return []
    lock_keys(tx, ids)
    return tx.connection.execute(
        text(
            f"UPDATE billing_key k SET foreign_schedule_since = CASE WHEN {ASKS} THEN CAST(:real AS timestamptz) END"
            f" WHERE k.id = ANY(:ids) AND (k.foreign_schedule_since IS NOT NULL) <> {ASKS}"
            " RETURNING k.id, k.foreign_schedule_since"
        ),
        {"ids": ids, "real": tx.real},
    ).all()


def is_blocked(tx: Transaction, key_id: UUID) -> bool:
    """Whether a schedule or an adoption asks about a card."""
    return bool(
        tx.connection.execute(
            text("SELECT foreign_schedule_since IS NOT NULL FROM billing_key WHERE id = :id"), {"id": key_id}
        ).scalar_one()
    )


def subscriptions_of_keys(tx: Transaction, key_ids: Iterable[UUID]) -> Sequence[Row[Any]]:
    """The subscriptions that cards pay for, each with the soonest schedule that asks."""
    return tx.connection.execute(
        text(
            "SELECT s.id, s.billing_key_id, f.merchant_uid, f.schedule_at, f.amount FROM subscription s"
            " LEFT JOIN LATERAL (SELECT f.* FROM foreign_schedule f WHERE f.billing_key_id = s.billing_key_id"
            "  AND f.gone_at IS NULL AND f.ignored_at IS NULL"
            f"  UNION ALL SELECT f.* {UNANSWERED} AND p.billing_key_id = s.billing_key_id"
            "  ORDER BY schedule_at LIMIT 1) f ON true"
            " WHERE s.billing_key_id = ANY(:ids) AND s.state <> 'ended' ORDER BY s.id"
        ),
        {"ids": sorted(set(key_ids))},
    ).all()


# An invoice that somebody else was paid for.


def lock_owed(
    tx: Transaction, *, subscription_id: UUID, ordinal: int | None, invoice_id: UUID | None
) -> Row[Any] | None:
    """An invoice, by its period or its id, locked after its subscription; with whether an attempt of it is open."""
    return tx.connection.execute(
        text(
            "SELECT i.id, i.state, i.ordinal, EXISTS (SELECT FROM charge_attempt a WHERE a.invoice_id = i.id"
            f" AND a.state IN ({listed(OPEN_ATTEMPT)})) AS is_attempted FROM invoice i"
            " WHERE i.subscription_id = :subscription AND i.purpose = 'period'"
            " AND i.ordinal = coalesce(CAST(:ordinal AS integer), i.ordinal)"
            " AND i.id = coalesce(CAST(:id AS uuid), i.id) FOR UPDATE"
        ),
        {"subscription": subscription_id, "ordinal": ordinal, "id": invoice_id},
    ).one_or_none()


def settle_elsewhere(tx: Transaction, *, invoice_id: UUID, state: str) -> None:
    """An invoice is owed no more."""
    tx.connection.execute(
        text(
            "UPDATE invoice SET state = :state, next_attempt_at = NULL WHERE id = :id"
            f" AND state IN ({listed(CHARGEABLE)})"
        ),
        {"id": invoice_id, "state": state},
    )


# How far we have looked.


def comparison(tx: Transaction, channel: str) -> Row[Any] | None:
    """How far a channel was compared."""
    return tx.connection.execute(
        text("SELECT * FROM gateway_comparison WHERE channel = :channel"), {"channel": channel}
    ).one_or_none()


def comparison_is_due(tx: Transaction, channel: str) -> bool:
    """Whether there is something to compare, nobody is at it, and it is time."""
    return bool(
        tx.connection.execute(
            text(
                "SELECT EXISTS (SELECT FROM billing_key WHERE channel = :channel) AND NOT"
                " EXISTS (SELECT FROM gateway_comparison c WHERE c.channel = :channel"
                "  AND (c.next_at > :real OR c.taken_until > :real))"
            ),
            {"channel": channel, "real": tx.real},
        ).scalar_one()
    )


def take_comparison(
    tx: Transaction, channel: str, *, until: datetime, first_from: datetime, overlap: timedelta
) -> Row[Any] | None:
    """Begin a channel's next round, or go on with one that was left; None: it is not time, or somebody is at it.

    Args:
        tx: The transaction.
        channel: Whose.
        until: Past it, whoever took it is taken to be dead. Real time.
        first_from: Where the first round of a channel begins.
        overlap: How much of what was read is read again by the next round.
    """
    new = {"channel": channel, "next_at": tx.real, "taken_until": tx.real, "payments_until": first_from + overlap}
    insert_rows(
        tx,
        GatewayComparison,
        [new | {"round_began_at": None, "schedules_from": None, "finished_at": None}],
        or_ignore=True,
    )
    return tx.connection.execute(
        text(
            "UPDATE gateway_comparison SET taken_until = :until, round_began_at = coalesce(round_began_at, :real),"
            " payments_until = CASE WHEN round_began_at IS NULL THEN payments_until - :overlap ELSE payments_until END"
            " WHERE channel = :channel AND next_at <= :real AND taken_until <= :real RETURNING *"
        ),
        {"channel": channel, "real": tx.real, "until": until, "overlap": overlap},
    ).one_or_none()


def note_comparison(tx: Transaction, channel: str, **values: object) -> None:
    """Write down how far the comparison has come."""
    update_rows(tx, GatewayComparison, [{"channel": channel, **values}], key=("channel",))


def compare_soon(tx: Transaction) -> None:
    """Cards have come in: let the next tick look at what foreign hands do to them.

    A round that is under way has perhaps read past them: it is told by a time after its beginning, and the next one
    begins as soon as it ends. Both wait for this transaction.
    """
    tx.connection.execute(
        text(
            "UPDATE gateway_comparison SET"
            " next_at = greatest(CAST(:real AS timestamptz), round_began_at + interval '1 microsecond')"
            " WHERE next_at > :real OR round_began_at IS NOT NULL"
        ),
        {"real": tx.real},
    )


def end_round(tx: Transaction, channel: str, *, next_at: datetime) -> None:
    """All was read; the next round begins at ``next_at``, or at once, if cards have come in meanwhile."""
    tx.connection.execute(
        text(
            "UPDATE gateway_comparison SET taken_until = :real, finished_at = :real, round_began_at = NULL,"
            " schedules_from = NULL, next_at = CASE WHEN next_at > round_began_at THEN :real ELSE :next_at END"
            " WHERE channel = :channel"
        ),
        {"channel": channel, "real": tx.real, "next_at": next_at},
    )
