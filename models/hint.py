"""The table of the inbox: what the gateway's hooks told, before anybody has looked whether it is so."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Identity, Index, Integer, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from domain.hint import HintOutcome, HintStatus
from models.base import Base, Instant, Word, one_of


class GatewayEvent(Base):
    """One hook, and how often the same one came in its hour. Real time; rows are deleted after a while.

    Nothing rests on it: no other table points here, and every row may be lost, doubled or forged.
    """

    __tablename__ = "gateway_event"
    __table_args__ = (
        # A doubled hook adds to a count. Within its hour only: a payment may become the same thing twice.
        UniqueConstraint("digest", "hour"),
        one_of("status", HintStatus),
        one_of("outcome", HintOutcome),
        CheckConstraint("imp_uid ~ '^imp[a-z]{0,4}_[A-Za-z0-9_]{1,32}$'", name="imp_uid_form"),
        CheckConstraint("merchant_uid ~ '^j[a-z2-7]{39}$'", name="merchant_uid_form"),
        CheckConstraint("cancellation_id ~ '^[A-Za-z0-9_-]{1,64}$'", name="cancellation_id_form"),
        CheckConstraint("(closed_at IS NULL) = (outcome IS NULL)", name="closed_has_an_outcome"),
        CheckConstraint("times >= 1 AND looks >= 0", name="counts_not_negative"),
        # What is to be followed, soonest first.
        Index("ix_gateway_event_open", "follow_at", postgresql_where=text("closed_at IS NULL")),
        # How many were looked for in the last minute: the bound on look-ups.
        Index("ix_gateway_event_looked_at", "looked_at", postgresql_where=text("looked_at IS NOT NULL")),
        # What is old enough to be deleted; a person's list.
        Index(None, "received_at"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    channel: Mapped[Word]
    imp_uid: Mapped[Word]
    merchant_uid: Mapped[str | None] = mapped_column(Text)
    status: Mapped[Word]
    cancellation_id: Mapped[str | None] = mapped_column(Text)
    digest: Mapped[Word]
    hour: Mapped[Instant]
    times: Mapped[int] = mapped_column(Integer)
    received_at: Mapped[Instant]
    last_received_at: Mapped[Instant]
    follow_at: Mapped[Instant]
    looks: Mapped[int] = mapped_column(Integer)
    looked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    closed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    outcome: Mapped[str | None] = mapped_column(Text)
