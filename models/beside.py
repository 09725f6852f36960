"""Tables of what stands beside a subscription's price: add-ons, one-off items, credit, coupons and who has them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from domain.credit import CreditKind
from models.base import Base, Id, Instant, Won, Word, one_of


class InvoiceItem(Base):
    """Something owed once: on the next invoice of its subscription. Written under the subscription's lock.

    It waits until an invoice has it (``invoice_id``) or a person removes it; once that invoice is void, it waits again.
    """

    __tablename__ = "invoice_item"
    __table_args__ = (
        CheckConstraint("quantity >= 1 AND unit_amount >= 1", name="costs_something"),
        CheckConstraint("0 <= unit_tax_free AND unit_tax_free <= unit_amount", name="tax_free_within_amount"),
        CheckConstraint("invoice_id IS NULL OR removed_at IS NULL", name="not_removed_once_it_is_owed"),
        # What the opening puts on invoices.
        Index(
            "ix_invoice_item_waiting",
            "subscription_id",
            postgresql_where=text("invoice_id IS NULL AND removed_at IS NULL"),
        ),
        # What an invoice that becomes void gives back.
        Index("ix_invoice_item_invoice", "invoice_id", postgresql_where=text("invoice_id IS NOT NULL")),
    )

    id: Mapped[Id]
    subscription_id: Mapped[UUID] = mapped_column(ForeignKey("subscription.id"))
    description: Mapped[Word]
    quantity: Mapped[int] = mapped_column(Integer)
    unit_amount: Mapped[Won]
    unit_tax_free: Mapped[Won]
    added_by: Mapped[Word]
    reason: Mapped[Word]
    added_at: Mapped[Instant]  # billing time
    invoice_id: Mapped[UUID | None] = mapped_column(ForeignKey("invoice.id"))
    removed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))  # billing time


class AddOn(Base):
    """Something owed with every period of a subscription beside its plan, from ``first_ordinal`` on.

    Up to but not with ``until_ordinal``; None: as long as the subscription lasts. Written under its lock.
    """

    __tablename__ = "add_on"
    __table_args__ = (
        CheckConstraint("quantity >= 1 AND unit_amount >= 1", name="costs_something"),
        CheckConstraint("0 <= unit_tax_free AND unit_tax_free <= unit_amount", name="tax_free_within_amount"),
        # Ended before it began: it was never owed.
        CheckConstraint("0 <= first_ordinal AND first_ordinal <= until_ordinal", name="a_span"),
        # What the opening puts on invoices.
        Index(None, "subscription_id"),
    )

    id: Mapped[Id]
    subscription_id: Mapped[UUID] = mapped_column(ForeignKey("subscription.id"))
    description: Mapped[Word]
    quantity: Mapped[int] = mapped_column(Integer)
    unit_amount: Mapped[Won]
    unit_tax_free: Mapped[Won]
    first_ordinal: Mapped[int] = mapped_column(Integer)
    until_ordinal: Mapped[int | None] = mapped_column(Integer)
    added_by: Mapped[Word]
    reason: Mapped[Word]
    added_at: Mapped[Instant]  # billing time


class CreditAccount(Base):
    """What a customer was granted and has not used: the sum of their entries. Locked last, after any invoice."""

    __tablename__ = "credit_account"
    __table_args__ = (CheckConstraint("balance >= 0", name="never_below_nothing"),)

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customer.id"), primary_key=True)
    balance: Mapped[Won]


class CreditEntry(Base):
    """A change of a customer's credit, in won: what was granted, what an invoice used. Append-only (trigger)."""

    __tablename__ = "credit_entry"
    __table_args__ = (
        one_of("kind", CreditKind),
        CheckConstraint("amount <> 0 AND (amount < 0) = (kind IN ('used', 'withdrawn'))", name="sign_is_its_kinds"),
        CheckConstraint("(invoice_id IS NULL) = (kind IN ('granted', 'withdrawn'))", name="an_invoices_or_a_persons"),
        # A customer's, newest first.
        Index(None, "customer_id", "id"),
        # An invoice uses credit once, and gives it back once.
        Index(
            "uq_credit_entry_invoice",
            "invoice_id",
            "kind",
            unique=True,
            postgresql_where=text("invoice_id IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("credit_account.customer_id"))
    kind: Mapped[Word]
    amount: Mapped[Won]
    invoice_id: Mapped[UUID | None] = mapped_column(ForeignKey("invoice.id"))
    actor: Mapped[Word]
    reason: Mapped[Word]
    recorded_at: Mapped[Instant]  # billing time


class Coupon(Base):
    """A code that takes something off the plan's price. Its terms are never changed; it can be closed."""

    __tablename__ = "coupon"
    __table_args__ = (
        UniqueConstraint("code"),
        CheckConstraint("(percent IS NULL) <> (won IS NULL)", name="percent_or_won"),
        CheckConstraint("coalesce(percent BETWEEN 1 AND 100, won >= 1)", name="takes_something_off"),
        CheckConstraint("periods >= 1", name="periods_from_one"),
        CheckConstraint("0 <= redeemed AND redeemed <= redemption_limit", name="within_its_limit"),
    )

    id: Mapped[Id]
    code: Mapped[Word]
    percent: Mapped[int | None] = mapped_column(Integer)
    won: Mapped[Won | None] = mapped_column(BigInteger)
    periods: Mapped[int | None] = mapped_column(Integer)  # None: for ever
    redeem_before: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))  # billing time
    redemption_limit: Mapped[int | None] = mapped_column(Integer)
    redeemed: Mapped[int] = mapped_column(Integer, server_default="0")
    closed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))  # billing time
    created_at: Mapped[Instant] = mapped_column(server_default=func.clock_timestamp())


