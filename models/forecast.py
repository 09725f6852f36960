"""Tables of what was foreseen for a day, and of how that day differed from it."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Date, DateTime, ForeignKey, Integer, Text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Instant, Won, Word


class ForecastDay(Base):
    """The first charges that were foreseen, the evening before, to fall due on a civil day.

    Its lines are kept until they are compared; ``digest`` is theirs (``domain.forecast_day``).
    """

    __tablename__ = "forecast_day"
    __table_args__ = (
        CheckConstraint("begins_at < ends_at", name="a_span"),
        CheckConstraint(
            "(compared_at IS NULL) = (differences IS NULL) AND (compared_at IS NULL) = (unexplained IS NULL)",
            name="compared_says_what_it_found",
        ),
        CheckConstraint("0 <= unexplained AND unexplained <= differences", name="unexplained_of_the_differences"),
    )

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    begins_at: Mapped[Instant]
    ends_at: Mapped[Instant]
    kept_at: Mapped[Instant]  # billing time
    charges: Mapped[int] = mapped_column(Integer)
    won: Mapped[Won]
    digest: Mapped[Word]
    compared_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))  # billing time
    differences: Mapped[int | None] = mapped_column(Integer)
    unexplained: Mapped[int | None] = mapped_column(Integer)


class ForecastLine(Base):
    """One charge that was foreseen for a day."""

    __tablename__ = "forecast_line"

    day: Mapped[date] = mapped_column(ForeignKey("forecast_day.day"), primary_key=True)
    subscription_id: Mapped[UUID] = mapped_column(ForeignKey("subscription.id"), primary_key=True)
    ordinal: Mapped[int] = mapped_column(Integer, primary_key=True)
    amount: Mapped[Won]
    due_at: Mapped[Instant]


class ForecastDifference(Base):
    """A period that came otherwise than foreseen: won foreseen, won opened, and the event that explains it."""

    __tablename__ = "forecast_difference"
    __table_args__ = (
        # Of nothing on both sides there is none, either.
        CheckConstraint("foreseen IS DISTINCT FROM opened", name="a_difference"),
    )

    day: Mapped[date] = mapped_column(ForeignKey("forecast_day.day"), primary_key=True)
    subscription_id: Mapped[UUID] = mapped_column(ForeignKey("subscription.id"), primary_key=True)
    ordinal: Mapped[int] = mapped_column(Integer, primary_key=True)
    foreseen: Mapped[Won | None]  # None: nothing was
    opened: Mapped[Won | None]  # None: nothing was
    cause: Mapped[str | None] = mapped_column(Text)  # the kind of an event; None: nobody knows
