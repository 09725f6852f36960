"""Tables of the installation as a whole: who it is, its clock, its gateway channel, the tokens it saw, its audit."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    DateTime,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Text,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Instant, Word


class Installation(Base):
    """One row: whose database this is. A copy under another namespace must not charge."""

    __tablename__ = "installation"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    namespace: Mapped[Word]
    created_at: Mapped[Instant] = mapped_column(server_default=func.clock_timestamp())


class BillingClock(Base):
    """One row: billing time = ``origin`` + (real time - ``anchor``) * ``rate``, and never later than ``stops_at``.

    Rate 0 stands until it is stepped. Monotone: a trigger refuses an update that would turn billing time back.
    """

    __tablename__ = "billing_clock"
    __table_args__ = (
        CheckConstraint("id = 1", name="one_row"),
        CheckConstraint("rate >= 0", name="rate_not_negative"),
    )

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    origin: Mapped[Instant]
    rate: Mapped[int] = mapped_column(Integer)  # billing seconds a real second
    anchor: Mapped[Instant]
    stops_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    last_seen: Mapped[Instant]  # billing time that was last written down: where a restart goes on


class ChannelState(Base):
    """A gateway channel: whether it is halted, and how far its rate is used up."""

    __tablename__ = "channel_state"
    __table_args__ = (CheckConstraint("(halted_at IS NULL) = (halt_reason IS NULL)", name="halt_has_a_reason"),)

    name: Mapped[Word] = mapped_column(primary_key=True)
    halted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    halt_reason: Mapped[str | None] = mapped_column(Text)
    rate_used_until: Mapped[Instant]  # real time up to which the rate is given away


class SeenToken(Base):
    """An access token that the gateway issued, by digest; its value is never stored.

    ``expires_at`` is the gateway's own clock, in unix seconds: a token with a later one was issued after ours died.
    """

    __tablename__ = "seen_token"

    digest: Mapped[Word] = mapped_column(primary_key=True)
    channel: Mapped[Word]
    expires_at: Mapped[int] = mapped_column(BigInteger)
    first_seen_at: Mapped[Instant]  # real time
    dies_at: Mapped[Instant]  # real time, by what the gateway told last


class AuditEntry(Base):
    """What a person did, when and why. Append-only (trigger)."""

    __tablename__ = "audit_entry"
    __table_args__ = (Index(None, "subject_id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    occurred_at: Mapped[Instant]  # billing time
    recorded_at: Mapped[Instant] = mapped_column(server_default=func.clock_timestamp())
    actor: Mapped[Word]
    action: Mapped[Word]
    subject: Mapped[Word]
    subject_id: Mapped[UUID | None]
    reason: Mapped[Word]
    details: Mapped[dict[str, Any]] = mapped_column(JSONB)


class OutboxEvent(Base):
    """What happened, for whoever listens, written in the transaction in which it happened."""

    __tablename__ = "outbox_event"
    __table_args__ = (Index(None, "invoice_id"), Index(None, "subscription_id"))

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    occurred_at: Mapped[Instant]  # billing time
    recorded_at: Mapped[Instant] = mapped_column(server_default=func.clock_timestamp())
    kind: Mapped[Word]
    subscription_id: Mapped[UUID]
    invoice_id: Mapped[UUID | None]
    attempt_id: Mapped[UUID | None]
    data: Mapped[dict[str, Any]] = mapped_column(JSONB)
    is_incident: Mapped[bool] = mapped_column(Boolean, server_default="false")