class CouponPlan(Base):
    """A plan that a coupon is for; a coupon without any is for all."""

    __tablename__ = "coupon_plan"

    coupon_id: Mapped[UUID] = mapped_column(ForeignKey("coupon.id"), primary_key=True)
    plan_id: Mapped[UUID] = mapped_column(ForeignKey("plan.id"), primary_key=True)


class Redemption(Base):
    """A subscription has a coupon, on the terms that it had then. Written under the subscription's lock."""

    __tablename__ = "redemption"
    __table_args__ = (
        # A coupon once a subscription, whatever became of it.
        UniqueConstraint("subscription_id", "coupon_id"),
        CheckConstraint("(percent IS NULL) <> (won IS NULL)", name="percent_or_won"),
        CheckConstraint("used >= 0", name="used_from_nothing"),
        CheckConstraint("ended_at IS NULL OR coalesce(used >= periods, false)", name="ended_once_it_is_used_up"),
        # Nothing else ends one.
        CheckConstraint("(ended_at IS NOT NULL) = (ended_by IS NOT NULL OR ended_unasked)", name="ended_by_a_decision"),
        # One at a time; and what the opening looks up.
        Index("uq_redemption_running", "subscription_id", unique=True, postgresql_where=text("ended_at IS NULL")),
        # How many subscriptions have a coupon.
        Index(None, "coupon_id"),
    )

    id: Mapped[Id]
    subscription_id: Mapped[UUID] = mapped_column(ForeignKey("subscription.id"))
    coupon_id: Mapped[UUID] = mapped_column(ForeignKey("coupon.id"))
    percent: Mapped[int | None] = mapped_column(Integer)
    won: Mapped[Won | None] = mapped_column(BigInteger)
    periods: Mapped[int | None] = mapped_column(Integer)  # None: for ever
    used: Mapped[int] = mapped_column(Integer)  # in so many periods: more than its own while its end is not agreed to
    redeemed_at: Mapped[Instant]  # billing time
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))  # billing time
    ended_by: Mapped[UUID | None] = mapped_column(ForeignKey("price_change.id"))
    ended_unasked: Mapped[bool] = mapped_column(server_default="false")  # before ends were decided
