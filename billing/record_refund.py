"""What became of a refund is written down, and what its payment's cancel history shows is booked.

The only way a refund ends, save an operator's no. Success is read from the payment's own record, from anybody, however
late; every other ending needs the refund's newest fence number. One commit: the payment is locked, then its refunds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from domain.evidence import next_look_up
from domain.refund import (
    OPEN_REFUND,
    OUT_REFUND,
    REFUND_TABLE,
    UNDECIDED_REFUND,
    Entry,
    RefundEvent,
    RefundState,
    RefundUnknown,
    SentRefund,
    entries_of,
    is_done_by,
    is_within_a_sum,
)
from domain.states import advance
from models.queries import refund as queries
from models.queries.installation import event, write_events

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row

    from billing.ports import Ports
    from domain.evidence import Record
    from domain.refund import RefundSource, Trace
    from models.session import Transaction

#: Resends after proven absence, before an operator decides.
RESENDS: Final = 2
#: The pause before a resend doubles so many times.
LONGEST_PAUSE: Final = 5

OVERTAKEN: Final = "another cancel of this payment came first: look at it, and ask again if it is still wanted"

_COLUMNS: Final = (
    "id", "state", "absent_count", "next_at", "unknown_reason", "raw_reason", "overtaken_at", "operator_since",
    "operator_reason", "ended_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundLooked:
    """One picture of the payment, as evidence. ``began_at``: real time, not later than the look began; None: now."""

    source: RefundSource
    trace: Trace
    token_digest: str
    body: Mapping[str, object]
    began_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundReport:
    """What is known now about one send of one refund.

    ``happened`` is REFUSED, NOT_EXECUTED or UNKNOWN: success is read from ``record``, and wins over it.
    """

    refund_id: UUID
    send_no: int
    fence: int
    happened: RefundEvent
    unknown_reason: RefundUnknown | None = None
    raw_reason: str = ""
    is_proven_absent: bool = False
    record: Record | None = None
    looked: Sequence[RefundLooked] = ()


def record_refund(ports: Ports, report: RefundReport) -> str:
    """Write down what became of a refund; gives its state after it, ``stale`` (no say any more) or ``gone``.

    Raises:
        DatabaseTrouble: Nothing was written; whoever asks about the refund next finds out again.
        CommitInDoubt: It may have been written; asking again changes nothing that was.
    """
    with ports.database.transaction() as tx:
        payment_id = queries.payment_of(tx, report.refund_id)
        if payment_id is None:
            return "gone"
        books = Books(tx, ports, payment_id)
        if report.record is not None:
            books.take(report.record)
        said = books.end(report)
        books.write()
        queries.write_evidence(
            tx,
            [
                {
                    "refund_id": report.refund_id,
                    "send_no": report.send_no,
                    "source": looked.source,
                    "trace": looked.trace,
                    "began_at": looked.began_at or tx.real,
                    "token_digest": looked.token_digest,
                    "body": dict(looked.body),
                }
                for looked in report.looked
            ],
        )
    return said


def sent_of(row: Any, *, imp_uid: str, paid: int, booked: int) -> SentRefund:  # noqa: ANN401 - a row of any query
    """What the latest send of a refund asked for, from its row."""
    return SentRefund(
        imp_uid=imp_uid,
        mark=row.mark,
        paid=paid,
        amount=row.amount,
        checksum=row.checksum,
        booked=booked,
        send_no=row.send_no,
        committed_at=row.sent_at,
        token_digest=row.token_digest,
        token_dead_at=row.token_dead_at,
    )


class Books:
    """A payment and its refunds, locked, as they move; and what must be written of them."""

    def __init__(self, tx: Transaction, ports: Ports, payment_id: UUID) -> None:
        payment = queries.lock_payment(tx, payment_id)
        if payment is None:
            raise LookupError(f"payment {payment_id} is gone, and nothing deletes payments")
        self._tx = tx
        self._limits = ports.limits
        self._is_test = ports.channel.is_test
        self._payment = payment
        self._rows: Mapping[UUID, Row[Any]] = queries.lock_refunds(tx, payment_id)
        self.refunds = {key: dict(row._mapping) for key, row in self._rows.items()}  # noqa: SLF001 - its public view
        self._marks = {row["mark"]: row for row in self.refunds.values()}
        self._told_in_sum = queries.booked_entries(tx, payment_id)
        self._booked = set(self._told_in_sum)
        self._changed: dict[UUID, dict[str, Any]] = {}
        self._cancellations: list[dict[str, Any]] = []
        self._events: list[dict[str, Any]] = []
        self.found = 0  # refunds of ours that the record shows, and that were not known to be done
        self.elsewhere = 0  # cancels that nobody here asked for

    def take(self, record: Record) -> None:
        """Book every cancel that a record of the payment shows and that is not booked yet.

        No more than the record's own sum: a picture that is older than what is known adds nothing.
        """
        if (record.imp_uid, record.amount) != (self._payment.imp_uid, self._payment.amount):
            return
        left = record.cancel_amount - self._payment.cancelled_amount
        entries = entries_of(record, booked=self._payment.cancelled_amount)
        # Those under a mark of ours first: what is left must never be used up by others.
        for entry in sorted(entries, key=lambda each: each.mark not in self._marks):
            if entry.key in self._booked or entry.amount > left or self._is_known_in_sum(entry):
                continue
            left -= entry.amount
            row = self._refund_of(entry)
            if row is not None:
                self._succeed(row, entry)
            else:
                self._book_elsewhere(entry)

    def _is_known_in_sum(self, entry: Entry) -> bool:
        """Booked when the gateway told the sum only; now it tells the history, too."""
        row = self._marks.get(entry.key)
        if row is not None:
            return bool(row["state"] == RefundState.SUCCEEDED)
        return is_within_a_sum(entry, self._told_in_sum)

    def end(self, report: RefundReport) -> str:
        """Move the reported refund; gives its state after it, or ``stale``."""
        row = self.refunds[report.refund_id]
        if row["state"] == RefundState.SUCCEEDED:
            return str(row["state"])
        if row["state"] not in UNDECIDED_REFUND or report.fence != row["fence"]:
            return "stale"
        if report.happened is RefundEvent.NOT_EXECUTED:
            self._not_executed(row, report)
        else:
            self._move(row, RefundEvent.UNKNOWN)
            if report.happened is RefundEvent.REFUSED:
                self._refuse(row, report.raw_reason)
            else:
                self._unknown(row, report)
        return str(row["state"])

    def write(self) -> None:
        """Write everything that moved."""
        queries.write_refunds(self._tx, [{name: row[name] for name in _COLUMNS} for row in self._changed.values()])
        if self._cancellations:
            queries.write_booked(self._tx, payment_id=self._payment.id, cancellations=self._cancellations)
        write_events(self._tx, self._events)

    def _refund_of(self, entry: Entry) -> dict[str, Any] | None:
        for row in self.refunds.values():
            is_out = row["state"] in OUT_REFUND
            if row["state"] != RefundState.SUCCEEDED and is_done_by(
                entry,
                mark=row["mark"],
                amount=row["amount"],
                cancelled_before=self._payment.amount - row["checksum"] if is_out else None,
            ):
                return row
        return None

    def _succeed(self, row: dict[str, Any], entry: Entry) -> None:
        is_late = row["state"] not in UNDECIDED_REFUND
        self.found += 1
        self._book(entry, refund_id=row["id"])
        self._end(row, RefundEvent.SUCCEEDED)
        self._tell("refund.succeeded", row)
        if is_late:
            self._tell("refund.succeeded_late", row, is_incident=True)
            self._overtake()

    def _book_elsewhere(self, entry: Entry) -> None:
        self.elsewhere += 1
        self._book(entry, refund_id=None)
        self._events.append(
            event(
                self._tx,
                "payment.cancelled_elsewhere",
                subscription_id=self._payment.subscription_id,
                invoice_id=self._payment.invoice_id,
                attempt_id=self._payment.attempt_id,
                is_incident=not self._is_test,  # a test channel cancels everything each night
                imp_uid=self._payment.imp_uid,
                cancelled=entry.amount,
            )
        )
        self._overtake()

    def _overtake(self) -> None:
        """Somebody gave money back that nobody here expected, perhaps for the same reason: what is open ends.

        What is out may still be under way in the gateway: it gives up its share of the payment, and is asked about.
        """
        for row in self.refunds.values():
            if row["state"] in UNDECIDED_REFUND:
                row["overtaken_at"] = row["overtaken_at"] or self._tx.real
                self._changed[row["id"]] = row
            elif row["state"] in OPEN_REFUND:
                self._refuse(row, OVERTAKEN)

    def _refuse(self, row: dict[str, Any], raw_reason: str) -> None:
        self._end(row, RefundEvent.REFUSED, raw_reason=raw_reason)
        self._tell("refund.refused", row, is_incident=True, reason=raw_reason)

    def _not_executed(self, row: dict[str, Any], report: RefundReport) -> None:
        row["absent_count"] += report.is_proven_absent
        self._move(row, RefundEvent.NOT_EXECUTED, unknown_reason=None, operator_since=None, operator_reason=None)
        self._tell("refund.not_executed", row, reason=report.raw_reason)
        if row["overtaken_at"] is not None:
            self._refuse(row, OVERTAKEN)
        elif row["absent_count"] > RESENDS:
            row["next_at"] = None
            self._ask_operator(row, f"absent {row['absent_count']} times: not sent again by itself")
        else:
            # The gateway lives in real time; longer each time.
            pause = self._limits.resend_pause_seconds * 2 ** min(row["send_no"] - 1, LONGEST_PAUSE)
            row["next_at"] = self._tx.real + timedelta(seconds=pause)

    def _unknown(self, row: dict[str, Any], report: RefundReport) -> None:
        reason = report.unknown_reason or RefundUnknown.NO_ANSWER
        is_new = row["unknown_reason"] is None
        # The first reason stays: it says what looks that show nothing mean. What does not fit is worse than any.
        if is_new or reason is RefundUnknown.ODD or row["unknown_reason"] == RefundUnknown.LEASE_EXPIRED:
            row["unknown_reason"] = reason
            row["raw_reason"] = report.raw_reason
        if is_new:
            self._tell("refund.unknown", row, reason=reason)
        if reason is RefundUnknown.ODD:
            self._ask_operator(row, report.raw_reason)
        elif self._tx.real - row["first_sent_at"] > self._limits.operator_deadline:
            self._ask_operator(row, f"unknown since {row['first_sent_at']:%Y-%m-%d %H:%M} UTC")
        row["next_at"] = next_look_up(
            sent=sent_of(
                self._rows[row["id"]],
                imp_uid=self._payment.imp_uid,
                paid=self._payment.amount,
                booked=self._payment.cancelled_amount,
            ),
            now=self._tx.real,
            patience=self._limits.patience,
            before_operator=row["operator_since"] is not None,
            at_once=is_new and reason in {RefundUnknown.REFUSED, RefundUnknown.NOT_SHOWN},
        )

    def _ask_operator(self, row: dict[str, Any], reason: str) -> None:
        if row["operator_since"] is None:
            row["operator_since"] = self._tx.real
            row["operator_reason"] = reason
            self._tell("refund.needs_operator", row, is_incident=True, reason=reason)

    def _book(self, entry: Entry, *, refund_id: UUID | None) -> None:
        self._booked.add(entry.key)
        self._cancellations.append(
            {
                "payment_id": self._payment.id,
                "entry": entry.key,
                "amount": entry.amount,
                "refund_id": refund_id,
                "cancelled_at": entry.cancelled_at,
                "recorded_at": self._tx.now,
            }
        )

    def _end(self, row: dict[str, Any], happened: RefundEvent, **values: object) -> None:
        self._move(row, happened, **values)
        row.update(next_at=None, operator_since=None, operator_reason=None, ended_at=self._tx.now)

    def _move(self, row: dict[str, Any], happened: RefundEvent, **values: object) -> None:
        row["state"] = advance(REFUND_TABLE, RefundState(row["state"]), happened)
        row.update(values)
        self._changed[row["id"]] = row

    def _tell(self, kind: str, row: dict[str, Any], *, is_incident: bool = False, **data: object) -> None:
        self._events.append(
            event(
                self._tx,
                kind,
                subscription_id=self._payment.subscription_id,
                invoice_id=self._payment.invoice_id,
                attempt_id=self._payment.attempt_id,
                is_incident=is_incident,
                refund_id=str(row["id"]),
                imp_uid=self._payment.imp_uid,
                amount=row["amount"],
                **data,
            )
        )
