"""How do one attempt, its invoice and its money move under a report? Rows in memory, under their locks.

``record_outcome`` locks the rows, lets ``Ending`` move them, and writes what changed.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, assert_never

from billing.refund import ENGINE, Wanted, cancels_of_new_payment, new_refund
from domain.charge_attempt import ATTEMPT_TABLE, UNDECIDED, AttemptEvent, AttemptState
from domain.decline import class_of
from domain.dunning import AskOperator, AwaitCard, GiveUp, ReattemptAt, decide_after_decline
from domain.evidence import Record, SentCharge, next_look_up
from domain.invoice import CHARGEABLE, INVOICE_TABLE, LADDER_TRIGGERS, InvoiceEvent, InvoiceState, Trigger
from domain.outcome import (
    Approved,
    Declined,
    NotExecuted,
    NotExecutedReason,
    Unknown,
    UnknownReason,
)
from domain.refund import RefundState
from domain.states import advance
from domain.tax import parts_of_rest
from models.ids import new_id
from models.queries.installation import event

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from billing.ports import Limits
    from billing.report import Report
    from models.session import Transaction

#: Resends after proven absence, before an operator decides.
RESENDS: Final = 2

#: The pause before a resend doubles so many times: from 10 seconds to 5 minutes in production.
LONGEST_PAUSE: Final = 5

#: Why a refund is proposed.
SURPLUS: Final = "surplus: no invoice was waiting for it"
PAID_AFTER_DECLINE: Final = "paid late: the attempt had been told as declined, and the money pays its invoice"

_PAYABLE: Final = (*CHARGEABLE, InvoiceState.UNCOLLECTIBLE)

Row = dict[str, Any]


class Ending:
    """The rows of one recording, as they were locked, moving; and what must be written of them."""

    def __init__(
        self,
        tx: Transaction,
        limits: Limits,
        *,
        attempts: Mapping[UUID, Row],
        invoices: Mapping[UUID, Row],
        sent: Mapping[UUID, SentCharge],
        known_payments: set[str],
        channel: str,
    ) -> None:
        self._tx = tx
        self._limits = limits
        self._attempts = attempts
        self._invoices = invoices
        self._sent = sent
        self._known_payments = known_payments
        self._channel = channel
        self.changed_attempts: dict[UUID, Row] = {}
        self.changed_invoices: dict[UUID, Row] = {}
        self.payments: list[Row] = []
        self.cancellations: list[Row] = []  # of those payments, made before we knew of them
        self.proposals: list[Row] = []  # refunds of what nobody was waiting for
        self.events: list[Row] = []
        self.debtors: set[UUID] = set()  # subscriptions whose debts may have changed
        self.paid_late: set[UUID] = set()  # invoices that an older attempt paid
        self._paid_after_decline: set[UUID] = set()  # attempts

    def take(self, report: Report) -> str:
        """Move the rows by one report; gives the attempt's state after it, or ``stale``."""
        attempt = self._attempts[report.attempt_id]
        invoice = self._invoices[attempt["invoice_id"]]
        outcome = report.outcome
        if isinstance(outcome, Approved):
            self._approve(report, outcome, attempt, invoice)
            return str(attempt["state"])
        if attempt["state"] not in UNDECIDED or report.fence != attempt["fence"]:
            return "stale"
        match outcome:
            case Declined():
                self._decline(outcome, attempt, invoice)
            case NotExecuted():
                self._not_executed(outcome, attempt, invoice)
            case Unknown():
                self._unknown(outcome, attempt, invoice)
            case _:
                assert_never(outcome)
        return str(attempt["state"])

    def _approve(self, report: Report, outcome: Approved, attempt: Row, invoice: Row) -> None:
        if attempt["state"] != AttemptState.APPROVED:
            is_late, was_declined = attempt["state"] not in UNDECIDED, attempt["state"] == AttemptState.DECLINED
            self._end(attempt, AttemptEvent.APPROVED)
            if was_declined:
                self._paid_after_decline.add(attempt["id"])
            if is_late:
                self.paid_late.add(invoice["id"])
                self._tell("attempt.approved_late", attempt, invoice, is_incident=True, imp_uid=outcome.imp_uid)
        for record in report.payments or (_record_of(outcome, attempt),):
            if record.imp_uid not in self._known_payments:
                self._receive(record, attempt, invoice)

    def _receive(self, record: Record, attempt: Row, invoice: Row) -> None:
        """Write down money, whatever it belongs to: the first that fits pays the invoice, any other is surplus."""
        self._known_payments.add(record.imp_uid)
        counts = invoice["state"] in _PAYABLE and record.amount == invoice["amount"]
        payment_id = new_id(self._tx.real)
        tax_free, vat_amount = _tax_parts(record, invoice)
        self.payments.append(
            {
                "id": payment_id,
                "invoice_id": invoice["id"],
                "attempt_id": attempt["id"],
                "channel": self._channel,
                "imp_uid": record.imp_uid,
                "amount": record.amount,
                "tax_free": tax_free,
                "vat_amount": vat_amount,
                "cancelled_amount": record.cancel_amount,
                "counts": counts,
                "paid_at": record.paid_at,
                "recorded_at": self._tx.now,
            }
        )
        self.cancellations += cancels_of_new_payment(self._tx, payment_id, record)
        if not counts:
            self._tell(
                "payment.surplus", attempt, invoice, is_incident=True, imp_uid=record.imp_uid, amount=record.amount
            )
            self._propose_refund(payment_id, record, attempt, invoice, reason=SURPLUS)
            return
        if invoice["state"] == InvoiceState.PAST_DUE:
            self.debtors.add(invoice["subscription_id"])
        self._move(invoice, InvoiceEvent.PAID, next_attempt_at=None)
        self._tell("invoice.paid", attempt, invoice, imp_uid=record.imp_uid, amount=record.amount)
        if record.cancel_amount:
            self._tell(
                "payment.cancelled_elsewhere",
                attempt,
                invoice,
                is_incident=True,
                imp_uid=record.imp_uid,
                cancelled=record.cancel_amount,
            )
        if attempt["id"] in self._paid_after_decline:
            # It pays what is owed, but its customer was told that it did not: whether it stays is a person's to say.
            self._propose_refund(payment_id, record, attempt, invoice, reason=PAID_AFTER_DECLINE)

    def _propose_refund(self, payment_id: UUID, record: Record, attempt: Row, invoice: Row, *, reason: str) -> None:
        """Put money before an operator that nobody was waiting for: nothing is given back by itself."""
        if record.cancel_amount >= record.amount:
            return
        left = record.amount - record.cancel_amount
        tax_free, vat_amount = _tax_parts(record, invoice)
        tax_free, vat_amount = parts_of_rest(tax_free=tax_free, vat_amount=vat_amount, whole=record.amount, rest=left)
        proposal = new_refund(
            self._tx,
            payment_id=payment_id,
            channel=self._channel,
            wanted=Wanted(amount=left, is_full=True, tax_free=tax_free, vat_amount=vat_amount),
            reason=reason,
            asked_by=ENGINE,
            state=RefundState.PROPOSED,
        )
        self.proposals.append(proposal)
        self._tell(
            "refund.proposed",
            attempt,
            invoice,
            refund_id=str(proposal["id"]),
            imp_uid=record.imp_uid,
            amount=proposal["amount"],
            reason=reason,
        )

    def _decline(self, outcome: Declined, attempt: Row, invoice: Row) -> None:
        self._end(attempt, AttemptEvent.DECLINED, decline_code=outcome.decline_code, raw_reason=outcome.raw_reason)
        self._tell("attempt.declined", attempt, invoice, decline_code=outcome.decline_code)
        if invoice["state"] not in CHARGEABLE:
            return
        decision = decide_after_decline(
            step=invoice["ladder_step"],
            decline_code=outcome.decline_code,
            declined_at=self._tx.now,
            moves_ladder=attempt["trigger"] in LADDER_TRIGGERS,
            ladder_at=invoice["ladder_at"],
        )
        if isinstance(decision, AskOperator):
            # Not the customer's: an invoice that is open stays so, and nobody is past due because of it.
            self._move(invoice, None, next_attempt_at=None, ladder_at=None)
            decline_class = class_of(outcome.decline_code)
            self._tell("invoice.needs_operator", attempt, invoice, is_incident=True, decline_class=decline_class)
            return
        next_attempt_at = decision.at if isinstance(decision, ReattemptAt) else None
        self._move(
            invoice,
            InvoiceEvent.DECLINED,
            next_attempt_at=next_attempt_at,
            ladder_at=next_attempt_at,
            ladder_step=decision.step,
            next_trigger=Trigger.DUNNING,
            at_once=False,
        )
        self.debtors.add(invoice["subscription_id"])
        match decision:
            case ReattemptAt():
                self._tell("invoice.past_due", attempt, invoice, next_attempt_at=decision.at.isoformat())
            case AwaitCard():
                self._tell("invoice.past_due", attempt, invoice, waits_for="card")
            case GiveUp():
                self._move(invoice, InvoiceEvent.GIVEN_UP)
                self._tell("invoice.uncollectible", attempt, invoice)
            case _:
                assert_never(decision)

    def _not_executed(self, outcome: NotExecuted, attempt: Row, invoice: Row) -> None:
        is_absent = outcome.reason is NotExecutedReason.PROVEN_ABSENT
        attempt["absent_count"] += is_absent
        self._end(attempt, AttemptEvent.NOT_EXECUTED, raw_reason=str(outcome.reason))
        self._tell("attempt.not_executed", attempt, invoice, reason=outcome.reason)
        if invoice["state"] not in CHARGEABLE:
            self._end(attempt, AttemptEvent.ABANDONED)
        elif attempt["absent_count"] > RESENDS:
            self._move(invoice, None, next_attempt_at=None)
            self._ask_operator(attempt, invoice, f"absent {attempt['absent_count']} times: not re-sent by itself")
        else:
            # Due, but not before a pause of real time, for the gateway lives in real time; longer each time.
            pause = self._limits.resend_pause_seconds * 2 ** min(attempt["send_no"] - 1, LONGEST_PAUSE)
            attempt["next_look_up_at"] = self._tx.real + timedelta(seconds=pause)
            self._move(invoice, None, next_attempt_at=self._tx.now)

    def _unknown(self, outcome: Unknown, attempt: Row, invoice: Row) -> None:
        is_new = attempt["state"] != AttemptState.UNKNOWN
        is_mismatch = outcome.reason is UnknownReason.MISMATCH
        # The first reason stays: it says what proven absence means. A mismatch is worse than any.
        if is_new or is_mismatch or attempt["unknown_reason"] == UnknownReason.LEASE_EXPIRED:
            attempt["unknown_reason"] = outcome.reason
            attempt["raw_reason"] = outcome.raw_reason
        attempt["state"] = advance(ATTEMPT_TABLE, AttemptState(attempt["state"]), AttemptEvent.UNKNOWN)
        self.changed_attempts[attempt["id"]] = attempt
        if is_new:
            self._tell("attempt.unknown", attempt, invoice, reason=outcome.reason)
        if is_mismatch:
            self._ask_operator(attempt, invoice, outcome.raw_reason)
        elif self._tx.real - attempt["first_sent_at"] > self._limits.operator_deadline:
            self._ask_operator(attempt, invoice, f"unknown since {attempt['first_sent_at']:%Y-%m-%d %H:%M} UTC")
        attempt["next_look_up_at"] = next_look_up(
            sent=self._sent[attempt["id"]],
            now=self._tx.real,
            patience=self._limits.patience,
            before_operator=attempt["operator_since"] is not None,
            at_once=is_new and outcome.reason is UnknownReason.DUPLICATE,
        )

    def _ask_operator(self, attempt: Row, invoice: Row, reason: str) -> None:
        if attempt["operator_since"] is None:
            attempt["operator_since"] = self._tx.real
            attempt["operator_reason"] = reason
            self._tell("attempt.needs_operator", attempt, invoice, is_incident=True, reason=reason)

    def _end(self, attempt: Row, happened: AttemptEvent, **values: object) -> None:
        attempt["state"] = advance(ATTEMPT_TABLE, AttemptState(attempt["state"]), happened)
        attempt.update(values, next_look_up_at=None, operator_since=None, operator_reason=None, ended_at=self._tx.now)
        self.changed_attempts[attempt["id"]] = attempt

    def _move(self, invoice: Row, happened: InvoiceEvent | None, **values: object) -> None:
        if happened is not None:
            invoice["state"] = advance(INVOICE_TABLE, InvoiceState(invoice["state"]), happened)
        invoice.update(values)
        self.changed_invoices[invoice["id"]] = invoice

    def _tell(self, kind: str, attempt: Row, invoice: Row, *, is_incident: bool = False, **data: object) -> None:
        self.events.append(
            event(
                self._tx,
                kind,
                subscription_id=invoice["subscription_id"],
                invoice_id=invoice["id"],
                attempt_id=attempt["id"],
                is_incident=is_incident,
                attempt_no=attempt["attempt_no"],
                **data,
            )
        )


def _tax_parts(record: Record, invoice: Row) -> tuple[int, int | None]:
    """What was sent with the charge: the invoice's parts. Of another sum nobody knows any."""
    return (invoice["tax_free"], invoice["vat_amount"]) if record.amount == invoice["amount"] else (0, None)


def _record_of(outcome: Approved, attempt: Row) -> Record:
    return Record(
        imp_uid=outcome.imp_uid,
        merchant_uid=attempt["merchant_uid"],
        status="paid",
        amount=outcome.amount,
        paid_at=outcome.paid_at,
    )
