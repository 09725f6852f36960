"""Asking for a refund: an operator requests one, or says yes or no to one that was proposed.

Nothing is sent here. A row is written under the payment's lock, its amount is kept for it, and the next refund run
sends it. A refund changes no invoice and no period: what was given back stands with the payment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from billing.record_refund import sent_of
from domain.errors import BadInput, Conflict, NotFound
from domain.refund import (
    OPEN_REFUND,
    REASON_LENGTH,
    REFUND_TABLE,
    REJECTABLE,
    UNDECIDED_REFUND,
    RefundEvent,
    RefundState,
    entries_of,
    is_over,
    refund_mark,
)
from domain.states import advance
from domain.tax import parts_of_part, parts_of_rest
from models.ids import new_id
from models.queries import installation
from models.queries import refund as queries

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row

    from billing.change_subscription import By
    from domain.evidence import Patience, Record
    from models.session import Database, Transaction

#: Who proposes what nobody asked for, and what the customer may read of it in the gateway's records.
ENGINE: Final = "engine"
ENGINES_WORDS: Final = "착오 결제 환불 (payment returned)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to give back of a payment, in won. ``is_full``: all that is left, and ``amount`` must be just that.

    The tax parts of a full refund are what is left of the payment's; of a partial one they are this refund's.
    """

    amount: int
    is_full: bool = False
    tax_free: int = 0
    vat_amount: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refunding:
    """What a refund will do, or would do. Won; ``left`` is what remains paid once all that is open is done."""

    refund_id: UUID | None  # None: nothing was written
    imp_uid: str
    channel: str
    paid: int
    cancelled: int
    kept: int  # for other refunds of this payment that are open
    amount: int
    tax_free: int
    vat_amount: int | None
    left: int
    state: RefundState


def request_share(tx: Transaction, payment_id: UUID, amount: int, *, by: By) -> None:
    """Ask, within a transaction, for a share of what is left of a payment, with its tax parts pro rata.

    Raises:
        BadInput, Conflict: So much is not left.
    """
    payment = queries.lock_payment(tx, payment_id)
    if payment is None:
        raise NotFound(f"there is no payment {payment_id}")
    refunds = queries.lock_refunds(tx, payment_id)
    left = left_of(payment, refunds)
    tax_free, vat_amount = _parts_left(payment, refunds)
    if 0 < amount < left:
        tax_free, vat_amount = parts_of_part(tax_free=tax_free, vat_amount=vat_amount, whole=left, part=amount)
    wanted = Wanted(amount=amount, is_full=amount == left, tax_free=tax_free, vat_amount=vat_amount)
    _write_asked(tx, payment, _checked(payment, refunds, wanted), by=by, state=RefundState.REQUESTED)


def request_refund(database: Database, payment_id: UUID, wanted: Wanted, *, by: By, dry_run: bool = False) -> Refunding:
    """Ask for a refund; the next refund run of its channel sends it.

    Raises:
        NotFound: There is no such payment.
        BadInput: The amount or its tax parts do not fit the payment.
        Conflict: Nothing is left to give back.
    """
    return _ask(database, payment_id, wanted, by=by, state=RefundState.REQUESTED, dry_run=dry_run)


def propose_refund(database: Database, payment_id: UUID, wanted: Wanted, *, by: By) -> Refunding:
    """Put a refund before an operator; nothing is sent before somebody says yes. Raises as ``request_refund``."""
    return _ask(database, payment_id, wanted, by=by, state=RefundState.PROPOSED, dry_run=False)


def approve_refund(database: Database, refund_id: UUID, *, by: By, dry_run: bool = False) -> Refunding:
    """Let a proposed refund be sent, or one that was absent too often be sent once more.

    Raises:
        NotFound: There is no such refund.
        Conflict: It does not wait for an operator's yes.
    """
    with database.transaction() as tx:
        payment, refunds = _locked(tx, refund_id)
        row = refunds[refund_id]
        state = RefundState(row.state)
        waits = row.operator_since is not None and state in {RefundState.REQUESTED, RefundState.NOT_EXECUTED}
        if state is not RefundState.PROPOSED and not waits:
            raise Conflict(f"refund {refund_id} is {state}: it does not wait for a yes")
        # One that was set aside before it was ever sent is wanted already.
        after = state if state is RefundState.REQUESTED else advance(REFUND_TABLE, state, RefundEvent.APPROVED)
        if not dry_run:
            _write(tx, refund_id, after, next_at=tx.real)
            _tell(tx, "refund.approved", payment, refund_id, row.amount)
            _audit(tx, "refund.approved", refund_id, by, amount=row.amount, imp_uid=payment.imp_uid)
        return _refunding(payment, refunds, row, refund_id=refund_id, state=after)


