"""The table of holds: whose charges wait, why, by whom, until when."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from domain.hold import HoldKind, HoldState
from models.base import Base, Id, Instant, Word, one_of


class Hold(Base):
    """Nothing of a customer, or of a subscription, is charged while it stands and ``until`` (billing time) is not come.

    What is over keeps its row: it says why a charge came late.
    """

    __tablename__ = "hold"
    __table_args__ = (
        CheckConstraint("(customer_id IS NULL) <> (subscription_id IS NULL)", name="of_one_or_the_other"),
        one_of("kind", HoldKind),
        one_of("state", HoldState),
        CheckConstraint(
            "(state = 'standing') = (ended_at IS NULL) AND (state = 'standing') = (ended_by IS NULL)"
            " AND (state = 'standing') = (ended_real_at IS NULL)",
            name="ended_says_when_and_by_whom",
        ),
        CheckConstraint("state <> 'expired' OR until IS NOT NULL", name="only_what_has_a_date_expires"),
        # The claim asks for what stands, of one subscription and of its customer.
        Index("ix_hold_customer", "customer_id", postgresql_where=text("state = 'standing'")),
        Index("ix_hold_subscription", "subscription_id", postgresql_where=text("state = 'standing'")),
    )

    id: Mapped[Id]
    customer_id: Mapped[UUID | None] = mapped_column(ForeignKey("customer.id"))
    subscription_id: Mapped[UUID | None] = mapped_column(ForeignKey("subscription.id"))
    kind: Mapped[Word]
    reason: Mapped[Word]
    placed_by: Mapped[Word]
    placed_at: Mapped[Instant]  # billing time
    placed_real_at: Mapped[Instant]  # real time, read under the subscriptions' locks
    until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))  # billing time; None: until it is released
    state: Mapped[Word]
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))  # billing time
    ended_real_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    ended_by: Mapped[str | None] = mapped_column(Text)
    end_reason: Mapped[str | None] = mapped_column(Text)
