"""Tables of what holds charges back: maintenance windows, and each day's envelope. A breaker is its channel's row."""

from __future__ import annotations

from datetime import date, datetime, time

from sqlalchemy import BigInteger, CheckConstraint, Date, DateTime, ForeignKey, Integer, Text, Time, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Id, Instant, Won, Word


class MaintenanceWindow(Base):
    """Civil times at which no automatic charge is made: of one channel or all, of one issuer's cards or all.

    One that ends at or before its beginning ends on the next day. No index: a handful of rows, read whole.
    """

    __tablename__ = "maintenance_window"
    __table_args__ = (
        CheckConstraint("begins <> ends", name="leaves_some_of_the_day"),
        CheckConstraint("nth BETWEEN 0 AND 5", name="nth_of_a_month"),
        CheckConstraint("nth = 0 OR cardinality(weekdays) > 0", name="nth_needs_weekdays"),
        CheckConstraint("weekdays <@ ARRAY[1, 2, 3, 4, 5, 6, 7]", name="weekdays_are_days"),
    )

    id: Mapped[Id]
    channel: Mapped[str | None] = mapped_column(ForeignKey("channel_state.name"))
    issuer_code: Mapped[str | None] = mapped_column(Text)
    begins: Mapped[time] = mapped_column(Time)
    ends: Mapped[time] = mapped_column(Time)
    timezone: Mapped[Word]
    weekdays: Mapped[list[int]] = mapped_column(ARRAY(Integer))  # ISO days, empty: every day
    nth: Mapped[int] = mapped_column(Integer)  # of the month's such days, 0: all
    note: Mapped[Word]
    created_at: Mapped[Instant] = mapped_column(server_default=func.clock_timestamp())


class ChargeEnvelope(Base):
    """One channel's civil day: what the forecast expects, what a person allowed on top, what was claimed."""

    __tablename__ = "charge_envelope"
    __table_args__ = (
        CheckConstraint(
            "expected_charges >= 0 AND expected_won >= 0 AND allowed_charges >= 0 AND allowed_won >= 0"
            " AND claimed_charges >= 0 AND claimed_won >= 0",
            name="volumes_not_negative",
        ),
        CheckConstraint("begins_at < ends_at", name="a_span"),
    )

    channel: Mapped[Word] = mapped_column(ForeignKey("channel_state.name"), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    begins_at: Mapped[Instant]  # billing time, as the next
    ends_at: Mapped[Instant]
    expected_charges: Mapped[int] = mapped_column(BigInteger)
    expected_won: Mapped[Won]
    allowed_charges: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    allowed_won: Mapped[Won] = mapped_column(server_default=text("0"))
    claimed_charges: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    claimed_won: Mapped[Won] = mapped_column(server_default=text("0"))
    forecast_at: Mapped[Instant]  # billing time
    #: Billing time at which what was left over, and what dunning brings, was added; None: written ahead.
    begun_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