def reject_refund(
    database: Database, refund_id: UUID, *, by: By, patience: Patience | None = None, dry_run: bool = False
) -> Refunding:
    """Say no to a refund that is not out: nothing is sent, and its amount is free again.

    Of one that is unknown a person who was asked may say so, too, once nothing can come of it any more; ``patience``
    tells when that is. If the payment shows it all the same, it is booked all the same.

    Raises:
        NotFound: There is no such refund.
        Conflict: It has ended, or may be under way at the gateway.
    """
    with database.transaction() as tx:
        payment, refunds = _locked(tx, refund_id)
        row = refunds[refund_id]
        state = RefundState(row.state)
        if state not in REJECTABLE and not _is_over(payment, row, tx.real, patience):
            until = ", before an operator is asked and its send is settled" if state in UNDECIDED_REFUND else ""
            raise Conflict(f"refund {refund_id} is {state}: it cannot be taken back{until}")
        after = advance(REFUND_TABLE, state, RefundEvent.REJECTED)
        if not dry_run:
            _write(tx, refund_id, after, ended_at=tx.now)
            _tell(tx, "refund.rejected", payment, refund_id, row.amount)
            _audit(tx, "refund.rejected", refund_id, by, amount=row.amount, imp_uid=payment.imp_uid)
        return _refunding(payment, refunds, row, refund_id=refund_id, state=after)


def _is_over(payment: Row[Any], row: Row[Any], now: datetime, patience: Patience | None) -> bool:
    if patience is None or row.state != RefundState.UNKNOWN or row.operator_since is None:
        return False
    sent = sent_of(row, imp_uid=payment.imp_uid, paid=payment.amount, booked=payment.cancelled_amount)
    return is_over(sent, now=now, patience=patience)


def new_refund(
    tx: Transaction, *, payment_id: UUID, channel: str, wanted: Wanted, reason: str, asked_by: str, state: RefundState
) -> dict[str, Any]:
    """A refund's first row."""
    refund_id = new_id(tx.real)
    return {
        "id": refund_id,
        "payment_id": payment_id,
        "channel": channel,
        "amount": wanted.amount,
        "tax_free": wanted.tax_free,
        "vat_amount": wanted.vat_amount,
        "reason": reason,
        "requested_by": asked_by,
        "requested_at": tx.now,
        "mark": refund_mark(refund_id),
        "state": state,
        "send_no": 0,
        "fence": 0,
        "absent_count": 0,
        "next_at": tx.real if state is RefundState.REQUESTED else None,
    }


def cancels_of_new_payment(tx: Transaction, payment_id: UUID, record: Record) -> list[dict[str, Any]]:
    """What is booked with a payment that was cancelled before it was known: as much as its record's own sum."""
    left, rows = record.cancel_amount, []
    for entry in entries_of(record):
        if entry.amount <= left:
            left -= entry.amount
            rows.append(
                {
                    "payment_id": payment_id,
                    "entry": entry.key,
                    "amount": entry.amount,
                    "refund_id": None,
                    "cancelled_at": entry.cancelled_at,
                    "recorded_at": tx.now,
                }
            )
    return rows


def _ask(
    database: Database, payment_id: UUID, wanted: Wanted, *, by: By, state: RefundState, dry_run: bool
) -> Refunding:
    with database.transaction() as tx:
        payment = queries.lock_payment(tx, payment_id)
        if payment is None:
            raise NotFound(f"there is no payment {payment_id}")
        refunds = queries.lock_refunds(tx, payment_id)
        wanted = _checked(payment, refunds, wanted)
        refund_id = None if dry_run else _write_asked(tx, payment, wanted, by=by, state=state)
        return _refunding(payment, refunds, wanted, refund_id=refund_id, state=state)


def _write_asked(tx: Transaction, payment: Row[Any], wanted: Wanted, *, by: By, state: RefundState) -> UUID:
    row = new_refund(
        tx,
        payment_id=payment.id,
        channel=payment.channel,
        wanted=wanted,
        reason=by.reason[:REASON_LENGTH],
        asked_by=by.actor,
        state=state,
    )
    queries.insert_refunds(tx, [row])
    refund_id: UUID = row["id"]
    if state is RefundState.REQUESTED:
        _tell(tx, "refund.requested", payment, refund_id, wanted.amount)
        _audit(tx, "refund.requested", refund_id, by, amount=wanted.amount, imp_uid=payment.imp_uid)
    else:
        _tell(tx, "refund.proposed", payment, refund_id, wanted.amount)
        _audit(tx, "refund.proposed", refund_id, by, amount=wanted.amount, imp_uid=payment.imp_uid)
    return refund_id


