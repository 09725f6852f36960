"""Tables of money given back: refunds, what their payments showed, and every cancel that a payment has."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from domain.refund import OUT_REFUND, UNDECIDED_REFUND, RefundSource, RefundState, RefundUnknown, Trace
from models.base import Base, Id, Instant, Won, Word, listed, one_of

#: A refund that is on its way: it is sent, or asked about, at ``next_at``.
UNDER_WAY = (RefundState.REQUESTED, *OUT_REFUND)


class Refund(Base):
    """One request to give money of a payment back. Instants are real time, save ``requested_at`` and ``ended_at``.

    The trigger ``refund_within_payment`` keeps what is open and what is cancelled within what was paid, also against
    rows written by hand, and locks the payment for it. ``fence`` grows with every claim and every takeover.
    """

    __tablename__ = "refund"
    __table_args__ = (
        UniqueConstraint("mark"),
        one_of("state", RefundState),
        one_of("unknown_reason", RefundUnknown),
        CheckConstraint("amount > 0", name="amount_positive"),
        CheckConstraint(
            "tax_free >= 0 AND coalesce(vat_amount, 0) >= 0 AND tax_free + coalesce(vat_amount, 0) <= amount",
            name="tax_parts_within_amount",
        ),
        CheckConstraint("amount <= checksum", name="amount_within_checksum"),
        CheckConstraint(
            f"state NOT IN ({listed(OUT_REFUND)}) OR (checksum IS NOT NULL AND token_digest IS NOT NULL"
            " AND sent_at IS NOT NULL AND first_sent_at IS NOT NULL AND send_before IS NOT NULL"
            " AND lease_until IS NOT NULL AND send_no >= 1)",
            name="sent_says_what",
        ),
        CheckConstraint(
            f"state NOT IN ({listed(UNDECIDED_REFUND)}) OR next_at IS NOT NULL OR operator_since IS NOT NULL",
            name="unknown_is_never_forgotten",
        ),
        # The guard against two cancels at once: of a payment one refund is out.
        Index(
            "uq_refund_out",
            "payment_id",
            unique=True,
            postgresql_where=text(f"state IN ({listed(OUT_REFUND)})"),
        ),
        # A payment's refunds.
        Index(None, "payment_id"),
        # What is to be sent or asked about, soonest first.
        Index(
            "ix_refund_next",
            "channel",
            "next_at",
            postgresql_where=text(f"state IN ({listed(UNDER_WAY)})"),
        ),
        # The operator's list.
        Index(
            "ix_refund_operator",
            "id",
            postgresql_where=text("state = 'proposed' OR operator_since IS NOT NULL"),
        ),
    )

    id: Mapped[Id]
    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payment.id"))
    channel: Mapped[Word] = mapped_column(ForeignKey("channel_state.name"))  # where the payment was made
    amount: Mapped[Won]
    tax_free: Mapped[Won]
    vat_amount: Mapped[Won | None] = mapped_column(BigInteger)
    reason: Mapped[Word]
    requested_by: Mapped[Word]
    requested_at: Mapped[Instant]  # billing time
    mark: Mapped[Word]  # stands in the cancel's reason
    state: Mapped[Word]
    send_no: Mapped[int] = mapped_column(Integer)
    fence: Mapped[int] = mapped_column(BigInteger)
    absent_count: Mapped[int] = mapped_column(Integer)  # sends whose absence was proven by looks
    checksum: Mapped[Won | None] = mapped_column(BigInteger)  # what could be cancelled when it was first sent
    token_digest: Mapped[str | None] = mapped_column(Text)
    first_sent_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    sent_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    send_before: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    lease_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    next_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    unknown_reason: Mapped[str | None] = mapped_column(Text)
    raw_reason: Mapped[str | None] = mapped_column(Text)
    overtaken_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))  # out, but its checksum is gone
    operator_since: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    operator_reason: Mapped[str | None] = mapped_column(Text)
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))  # billing time


class RefundEvidence(Base):
    """What a payment showed of a refund when it was looked at. Append-only (trigger); no personal data. Real time."""

    __tablename__ = "refund_evidence"
    __table_args__ = (one_of("source", RefundSource), one_of("trace", Trace), Index(None, "refund_id", "send_no"))

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    refund_id: Mapped[UUID] = mapped_column(ForeignKey("refund.id"))
    send_no: Mapped[int] = mapped_column(Integer)
    source: Mapped[Word]
    trace: Mapped[Word]
    began_at: Mapped[Instant]
    token_digest: Mapped[Word]
    body: Mapped[dict[str, Any]] = mapped_column(JSONB)
    recorded_at: Mapped[Instant] = mapped_column(server_default=func.clock_timestamp())


class PaymentCancellation(Base):
    """One cancel that a payment has at the gateway: a refund of ours, or made elsewhere. Append-only (trigger).

    Their sum is the payment's ``cancelled_amount``.
    """

    __tablename__ = "payment_cancellation"
    __table_args__ = (
        UniqueConstraint("refund_id"),
        CheckConstraint("amount > 0", name="amount_positive"),
    )

    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payment.id"), primary_key=True)
    entry: Mapped[str] = mapped_column(Text, primary_key=True)  # names it within its payment
    amount: Mapped[Won]
    refund_id: Mapped[UUID | None] = mapped_column(ForeignKey("refund.id"))
    cancelled_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))  # the gateway's
    recorded_at: Mapped[Instant]  # billing time
