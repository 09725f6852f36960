"""A refund run: ask about what is not known, then claim what is due, send each cancel, and record it.

Commit 1 writes what will be asked, its checksum, the token's digest and the last moment to send it, before anything
leaves; of a payment one refund is out at a time. A doubtful commit is never followed by a cancel, and what it may have
claimed is left to its lease.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, assert_never

import structlog

from billing.halt_channel import is_running
from billing.look_up import AT_ONCE, ask_each
from billing.record_refund import RefundReport, record_refund
from billing.refund import ENGINE, ENGINES_WORDS
from billing.resolve_refunds import picture, resolve_refunds
from billing.token_in_hand import token_in_hand
from domain.errors import GatewayTrouble
from domain.outcome import NotExecutedReason
from domain.refund import (
    REFUND_TABLE,
    RefundEvent,
    RefundSource,
    RefundState,
    RefundUnknown,
    SentRefund,
    cancel_reason,
)
from domain.states import advance
from gateway.port import CancelOrder, CancelSaid
from models.queries import refund as queries
from models.session import CommitInDoubt, DatabaseTrouble

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from sqlalchemy import Row

    from billing.ports import Ports
    from gateway.port import AccessToken, CancelAnswer
    from models.session import Transaction

_log = structlog.get_logger("billing")

#: From before the claim, which sees every halt that was committed by then, to the last moment that a cancel may start:
#: so a halt stops the next one within a second. One that is too late was not sent, and its turn comes again.
STARTS_WITHIN_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """One refund that a claim committed: what leaves, and under which number the answer is recorded."""

    refund_id: UUID
    fence: int
    order: CancelOrder
    sent: SentRefund


def refund_due(ports: Ports) -> Counter[str]:
    """Ask about the channel's undecided refunds, then send what is due. Safe to run any number of times at once.

    Raises:
        DatabaseTrouble: The database is away. What was sent meanwhile is asked about once its lease is over.
    """
    claim_until = ports.boottime() + ports.limits.run_seconds  # what is asked before counts
    try:
        token = token_in_hand(ports)
    except GatewayTrouble as trouble:
        return Counter({trouble.code: 1})
    did = resolve_refunds(ports, token)
    while ports.boottime() < claim_until:
        send_before = ports.boottime() + STARTS_WITHIN_SECONDS  # read before the claim: a freeze counts
        claimed = claim_refunds(ports, token)
        if not claimed:
            break
        send = partial(send_refund, ports, token, send_before_boottime=send_before)
        did.update(str(state) for _, state in ask_each(claimed, send))
    return did


def claim_refunds(ports: Ports, token: AccessToken) -> Sequence[Claimed]:
    """Commit what will be asked; empty if nothing is due, the channel is halted or the token ends too soon.

    Raises:
        DatabaseTrouble: Nothing was claimed.
    """
    if token.dies_at_boottime - ports.boottime() < ports.limits.token_guard_seconds:
        return []
    with ports.database.reading() as tx:
        due = queries.list_sendable(tx, channel=ports.channel.name, limit=AT_ONCE)
    if not due:
        return []
    try:
        return _claim(ports, token, list(due))
    except (DatabaseTrouble, CommitInDoubt):
        raise
    except Exception as error:  # noqa: BLE001 - whatever one row did, the others' money must go back
        _log.warning("refund.batch_failed", error=type(error).__name__)
        return _claim_one_by_one(ports, token, due)


def _claim(ports: Ports, token: AccessToken, payment_ids: Sequence[UUID]) -> Sequence[Claimed]:
    try:
        with ports.database.transaction() as tx:
            if not is_running(tx, ports.channel.name):
                return []  # halted, or the gateway would not answer: an open breaker holds until its pause is over
            rows = queries.lock_sendable(tx, channel=ports.channel.name, payment_ids=payment_ids)
            written = [_write(ports, tx, row, token) for row in rows]
            queries.write_refunds(tx, written)
            claimed = [_claimed(row, values) for row, values in zip(rows, written, strict=True)]
    except CommitInDoubt:
        # If it is there, it is asked about once its lease is over. It cannot be handed back: if it is not, another
        # run's cancel has its number and fence, and may be out.
        return []
    return claimed


def _write(ports: Ports, tx: Transaction, row: Row[Any], token: AccessToken) -> dict[str, Any]:
    """What commit 1 writes of one refund. The checksum is the first send's: one that was done fits no more."""
    limits = ports.limits
    lease_until = tx.real + timedelta(seconds=limits.lease_seconds)
    return {
        "id": row.id,
        "state": advance(REFUND_TABLE, RefundState(row.state), RefundEvent.SENT),
        "send_no": row.send_no + 1,
        "fence": row.fence + 1,
        "checksum": row.paid - row.cancelled_amount if row.checksum is None else row.checksum,
        "token_digest": token.digest,
        "first_sent_at": row.first_sent_at or tx.real,
        "sent_at": tx.real,
        "send_before": tx.real + timedelta(seconds=STARTS_WITHIN_SECONDS),
        "lease_until": lease_until,
        "next_at": lease_until,
        "unknown_reason": None,
        "raw_reason": None,
    }


