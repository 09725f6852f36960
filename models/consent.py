"""Tables of changes of price to come, of what customers said to them, and of what they were told."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, Index, Integer, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from domain.consent import Answer, ChangeKind, ChangeState, WithoutConsent
from models.base import Base, Id, Instant, Won, Word, one_of


class PriceChange(Base):
    """From the period ``from_ordinal`` on a subscription is to owe another price: decided when that period is due.

    Amounts are won a period, as they were when it was planned; of a trial ``old_won`` is 0.
    """

    __tablename__ = "price_change"
    __table_args__ = (
        one_of("kind", ChangeKind),
        one_of("state", ChangeState),
        one_of("otherwise", WithoutConsent),
        CheckConstraint("from_ordinal >= 0", name="from_a_period"),
        CheckConstraint("old_won >= 0 AND new_won > 0", name="amounts"),
        CheckConstraint(
            "(state = 'planned') = (decided_at IS NULL)"
            " AND (decided_for IS NOT NULL) = (state IN ('made', 'lapsed', 'ended'))",
            name="decided_says_when",
        ),
        # One at a time.
        Index("uq_price_change_planned", "subscription_id", unique=True, postgresql_where=text("state = 'planned'")),
        # A subscription's history.
        Index(None, "subscription_id"),
    )

    id: Mapped[Id]
    subscription_id: Mapped[UUID] = mapped_column(ForeignKey("subscription.id"))
    kind: Mapped[Word]
    from_price_id: Mapped[UUID | None] = mapped_column(ForeignKey("plan_price.id"))  # None: it was free
    to_price_id: Mapped[UUID] = mapped_column(ForeignKey("plan_price.id"))
    old_won: Mapped[Won]
    new_won: Mapped[Won]
    from_ordinal: Mapped[int] = mapped_column(Integer)
    effective_at: Mapped[Instant]  # billing time: when that period is charged, and for a trial has begun
    otherwise: Mapped[Word]
    state: Mapped[Word]
    planned_by: Mapped[Word]
    planned_at: Mapped[Instant]  # billing time
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))  # billing time
    decided_for: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))  # what consent was measured from


class Consent(Base):
    """What a customer said to a change of price, or had said before they came to us. Append-only (trigger).

    Amounts are won a period; ``effective_at`` is what the customer was told. ``recorded_by`` wrote it down.
    """

    __tablename__ = "consent"
    __table_args__ = (
        one_of("answer", Answer),
        Index(None, "price_change_id"),  # what was said to one
        Index(None, "subscription_id"),  # a customer's evidence
    )

    id: Mapped[Id]
    subscription_id: Mapped[UUID] = mapped_column(ForeignKey("subscription.id"))
    price_change_id: Mapped[UUID | None] = mapped_column(ForeignKey("price_change.id"))  # None: it came with an import
    answer: Mapped[Word]
    given_at: Mapped[Instant]
    through: Mapped[Word]
    text_version: Mapped[str | None] = mapped_column(Text)
    ref: Mapped[str | None] = mapped_column(Text)
    old_won: Mapped[Won | None] = mapped_column(BigInteger)
    new_won: Mapped[Won]
    effective_at: Mapped[Instant]
    recorded_by: Mapped[Word]
    recorded_at: Mapped[Instant]  # billing time


class Notice(Base):
    """What a customer was told of a change of price, and when it reached them. Append-only (trigger)."""

    __tablename__ = "notice"
    __table_args__ = (Index(None, "price_change_id"),)  # what was told of one

    id: Mapped[Id]
    price_change_id: Mapped[UUID] = mapped_column(ForeignKey("price_change.id"))
    told_at: Mapped[Instant]
    through: Mapped[Word]
    text_version: Mapped[str | None] = mapped_column(Text)
    ref: Mapped[str | None] = mapped_column(Text)
    recorded_by: Mapped[Word]
    recorded_at: Mapped[Instant]  # billing time
