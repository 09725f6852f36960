"""Tables of what is owed and what was done about it: invoices, charge attempts, sends, payments, evidence."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
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

from domain.charge_attempt import OPEN_ATTEMPT, UNDECIDED, AttemptState
from domain.evidence import Said, Source
from domain.invoice import CHARGEABLE, InvoiceState, Purpose, Trigger
from domain.outcome import DeclineCode, UnknownReason
from domain.price import LEAST_FOR_INSTALMENTS, MINIMUM_AMOUNT, MOST_INSTALMENTS
from models.base import Base, Id, Instant, Won, Word, listed, one_of


class Invoice(Base):
    """What a billing period owes, or a change within one, in lines that add up to it; if nothing, it is paid at once.

    ``tax_free`` and ``vat_amount`` are parts of ``amount``, ``vat_amount`` None: the payment gateway works it out;
    ``card_quota``: months of instalments, 0 at once. These are fixed when it is opened. ``next_attempt_at`` says
    when an attempt may be claimed; None: not by itself. ``ordinal`` is the period's; of another purpose it is a number
    of its own. ``quantity`` and ``plan_price_id`` are the terms that it was opened by.
    """

    __tablename__ = "invoice"
    __table_args__ = (
        UniqueConstraint("subscription_id", "ordinal", "purpose"),
        one_of("purpose", Purpose),
        one_of("state", InvoiceState),
        one_of("next_trigger", Trigger),
        CheckConstraint("ordinal >= 0", name="ordinal_from_zero"),
        # What owes nothing is paid from the beginning, and is no charge.
        CheckConstraint(
            f"amount >= {MINIMUM_AMOUNT} OR (amount = 0 AND state = '{InvoiceState.PAID}')", name="amount_chargeable"
        ),
        CheckConstraint(
            "tax_free >= 0 AND coalesce(vat_amount, 0) >= 0 AND tax_free + coalesce(vat_amount, 0) <= amount",
            name="tax_parts_within_amount",
        ),
        CheckConstraint(
            f"card_quota = 0 OR (card_quota BETWEEN 2 AND {MOST_INSTALMENTS} AND amount >= {LEAST_FOR_INSTALMENTS})",
            name="instalments_are_open",
        ),
        CheckConstraint("period_start < period_end", name="period_is_a_span"),
        CheckConstraint(
            "(share_days IS NULL) = (share_of_days IS NULL) AND (share_days >= 1 OR purpose = 'final')"
            " AND share_days >= 0 AND share_days < share_of_days",
            name="share_of_a_whole",
        ),
        CheckConstraint("is_delivered OR purpose <> 'final'", name="a_final_one_is_delivered"),
        CheckConstraint("ladder_step >= 0 AND attempt_count >= 0", name="counts_not_negative"),
        CheckConstraint(
            f"next_attempt_at IS NULL OR state IN ({listed(CHARGEABLE)})", name="settled_is_never_attempted"
        ),
        # What is due to be claimed, oldest first.
        Index(
            "ix_invoice_due",
            "next_attempt_at",
            postgresql_where=text("next_attempt_at IS NOT NULL AND set_aside_reason IS NULL"),
        ),
        # What a person asked for, found at once while everything else waits for a window to end.
        Index(
            "ix_invoice_at_once",
            "next_attempt_at",
            postgresql_where=text("at_once AND next_attempt_at IS NOT NULL AND set_aside_reason IS NULL"),
        ),
        # A subscription's debts: is it still past due?
        Index("ix_invoice_past_due", "subscription_id", postgresql_where=text("state = 'past_due'")),
    )

    id: Mapped[Id]
    subscription_id: Mapped[UUID] = mapped_column(ForeignKey("subscription.id"))
    purpose: Mapped[Word]
    ordinal: Mapped[int] = mapped_column(Integer)
    period_start: Mapped[Instant]
    period_end: Mapped[Instant]
    #: Of a partial period: its civil days, and those of the whole one that it is a part of; None: it is whole.
    share_days: Mapped[int | None] = mapped_column(Integer)
    share_of_days: Mapped[int | None] = mapped_column(Integer)
    amount: Mapped[Won]
    tax_free: Mapped[Won] = mapped_column(BigInteger, server_default="0")
    vat_amount: Mapped[Won | None] = mapped_column(BigInteger)
    card_quota: Mapped[int] = mapped_column(Integer, server_default="0")
    quantity: Mapped[int | None] = mapped_column(Integer)  # None: it is older than these columns
    plan_price_id: Mapped[UUID | None] = mapped_column(ForeignKey("plan_price.id"))
    #: What it is for was given before it was opened: it is owed, and charged, whatever becomes of its subscription.
    is_delivered: Mapped[bool] = mapped_column(Boolean, server_default="false")
    state: Mapped[Word]
    is_catch_up: Mapped[bool] = mapped_column(Boolean)  # at most one such charge a customer and civil day
    next_attempt_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    next_trigger: Mapped[Word]
    at_once: Mapped[bool] = mapped_column(Boolean, server_default="false")  # a person asked: no window holds it back
    ladder_step: Mapped[int] = mapped_column(Integer)
    ladder_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))  # kept beside an operator's attempt
    attempt_count: Mapped[int] = mapped_column(Integer)
    set_aside_reason: Mapped[str | None] = mapped_column(Text)  # its batch failed because of it: an operator's
    opened_at: Mapped[Instant]


class ChargeAttempt(Base):
    """One request to move money, numbered from 1 in its invoice, under a ``merchant_uid`` of its own.

    ``fence`` grows with every claim and every takeover: an ending other than success needs the newest.
    """

    __tablename__ = "charge_attempt"
    __table_args__ = (
        UniqueConstraint("invoice_id", "attempt_no"),
        UniqueConstraint("merchant_uid"),
        one_of("state", AttemptState),
        one_of("trigger", Trigger),
        one_of("decline_code", DeclineCode),
        one_of("unknown_reason", UnknownReason),
        CheckConstraint("attempt_no >= 1", name="attempt_no_from_one"),
        CheckConstraint("merchant_uid ~ '^[A-Za-z0-9]{1,40}$'", name="merchant_uid_form"),
        CheckConstraint("state <> 'declined' OR decline_code IS NOT NULL", name="declined_has_a_code"),
        CheckConstraint(
            "state <> 'unknown' OR next_look_up_at IS NOT NULL OR operator_since IS NOT NULL",
            name="unknown_is_never_forgotten",
        ),
        # The guard against a second charge: one undecided or re-sendable attempt an invoice.
        Index(
            "uq_charge_attempt_open",
            "invoice_id",
            unique=True,
            postgresql_where=text(f"state IN ({listed(OPEN_ATTEMPT)})"),
        ),
        # What the resolver asks about, soonest first.
        Index(
            "ix_charge_attempt_look_up",
            "next_look_up_at",
            postgresql_where=text(f"state IN ({listed(UNDECIDED)})"),
        ),
        # `decline unknown`: what nothing here could read.
        Index(
            "ix_charge_attempt_unclassified",
            "ended_at",
            postgresql_where=text(f"decline_code = '{DeclineCode.UNCLASSIFIED}'"),
        ),
        # The operator's list.
        Index("ix_charge_attempt_operator", "operator_since", postgresql_where=text("operator_since IS NOT NULL")),
    )

    id: Mapped[Id]
    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoice.id"))
    attempt_no: Mapped[int] = mapped_column(Integer)
    merchant_uid: Mapped[Word]
    amount: Mapped[Won]
    trigger: Mapped[Word]
    state: Mapped[Word]
    send_no: Mapped[int] = mapped_column(Integer)
    fence: Mapped[int] = mapped_column(BigInteger)
    absent_count: Mapped[int] = mapped_column(Integer)  # sends whose absence was proven by look-ups
    decline_code: Mapped[str | None] = mapped_column(Text)
    unknown_reason: Mapped[str | None] = mapped_column(Text)
    raw_reason: Mapped[str | None] = mapped_column(Text)
    #: Real time. In flight: the lease's end; unknown: the next look-up; not executed: not sent again before.
    next_look_up_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    first_sent_at: Mapped[Instant]  # real time of the first send's commit 1
    operator_since: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))  # real time
    operator_reason: Mapped[str | None] = mapped_column(Text)
    started_at: Mapped[Instant]  # billing time
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))  # billing time
    cleared_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))  # looked up before a reattempt; real


class Send(Base):
    """What exactly was asked, by one send of an attempt: committed before the call. Instants are real time."""

    __tablename__ = "send"
    __table_args__ = (CheckConstraint("send_no >= 1", name="send_no_from_one"),)

    attempt_id: Mapped[UUID] = mapped_column(ForeignKey("charge_attempt.id"), primary_key=True)
    send_no: Mapped[int] = mapped_column(Integer, primary_key=True)
    billing_key_id: Mapped[UUID] = mapped_column(ForeignKey("billing_key.id"))
    amount: Mapped[Won]
    token_digest: Mapped[Word]
    fence: Mapped[int] = mapped_column(BigInteger)
    committed_at: Mapped[Instant]
    send_before: Mapped[Instant]
    lease_until: Mapped[Instant]
    answered_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    result: Mapped[str | None] = mapped_column(Text)


class Payment(Base):
    """Money received, whatever attempt it belongs to. One counts an invoice; any other is surplus."""

    __tablename__ = "payment"
    __table_args__ = (
        UniqueConstraint("imp_uid"),
        CheckConstraint("amount > 0", name="amount_positive"),
        CheckConstraint("0 <= cancelled_amount AND cancelled_amount <= amount", name="cancelled_within_amount"),
        CheckConstraint(
            "tax_free >= 0 AND coalesce(vat_amount, 0) >= 0 AND tax_free + coalesce(vat_amount, 0) <= amount",
            name="tax_parts_within_amount",
        ),
        Index(
            "uq_payment_counts",
            "invoice_id",
            unique=True,
            postgresql_where=text("counts"),
        ),
        Index(None, "attempt_id"),
        # A channel's newest, which its account must know: a new channel has none, and others may have millions.
        Index(None, "channel", "id"),
        # The operator's list of surplus money.
        Index("ix_payment_surplus", "recorded_at", postgresql_where=text("NOT counts")),
    )

    id: Mapped[Id]
    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoice.id"))
    attempt_id: Mapped[UUID] = mapped_column(ForeignKey("charge_attempt.id"))
    #: Where it was found: an attempt may have been sent through several, and paid late at an earlier one.
    channel: Mapped[Word] = mapped_column(ForeignKey("channel_state.name"))
    imp_uid: Mapped[Word]
    amount: Mapped[Won]
    #: The tax parts as they were sent with the charge: the invoice's. A refund carries its share of them.
    tax_free: Mapped[Won] = mapped_column(BigInteger, server_default="0")
    vat_amount: Mapped[Won | None] = mapped_column(BigInteger)
    cancelled_amount: Mapped[Won]
    counts: Mapped[bool] = mapped_column(Boolean)
    paid_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))  # the gateway's
    recorded_at: Mapped[Instant]  # billing time


class Evidence(Base):
    """What the gateway said when asked about a send. Append-only (trigger); bodies are masked. Real time."""

    __tablename__ = "evidence"
    __table_args__ = (
        ForeignKeyConstraint(["attempt_id", "send_no"], ["send.attempt_id", "send.send_no"]),
        one_of("source", Source),
        one_of("said", Said),
        Index(None, "attempt_id", "send_no"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    attempt_id: Mapped[UUID]
    send_no: Mapped[int] = mapped_column(Integer)
    source: Mapped[Word]
    said: Mapped[Word]
    began_at: Mapped[Instant]
    token_digest: Mapped[Word]
    body: Mapped[dict[str, Any]] = mapped_column(JSONB)
    recorded_at: Mapped[Instant] = mapped_column(server_default=func.clock_timestamp())