def _claimed(row: Row[Any], written: dict[str, Any]) -> Claimed:
    return Claimed(
        refund_id=row.id,
        fence=written["fence"],
        order=CancelOrder(
            imp_uid=row.imp_uid,
            amount=row.amount,
            checksum=written["checksum"],
            reason=cancel_reason(mark=row.mark, reason=ENGINES_WORDS if row.requested_by == ENGINE else row.reason),
            tax_free=row.tax_free,
            vat_amount=row.vat_amount,
        ),
        sent=SentRefund(
            imp_uid=row.imp_uid,
            mark=row.mark,
            paid=row.paid,
            amount=row.amount,
            checksum=written["checksum"],
            booked=row.cancelled_amount,
            send_no=written["send_no"],
            committed_at=written["sent_at"],
            token_digest=written["token_digest"],
            token_dead_at=None,
        ),
    )


def _claim_one_by_one(ports: Ports, token: AccessToken, due: Mapping[UUID, UUID]) -> Sequence[Claimed]:
    """The same batch, a commit each; what fails even alone waits for an operator."""
    claimed: list[Claimed] = []
    for payment_id, refund_id in due.items():
        try:
            claimed.extend(_claim(ports, token, [payment_id]))
        except (DatabaseTrouble, CommitInDoubt):
            return claimed  # what is claimed must still be sent in time
        except Exception as error:  # noqa: BLE001 - the row is to blame, whatever it did
            with ports.database.transaction() as tx:
                queries.set_aside(tx, refund_id=refund_id, reason=f"claiming it failed: {type(error).__name__}")
    return claimed


def send_refund(ports: Ports, token: AccessToken, claimed: Claimed, *, send_before_boottime: float) -> str:
    """Send one cancel and record what came of it; gives the refund's state after it."""
    answer = ports.gateway.cancel(claimed.order, token=token, send_before_boottime=send_before_boottime)
    return record_refund(ports, report_of(claimed, answer, token))


def report_of(claimed: Claimed, answer: CancelAnswer, token: AccessToken) -> RefundReport:
    """What the answer to a cancel says. Done is what its record shows; a refusal is looked at before it is believed."""
    happened = RefundEvent.UNKNOWN
    reason: RefundUnknown | None = None
    match answer.said:
        case CancelSaid.CANCELLED:
            reason = RefundUnknown.NOT_SHOWN
        case CancelSaid.REFUSED:
            reason = RefundUnknown.REFUSED
        case CancelSaid.NOT_SENT:
            happened = RefundEvent.NOT_EXECUTED
        case CancelSaid.UNKNOWN:
            reason = RefundUnknown.NO_ANSWER
        case _:
            assert_never(answer.said)
    seen = () if answer.record is None else (answer.record,)
    return RefundReport(
        refund_id=claimed.refund_id,
        send_no=claimed.sent.send_no,
        fence=claimed.fence,
        happened=happened,
        unknown_reason=reason,
        raw_reason=answer.raw_reason or (NotExecutedReason.NOT_SENT if reason is None else ""),
        record=answer.record,
        looked=[picture(record, claimed.sent, source=RefundSource.ANSWER, token=token) for record in seen],
    )