def _checked(payment: Row[Any], refunds: Mapping[UUID, Row[Any]], wanted: Wanted) -> Wanted:
    """The wish as it will be written, or one sentence with its mend."""
    left = left_of(payment, refunds)
    told = f"payment {payment.imp_uid} is {payment.amount:,} won, {payment.cancelled_amount:,} cancelled"
    told += f", {_kept(refunds):,} kept for open refunds"
    if left <= 0:
        raise Conflict(f"{told}: nothing is left to give back")
    if wanted.is_full and wanted.amount != left:
        raise BadInput(f"{told}: to give back all that is left say --full {left}")
    if not wanted.is_full and wanted.amount == left:
        raise BadInput(f"{told}: {left:,} won is all that is left; to give all of it back say --full {left}")
    if not 0 < wanted.amount <= left:
        part = f"give an amount from 1 to {left - 1}, or " if left > 1 else "say "
        raise BadInput(f"{told}: {part}--full {left}")
    tax_free_left, vat_left = _parts_left(payment, refunds)
    if wanted.is_full:
        return Wanted(amount=left, is_full=True, tax_free=tax_free_left, vat_amount=vat_left)
    if (wanted.vat_amount is None) != (vat_left is None):
        mend = "leave --vat out" if vat_left is None else f"say --vat, from 0 to {vat_left}"
        raise BadInput(f"payment {payment.imp_uid} was made {'without' if vat_left is None else 'with'} a VAT: {mend}")
    if not 0 <= wanted.tax_free <= tax_free_left or not 0 <= (wanted.vat_amount or 0) <= (vat_left or 0):
        raise BadInput(f"of the tax parts {tax_free_left} won tax-free and {vat_left or 0} won VAT are left: give less")
    parts, parts_left = wanted.tax_free + (wanted.vat_amount or 0), tax_free_left + (vat_left or 0)
    if parts > wanted.amount or parts_left - parts > left - wanted.amount:
        raise BadInput("the tax parts do not fit the amount, or leave more parts than money: give others")
    return wanted


def _kept(refunds: Mapping[UUID, Row[Any]], *, but: UUID | None = None) -> int:
    return sum(
        row.amount
        for row in refunds.values()
        if row.id != but and row.state in OPEN_REFUND and row.overtaken_at is None
    )


def left_of(payment: Row[Any], refunds: Mapping[UUID, Row[Any]]) -> int:
    """Won of a payment that are not cancelled, nor kept for a refund that is open."""
    left: int = payment.amount - payment.cancelled_amount - _kept(refunds)
    return left


def _parts_left(payment: Row[Any], refunds: Mapping[UUID, Row[Any]]) -> tuple[int, int | None]:
    """What no refund of ours has taken of them; of what was cancelled elsewhere nobody told the parts."""
    holding = [
        row
        for row in refunds.values()
        if row.state == RefundState.SUCCEEDED or (row.state in OPEN_REFUND and row.overtaken_at is None)
    ]
    is_vat_told = payment.vat_amount is not None
    return parts_of_rest(
        tax_free=payment.tax_free - sum(row.tax_free for row in holding),
        vat_amount=payment.vat_amount - sum(row.vat_amount for row in holding) if is_vat_told else None,
        whole=payment.amount - sum(row.amount for row in holding),
        rest=left_of(payment, refunds),
    )


def _locked(tx: Transaction, refund_id: UUID) -> tuple[Row[Any], Mapping[UUID, Row[Any]]]:
    payment_id = queries.payment_of(tx, refund_id)
    payment = None if payment_id is None else queries.lock_payment(tx, payment_id)
    if payment is None:
        raise NotFound(f"there is no refund {refund_id}")
    return payment, queries.lock_refunds(tx, payment.id)


def _write(
    tx: Transaction,
    refund_id: UUID,
    state: RefundState,
    *,
    next_at: datetime | None = None,
    ended_at: datetime | None = None,
) -> None:
    row = {"id": refund_id, "state": state, "next_at": next_at, "ended_at": ended_at}
    queries.write_refunds(tx, [row | {"operator_since": None, "operator_reason": None}])


def _refunding(
    payment: Row[Any],
    refunds: Mapping[UUID, Row[Any]],
    wanted: Any,  # noqa: ANN401 - a wish, or a row with the same three fields
    *,
    refund_id: UUID | None,
    state: RefundState,
) -> Refunding:
    kept = _kept(refunds, but=refund_id)
    given = 0 if state is RefundState.REJECTED else wanted.amount
    return Refunding(
        refund_id=refund_id,
        imp_uid=payment.imp_uid,
        channel=payment.channel,
        paid=payment.amount,
        cancelled=payment.cancelled_amount,
        kept=kept,
        amount=wanted.amount,
        tax_free=wanted.tax_free,
        vat_amount=wanted.vat_amount,
        left=payment.amount - payment.cancelled_amount - kept - given,
        state=state,
    )


def _tell(tx: Transaction, kind: str, payment: Row[Any], refund_id: UUID, amount: int) -> None:
    happened = installation.event(
        tx,
        kind,
        subscription_id=payment.subscription_id,
        invoice_id=payment.invoice_id,
        attempt_id=payment.attempt_id,
        refund_id=str(refund_id),
        imp_uid=payment.imp_uid,
        amount=amount,
    )
    installation.write_events(tx, [happened])


def _audit(tx: Transaction, action: str, refund_id: UUID, by: By, **details: object) -> None:
    installation.write_audit(
        tx, actor=by.actor, action=action, subject="refund", subject_id=refund_id, reason=by.reason, **details
    )
