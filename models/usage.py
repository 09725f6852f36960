"""The table of what periods used, as the merchant's own application told it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, Index, Integer, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Won


class Usage(Base):
    """What a period used. Asked for, it is answered once: what was written first stands.

    Until then ``next_at`` is when it may be asked for (again), in real time, and ``reason`` why it failed the last of
    ``failures`` times. It waits for an invoice until one has it (``invoice_id``); once that is void, it waits again.
    """

    __tablename__ = "usage"
    __table_args__ = (
        CheckConstraint("ordinal >= 0", name="of_a_period"),
        CheckConstraint("failures >= 0 AND (failures = 0 OR reason IS NOT NULL)", name="failed_says_why"),
        CheckConstraint(
            "(resolved_at IS NULL) = (lines IS NULL) AND (resolved_at IS NULL) = (amount IS NULL)"
            " AND (resolved_at IS NULL) = (resolved_by IS NULL) AND (resolved_at IS NULL) = (next_at IS NOT NULL)",
            name="resolved_or_asked_for",
        ),
        CheckConstraint("amount >= 0", name="amount_not_negative"),
        CheckConstraint("invoice_id IS NULL OR resolved_at IS NOT NULL", name="resolved_before_it_is_owed"),
        # What the opening puts on invoices.
        Index(
            "ix_usage_waiting",
            "subscription_id",
            postgresql_where=text("resolved_at IS NOT NULL AND invoice_id IS NULL"),
        ),
        # What is not answered yet.
        Index("ix_usage_asked", "subscription_id", postgresql_where=text("resolved_at IS NULL")),
        # What an invoice that becomes void gives back.
        Index("ix_usage_invoice", "invoice_id", postgresql_where=text("invoice_id IS NOT NULL")),
    )

    subscription_id: Mapped[UUID] = mapped_column(ForeignKey("subscription.id"), primary_key=True)
    ordinal: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)  # of the period that used it
    failures: Mapped[int] = mapped_column(Integer)
    reason: Mapped[str | None] = mapped_column(Text)
    next_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))  # real time
    lines: Mapped[Any | None] = mapped_column(JSONB)  # description, quantity, unit_amount, unit_tax_free each
    amount: Mapped[Won | None] = mapped_column(BigInteger)
    resolved_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))  # billing time
    resolved_by: Mapped[str | None] = mapped_column(Text)
    invoice_id: Mapped[UUID | None] = mapped_column(ForeignKey("invoice.id"))
