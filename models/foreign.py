"""Tables of foreign hands: payments and schedules of our cards that we did not make, and taking schedules over."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Boolean, CheckConstraint, DateTime, ForeignKey, Index, Integer, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from domain.foreign import AdoptionState, Became, ForeignState
from models.base import Base, Id, Instant, Won, Word, one_of


class ForeignPayment(Base):
    """A payment at the gateway that no attempt of ours made, or one that moved no money. Instants are real time."""

    __tablename__ = "foreign_payment"
    __table_args__ = (
        UniqueConstraint("imp_uid"),
        CheckConstraint("(accepted_at IS NULL) = (accepted_because IS NULL)", name="accepted_with_a_reason"),
        # What a person has not looked at yet.
        Index("ix_foreign_payment_open", "id", postgresql_where=text("accepted_at IS NULL")),
        # A card's: its schedule that ran, its history.
        Index(None, "billing_key_id"),
    )

    id: Mapped[Id]
    channel: Mapped[Word] = mapped_column(ForeignKey("channel_state.name"))
    imp_uid: Mapped[Word]
    merchant_uid: Mapped[Word]
    billing_key_id: Mapped[UUID | None] = mapped_column(ForeignKey("billing_key.id"))  # None: a card that is not ours
    amount: Mapped[Won]
    cancelled_amount: Mapped[Won]
    status: Mapped[Word]  # the gateway's word
    is_money: Mapped[bool] = mapped_column(Boolean)  # won moved: neither declined, nor the mere issue of a key
    is_sandbox: Mapped[bool] = mapped_column(Boolean)
    paid_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))  # the gateway's
    first_seen_at: Mapped[Instant]
    last_seen_at: Mapped[Instant]
    accepted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    accepted_because: Mapped[str | None] = mapped_column(Text)


class ForeignSchedule(Base):
    """A charge that the gateway itself will make of a card of ours. Instants are real time."""

    __tablename__ = "foreign_schedule"
    __table_args__ = (
        UniqueConstraint("channel", "merchant_uid"),
        one_of("state", ForeignState),
        CheckConstraint("(ignored_at IS NULL) = (ignored_because IS NULL)", name="ignored_with_a_reason"),
        # Whether a card is blocked.
        Index(
            "ix_foreign_schedule_asks",
            "billing_key_id",
            postgresql_where=text("gone_at IS NULL AND ignored_at IS NULL"),
        ),
        # What the sweep must find again, or ask about by name.
        Index("ix_foreign_schedule_standing", "channel", "merchant_uid", postgresql_where=text("gone_at IS NULL")),
    )

    id: Mapped[Id]
    channel: Mapped[Word] = mapped_column(ForeignKey("channel_state.name"))
    merchant_uid: Mapped[Word]
    billing_key_id: Mapped[UUID] = mapped_column(ForeignKey("billing_key.id"))
    schedule_at: Mapped[Instant]
    amount: Mapped[Won]
    state: Mapped[Word]
    payment_status: Mapped[Word]  # the gateway's word once it ran; empty before
    imp_uid: Mapped[str | None] = mapped_column(Text)
    first_seen_at: Mapped[Instant]
    #: When the gateway last showed it; of one that is revoked or gone, when it first said so.
    last_seen_at: Mapped[Instant]
    #: Since when it asks nothing any more: revoked or unknown over there, and its order number bears that out if its
    #: time has come; or it ran and was declined. One that ran and was paid is not gone before somebody has said what
    #: was paid.
    gone_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    ignored_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    ignored_because: Mapped[str | None] = mapped_column(Text)


class GatewayComparison(Base):
    """How far a channel was compared with the gateway's lists. Real time; a row for each channel that was."""

    __tablename__ = "gateway_comparison"

    channel: Mapped[Word] = mapped_column(ForeignKey("channel_state.name"), primary_key=True)
    next_at: Mapped[Instant]  # when the next round may begin; a round that is under way has it in the past
    taken_until: Mapped[Instant]  # somebody is at it; past it he is taken to be dead
    payments_until: Mapped[Instant]  # payments were read up to here
    round_began_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))  # None: no round is under way
    schedules_from: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))  # where this round's walk stands
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))  # when the last whole round ended


class Adoption(Base):
    """One subscription on its way from the gateway's schedules to us. Its card is not charged before it is done."""

    __tablename__ = "adoption"
    __table_args__ = (
        one_of("state", AdoptionState),
        CheckConstraint("state <> 'unscheduling' OR asked_at IS NOT NULL", name="asked_is_written_before"),
        # What is not finished: it blocks its card, and is gone on with.
        Index("ix_adoption_unfinished", "billing_key_id", postgresql_where=text("state <> 'done'")),
    )

    subscription_id: Mapped[UUID] = mapped_column(ForeignKey("subscription.id"), primary_key=True)
    channel: Mapped[Word] = mapped_column(ForeignKey("channel_state.name"))
    billing_key_id: Mapped[UUID] = mapped_column(ForeignKey("billing_key.id"))
    state: Mapped[Word]
    actor: Mapped[Word]
    began_at: Mapped[Instant]  # real time, as the others
    asked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))  # when it was last asked to revoke
    done_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class AdoptedSchedule(Base):
    """A schedule that an adoption takes over: which period it was to pay, and what became of it."""

    __tablename__ = "adopted_schedule"
    __table_args__ = (
        one_of("became", Became),
        UniqueConstraint("merchant_uid", "channel"),
        CheckConstraint("ordinal >= 0", name="ordinal_from_zero"),
    )

    subscription_id: Mapped[UUID] = mapped_column(ForeignKey("adoption.subscription_id"), primary_key=True)
    ordinal: Mapped[int] = mapped_column(Integer, primary_key=True)
    channel: Mapped[Word]
    merchant_uid: Mapped[Word]
    schedule_at: Mapped[Instant]  # the gateway's
    amount: Mapped[Won]
    became: Mapped[Word]
