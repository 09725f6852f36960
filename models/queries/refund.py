"""SQL of refunds: what may be asked for, what is sent and asked about, what is booked.

Locks: the payment first, then its refunds, each by id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from domain.errors import Conflict, NotFound
from domain.refund import OPEN_REFUND, OUT_REFUND, UNDECIDED_REFUND
from models.base import listed
from models.queries import listing
from models.queries.bulk import insert_rows, update_rows
from models.refund import PaymentCancellation, Refund, RefundEvidence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row

    from models.session import Transaction

_OPEN: Final = listed(OPEN_REFUND)
_OUT: Final = listed(OUT_REFUND)
_UNDECIDED: Final = listed(UNDECIDED_REFUND)

#: Rows of one page, at most.
PAGE: Final = 1_000

_PAYMENT: Final = (
    "SELECT p.id, p.imp_uid, p.invoice_id, p.attempt_id, p.amount, p.cancelled_amount, p.tax_free, p.vat_amount,"
    " p.counts, p.channel, i.subscription_id, a.merchant_uid"
    " FROM payment p JOIN charge_attempt a ON a.id = p.attempt_id JOIN invoice i ON i.id = p.invoice_id"
)
_REFUND: Final = (
    "SELECT r.id, r.payment_id, r.channel, r.amount, r.tax_free, r.vat_amount, r.reason, r.requested_by,"
    " r.requested_at, r.mark, r.state, r.send_no, r.fence, r.absent_count, r.checksum, r.token_digest,"
    " r.first_sent_at, r.sent_at, r.send_before, r.lease_until, r.next_at, r.unknown_reason, r.raw_reason,"
    " r.overtaken_at, r.operator_since, r.operator_reason, r.ended_at"
)
#: A token that the gateway issued after ours died; the first of them tells when ours was surely dead.
_DEAD_SINCE: Final = (
    "(SELECT min(later.first_seen_at) FROM seen_token own JOIN seen_token later ON later.channel = own.channel"
    " AND later.expires_at > own.expires_at WHERE own.digest = r.token_digest AND own.channel = r.channel)"
    " AS token_dead_at"
)

#: Due to be sent, or sent again after its pause; of a payment none while another of its refunds is out.
_SENDABLE: Final = (
    "r.channel = :channel AND r.next_at <= :real AND r.operator_since IS NULL"
    " AND (r.state = 'not_executed' OR (r.state = 'requested' AND NOT EXISTS (SELECT FROM refund o"
    f" WHERE o.payment_id = r.payment_id AND o.id <> r.id AND o.state IN ({_OUT}))))"
)
_LOOKED_AT: Final = f"r.channel = :channel AND r.state IN ({_UNDECIDED}) AND r.next_at <= :real"

_LOCK_PAYMENTS: Final = text("SELECT id FROM payment WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED")
_LOCK_REFUNDS: Final = text(
    f"SELECT id FROM refund WHERE payment_id = ANY(:ids) AND state IN ({_OPEN}) ORDER BY id FOR UPDATE"
)
_CLAIMED: Final = text(
    f"{_REFUND}, p.imp_uid, p.amount AS paid, p.cancelled_amount FROM refund r JOIN payment p ON p.id = r.payment_id"
    f" WHERE p.id = ANY(:ids) AND {_SENDABLE} ORDER BY r.id"
)
#: In flight past its lease, or unknown and due to be looked at. The fence moves, so that whoever sent it, frozen until
#: now, can record nothing but success. Only the refund is locked: last in the order, waiting for nobody.
_TAKE: Final = text(
    "UPDATE refund t SET state = 'unknown', fence = t.fence + 1, next_at = :until,"
    " unknown_reason = coalesce(t.unknown_reason, 'lease_expired')"
    f" FROM (SELECT r.id FROM refund r WHERE {_LOOKED_AT} ORDER BY r.next_at LIMIT :limit FOR UPDATE SKIP LOCKED) due"
    " WHERE t.id = due.id RETURNING t.id"
)
_SENT: Final = text(
    f"SELECT r.id, r.mark, r.amount, r.checksum, r.send_no, r.fence, r.token_digest, r.sent_at, r.unknown_reason,"
    f" r.raw_reason, r.overtaken_at, {_DEAD_SINCE}, p.imp_uid, p.amount AS paid, p.cancelled_amount, a.merchant_uid"
    " FROM refund r JOIN payment p ON p.id = r.payment_id JOIN charge_attempt a ON a.id = p.attempt_id"
    " WHERE r.id = ANY(:ids) ORDER BY r.id"
)


def find_payment(tx: Transaction, given: str) -> UUID:
    """The payment meant by an ``imp_uid``, or by an invoice's id: the one that counts for it, or its only one.

    Raises:
        BadInput, NotFound: It fits neither.
        Conflict: The invoice has no payment, or several and none that counts.
    """
    by_name = tx.connection.execute(
        text("SELECT id FROM payment WHERE imp_uid = :given"), {"given": given.strip()}
    ).scalar_one_or_none()
    if by_name is not None:
        named: UUID = by_name
        return named
    if given.strip().startswith("imp"):
        raise NotFound(f"there is no payment {given[:60]}")
    invoice_id = listing.find_id(tx, "invoice", given)
    rows = tx.connection.execute(
        text("SELECT id, counts FROM payment WHERE invoice_id = :id ORDER BY counts DESC, id"), {"id": invoice_id}
    ).all()
    if not rows:
        raise Conflict(f"invoice {invoice_id} has no payment: there is nothing to give back")
    if len(rows) > 1 and not rows[0].counts:
        raise Conflict(f"invoice {invoice_id} has {len(rows)} payments: give the imp_uid of one of them")
    found: UUID = rows[0].id
    return found


def find_refund(tx: Transaction, given: str) -> UUID:
    """The refund meant by its id, or by the mark that stands in the gateway's cancel history.

    Raises:
        BadInput, NotFound: It fits none, or more than one.
    """
    by_mark = tx.connection.execute(
        text("SELECT id FROM refund WHERE mark = :given"), {"given": given.strip()}
    ).scalar_one_or_none()
    if by_mark is not None:
        named: UUID = by_mark
        return named
    return listing.find_id(tx, "refund", given)


def payment_of(tx: Transaction, refund_id: UUID) -> UUID | None:
    """Whose payment a refund gives back; None: there is no such refund."""
    found: UUID | None = tx.connection.execute(
        text("SELECT payment_id FROM refund WHERE id = :id"), {"id": refund_id}
    ).scalar_one_or_none()
    return found


def payments_by_imp_uid(tx: Transaction, imp_uids: Sequence[str]) -> Sequence[Row[Any]]:
    """Which payments of ours the gateway's numbers name, with what is booked of them."""
    return tx.connection.execute(
        text("SELECT id, imp_uid, cancelled_amount FROM payment WHERE imp_uid = ANY(:uids)"), {"uids": list(imp_uids)}
    ).all()


