"""SQL of the resolver: attempts of which nobody knows what the gateway did, what was asked, what it said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from domain.charge_attempt import UNDECIDED
from models.base import listed
from models.ids import first_id

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row

    from models.session import Transaction

#: An attempt is asked about where its latest send went: an earlier one, by a card of another channel, is proven absent.
_SENT_THROUGH: Final = (
    "EXISTS (SELECT FROM send x JOIN billing_key o ON o.id = x.billing_key_id"
    " WHERE x.attempt_id = a.id AND x.send_no = a.send_no AND o.channel = :channel)"
)
#: In flight past its lease, or unknown and due to be asked about. The fence moves, so that whoever sent it, frozen
#: until now, can record nothing but success. Only the attempt is locked: last in the order, waiting for nobody.
_TAKE: Final = text(
    "UPDATE charge_attempt t SET state = 'unknown', fence = t.fence + 1, next_look_up_at = :until,"
    " unknown_reason = coalesce(t.unknown_reason, 'lease_expired')"
    " FROM (SELECT a.id FROM charge_attempt a"
    f" WHERE a.state IN ({listed(UNDECIDED)}) AND a.next_look_up_at <= :real AND {_SENT_THROUGH}"
    " AND (CAST(:only AS uuid) IS NULL OR a.id = :only)"
    " ORDER BY a.next_look_up_at LIMIT :limit FOR UPDATE SKIP LOCKED) due"
    " WHERE t.id = due.id"
    " RETURNING t.id, t.merchant_uid, t.amount, t.send_no, t.fence, t.unknown_reason, t.raw_reason, t.first_sent_at,"
    " t.operator_since"
)
_SENDS: Final = text(
    "SELECT s.attempt_id, s.send_no, s.token_digest, s.committed_at, k.customer_uid,"
    # A token that the gateway issued after ours died; the first of them tells when ours was surely dead.
    " (SELECT min(later.first_seen_at) FROM seen_token own JOIN seen_token later ON later.channel = own.channel"
    "  AND later.expires_at > own.expires_at WHERE own.digest = s.token_digest AND own.channel = k.channel)"
    "  AS token_dead_at"
    " FROM send s JOIN billing_key k ON k.id = s.billing_key_id WHERE s.attempt_id = ANY(:ids)"
    " ORDER BY s.attempt_id, s.send_no"
)

#: Of an attempt whose sends went through two channels, an older row may not be sure which account has the payment.
_NEWEST_PAYMENT: Final = text(
    "SELECT p.imp_uid FROM payment p WHERE p.channel = :channel AND p.id < :before"
    " AND NOT EXISTS (SELECT FROM send x JOIN billing_key o ON o.id = x.billing_key_id"
    "  WHERE x.attempt_id = p.attempt_id AND o.channel <> :channel)"
    " ORDER BY p.id DESC LIMIT 1"
)


def take_undecided(
    tx: Transaction, *, channel: str, limit: int, until: datetime, only: UUID | None = None
) -> Sequence[Row[Any]]:
    """Take a channel's attempts that are due to be asked about; nobody else asks before ``until`` (real time)."""
    parameters = {"channel": channel, "real": tx.real, "until": until, "limit": limit, "only": only}
    return tx.connection.execute(_TAKE, parameters).all()


def sends_of(tx: Transaction, attempt_ids: Sequence[UUID]) -> Sequence[Row[Any]]:
    """Every send of attempts, in order, with its card's public name and when its token was surely dead."""
    return tx.connection.execute(_SENDS, {"ids": list(attempt_ids)}).all()


def looks_of(tx: Transaction, attempt_ids: Sequence[UUID]) -> Sequence[Row[Any]]:
    """What look-ups said of attempts, oldest first."""
    return tx.connection.execute(
        text(
            "SELECT attempt_id, send_no, source, said, began_at, token_digest FROM evidence"
            " WHERE attempt_id = ANY(:ids) ORDER BY began_at"
        ),
        {"ids": list(attempt_ids)},
    ).all()


def attempts_of_invoices(tx: Transaction, invoice_ids: Sequence[UUID], *, channel: str) -> Sequence[Row[Any]]:
    """The attempts of invoices whose latest send went through a channel, in order."""
    return tx.connection.execute(
        text(
            "SELECT a.id, a.invoice_id, a.attempt_no, a.merchant_uid, a.amount, a.send_no, a.fence, a.state"
            f" FROM charge_attempt a WHERE a.invoice_id = ANY(:ids) AND {_SENT_THROUGH}"
            " ORDER BY a.invoice_id, a.attempt_no"
        ),
        {"ids": list(invoice_ids), "channel": channel},
    ).all()


def newest_payment_before(tx: Transaction, before: datetime, *, channel: str) -> str | None:
    """The gateway's number of the payment that a channel's account surely has, written down last before a real time."""
    parameters = {"channel": channel, "before": first_id(before)}
    found: str | None = tx.connection.execute(_NEWEST_PAYMENT, parameters).scalar()
    return found


def undecided_count(tx: Transaction, *, channel: str) -> int:
    """How many attempts that were sent through a channel are due to be asked about now."""
    return int(
        tx.connection.execute(
            text(
                "SELECT count(*) FROM charge_attempt a"
                f" WHERE a.state IN ({listed(UNDECIDED)}) AND a.next_look_up_at <= :real AND {_SENT_THROUGH}"
            ),
            {"channel": channel, "real": tx.real},
        ).scalar_one()
    )
