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
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from domain.breaker import BreakerState
from domain.halt import HaltCause
from models.base import Base, Instant, Word, one_of


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
    """A gateway channel: whether it is halted, how far its rate is used up or slowed down, and its breaker.

    A row for every channel that was ever configured: cards hang on it.
    """

    __tablename__ = "channel_state"
    __table_args__ = (
        CheckConstraint("(halted_at IS NULL) = (halt_reason IS NULL)", name="halt_has_a_reason"),
        one_of("halt_cause", HaltCause),
        one_of("breaker_state", BreakerState),
        CheckConstraint(
            "breaker_trouble_count >= 0 AND breaker_merchant_count >= 0 AND breaker_openings >= 0 AND slow_steps >= 0",
            name="breaker_counts_not_negative",
        ),
        CheckConstraint("(breaker_state = 'closed') = (breaker_until IS NULL)", name="breaker_pauses_until"),
        CheckConstraint("breaker_probe_id IS NULL OR breaker_state = 'half_open'", name="one_probe_while_half_open"),
    )

    name: Mapped[Word] = mapped_column(primary_key=True)
    halted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    halt_reason: Mapped[str | None] = mapped_column(Text)
    halt_cause: Mapped[str | None] = mapped_column(Text)  # of the last halt
    rate_used_until: Mapped[Instant]  # real time up to which the rate is given away
    #: ``domain.breaker``; its instants are real time.
    breaker_state: Mapped[Word] = mapped_column(server_default=BreakerState.CLOSED)
    breaker_trouble_count: Mapped[int] = mapped_column(Integer, server_default="0")
    breaker_merchant_count: Mapped[int] = mapped_column(Integer, server_default="0")
    breaker_openings: Mapped[int] = mapped_column(Integer, server_default="0")
    breaker_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    breaker_probe_id: Mapped[UUID | None]
    slow_steps: Mapped[int] = mapped_column(Integer, server_default="0")  # ``domain.slow_down``
    slowed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))  # real time
    has_first_window: Mapped[bool] = mapped_column(Boolean, server_default="false")  # given once: it may be removed
    #: Real time since which it is in no process's list of channels.
    missing_since: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class SeenToken(Base):
    """An access token that the gateway issued, by digest; its value is never stored.

    Channels of one account are given the same token: each has its own row, and its own knowledge of it.
    ``expires_at`` is the gateway's own clock, in unix seconds: a token with a later one was issued after ours died.
    """

    __tablename__ = "seen_token"

    digest: Mapped[Word] = mapped_column(primary_key=True)
    channel: Mapped[Word] = mapped_column(primary_key=True)
    expires_at: Mapped[int] = mapped_column(BigInteger)
    first_seen_at: Mapped[Instant]  # real time
    dies_at: Mapped[Instant]  # real time, by what the gateway told last


class ChannelTurn(Base):
    """A run's place among those that work for one channel at once; what is over by ``until`` (real time) is free.

    No foreign key: a turn is taken and given back thousands of times a day, and a lost one ends by itself.
    """

    __tablename__ = "channel_turn"

    channel: Mapped[Word] = mapped_column(primary_key=True)
    queue: Mapped[Word] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    holder: Mapped[UUID]
    until: Mapped[Instant]


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
    __table_args__ = (
        Index(None, "invoice_id"),
        Index(None, "subscription_id"),
        # The operator's list of late money.
        Index("ix_outbox_event_approved_late", "attempt_id", postgresql_where=text("kind = 'attempt.approved_late'")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    occurred_at: Mapped[Instant]  # billing time
    recorded_at: Mapped[Instant] = mapped_column(server_default=func.clock_timestamp())
    kind: Mapped[Word]
    subscription_id: Mapped[UUID | None]  # None: of a channel, or of the installation
    invoice_id: Mapped[UUID | None]
    attempt_id: Mapped[UUID | None]
    data: Mapped[dict[str, Any]] = mapped_column(JSONB)
    is_incident: Mapped[bool] = mapped_column(Boolean, server_default="false")