def lock_payment(tx: Transaction, payment_id: UUID) -> Row[Any] | None:
    """A payment, locked, with whose it is and its channel."""
    return tx.connection.execute(
        text(f"{_PAYMENT} WHERE p.id = :id FOR NO KEY UPDATE OF p"), {"id": payment_id}
    ).one_or_none()


def lock_refunds(tx: Transaction, payment_id: UUID) -> Mapping[UUID, Row[Any]]:
    """Every refund of a payment, locked by id; the payment is locked already."""
    rows = tx.connection.execute(
        text(f"{_REFUND}, {_DEAD_SINCE} FROM refund r WHERE r.payment_id = :id ORDER BY r.id FOR UPDATE OF r"),
        {"id": payment_id},
    )
    return {row.id: row for row in rows}


def booked_entries(tx: Transaction, payment_id: UUID) -> dict[str, int]:
    """Which entries of a payment's cancel history are written down, and their won."""
    rows = tx.connection.execute(
        text("SELECT entry, amount FROM payment_cancellation WHERE payment_id = :id"), {"id": payment_id}
    )
    return {row.entry: row.amount for row in rows}


def insert_refunds(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write refunds for the first time; all rows have the same columns."""
    insert_rows(tx, Refund, rows)


def list_sendable(tx: Transaction, *, channel: str, limit: int) -> Mapping[UUID, UUID]:
    """Refunds that are due to be sent, one a payment: the refund by its payment."""
    rows = tx.connection.execute(
        text(
            f"SELECT DISTINCT ON (r.payment_id) r.payment_id, r.id FROM refund r WHERE {_SENDABLE}"
            " ORDER BY r.payment_id, r.id LIMIT :limit"
        ),
        {"channel": channel, "real": tx.real, "limit": limit},
    )
    return {row.payment_id: row.id for row in rows}


def lock_sendable(tx: Transaction, *, channel: str, payment_ids: Sequence[UUID]) -> Sequence[Row[Any]]:
    """The refund of each payment that is due to be sent, locked with its payment and read again under the locks."""
    parameters = {"channel": channel, "real": tx.real}
    ids = tx.connection.execute(_LOCK_PAYMENTS, {"ids": list(payment_ids)}).scalars().all()
    tx.connection.execute(_LOCK_REFUNDS, {"ids": list(ids)})
    rows = tx.connection.execute(_CLAIMED, parameters | {"ids": list(ids)}).all()
    first: dict[UUID, Row[Any]] = {}
    for row in rows:
        first.setdefault(row.payment_id, row)
    return list(first.values())


def write_refunds(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write what changed of refunds; every row gives the same columns."""
    update_rows(tx, Refund, rows)


def write_booked(tx: Transaction, *, payment_id: UUID, cancellations: Sequence[Mapping[str, Any]]) -> None:
    """Write cancels down, and their sum into their payment; it is locked already."""
    insert_rows(tx, PaymentCancellation, cancellations)
    tx.connection.execute(
        text("UPDATE payment SET cancelled_amount = cancelled_amount + :sum WHERE id = :id"),
        {"id": payment_id, "sum": sum(row["amount"] for row in cancellations)},
    )


def write_evidence(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write down what payments showed."""
    insert_rows(tx, RefundEvidence, rows)


def take_refunds(tx: Transaction, *, channel: str, limit: int, until: datetime) -> Sequence[Row[Any]]:
    """Take refunds that are due to be asked about, with what was sent; nobody else asks before ``until``."""
    ids = (
        tx.connection.execute(_TAKE, {"channel": channel, "real": tx.real, "until": until, "limit": limit})
        .scalars()
        .all()
    )
    return tx.connection.execute(_SENT, {"ids": list(ids)}).all() if ids else []


def looks_of(tx: Transaction, refund_ids: Sequence[UUID]) -> Sequence[Row[Any]]:
    """What payments showed of refunds when they were looked at, oldest first."""
    return tx.connection.execute(
        text(
            "SELECT refund_id, send_no, source, trace, began_at, token_digest FROM refund_evidence"
            " WHERE refund_id = ANY(:ids) AND source <> 'answer' ORDER BY began_at"
        ),
        {"ids": list(refund_ids)},
    ).all()


def is_due(tx: Transaction, *, channel: str, may_send: bool) -> bool:
    """Whether a refund of the channel is to be asked about now, or sent, where that is allowed."""
    return bool(
        tx.connection.execute(
            text(f"SELECT EXISTS (SELECT FROM refund r WHERE (:may_send AND {_SENDABLE}) OR ({_LOOKED_AT}))"),
            {"channel": channel, "real": tx.real, "may_send": may_send},
        ).scalar_one()
    )


_LISTED: Final = (
    f"{_REFUND}, p.imp_uid, p.amount AS paid, p.cancelled_amount, p.invoice_id, c.customer_ref FROM refund r"
    " JOIN payment p ON p.id = r.payment_id JOIN invoice i ON i.id = p.invoice_id"
    " JOIN subscription s ON s.id = i.subscription_id JOIN customer c ON c.id = s.customer_id"
)
_LIST_PAGE: Final = text(
    f"{_LISTED} WHERE (CAST(:after AS uuid) IS NULL OR r.id > :after)"
    " AND (CAST(:state AS text) IS NULL OR r.state = :state)"
    " AND (NOT :operator OR r.state = 'proposed' OR r.operator_since IS NOT NULL) ORDER BY r.id LIMIT :limit"
)


def list_refunds(
    tx: Transaction, *, state: str | None, operator: bool, limit: int, after: UUID | None
) -> Sequence[Row[Any]]:
    """Refunds by id, which is by time; ``after`` is the last one of the page before."""
    return tx.connection.execute(
        _LIST_PAGE, {"state": state, "operator": operator, "limit": min(limit, PAGE), "after": after}
    ).all()


def one_refund(tx: Transaction, refund_id: UUID) -> Row[Any]:
    """One refund with its payment."""
    return tx.connection.execute(text(f"{_LISTED} WHERE r.id = :id"), {"id": refund_id}).one()


def evidence_of(tx: Transaction, refund_id: UUID) -> Sequence[Row[Any]]:
    """What was seen of one refund, oldest first, without the bodies; real time."""
    return tx.connection.execute(
        text(
            "SELECT send_no, source, trace, began_at FROM refund_evidence WHERE refund_id = :id ORDER BY id LIMIT 200"
        ),
        {"id": refund_id},
    ).all()


def refunds_of(tx: Transaction, invoice_id: UUID) -> Sequence[Row[Any]]:
    """Refunds of an invoice's payments, in order."""
    return tx.connection.execute(
        text(f"{_LISTED} WHERE p.invoice_id = :id ORDER BY r.id LIMIT 200"), {"id": invoice_id}
    ).all()


def cancellations_of(tx: Transaction, invoice_id: UUID) -> Sequence[Row[Any]]:
    """Every cancel of an invoice's payments that is written down, in order."""
    return tx.connection.execute(
        text(
            "SELECT p.imp_uid, c.entry, c.amount, c.refund_id, c.cancelled_at, c.recorded_at"
            " FROM payment_cancellation c JOIN payment p ON p.id = c.payment_id WHERE p.invoice_id = :id"
            " ORDER BY c.recorded_at, c.entry LIMIT 200"
        ),
        {"id": invoice_id},
    ).all()


def set_aside(tx: Transaction, *, refund_id: UUID, reason: str) -> None:
    """Put a refund that could not be written before an operator; one that is not out yet is not sent meanwhile."""
    tx.connection.execute(
        text(
            "UPDATE refund SET operator_since = :real, operator_reason = :reason WHERE id = :id"
            " AND operator_since IS NULL"
        ),
        {"id": refund_id, "reason": reason, "real": tx.real},
    )
