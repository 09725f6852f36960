"""The table of what was changed within periods that were opened already."""

from __future__ import annotations

from datetime import date
from typing import Final
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, CheckConstraint, ForeignKey, Integer
from sqlalchemy.orm import Mapped, mapped_column

from domain.price import MINIMUM_AMOUNT
from models.base import Base, Instant, Won, Word

#: Floor division, for won may be negative.
_SHARE: Final = "won = floor((new_won - old_won)::numeric * days / of_days)"


class Proration(Base):
    """From a civil day on an opened period is worth ``new_won`` instead of ``old_won``, were it whole. Append-only.

    ``won`` is what that comes to for the ``days`` that are left of ``of_days``: charged by an invoice, whose number it
    has; put on the next one as an item, if it is too little for one; or, negative, given as credit. Several opened
    periods may be changed at once, under one number.
    """

    __tablename__ = "proration"
    __table_args__ = (
        CheckConstraint("number >= 0", name="number_from_zero"),
        CheckConstraint("0 <= days AND days <= of_days AND of_days >= 1", name="days_of_the_period"),
        CheckConstraint(_SHARE, name="a_share_of_the_difference"),
        CheckConstraint("quantity >= 1", name="quantity_from_one"),
        CheckConstraint("NOT is_cut OR new_won = 0", name="cut_is_worth_nothing"),
        CheckConstraint(
            "num_nonnulls(invoice_id, item_id, credit_entry_id) = (all_won <> 0)::integer"
            f" AND (invoice_id IS NOT NULL) = (all_won >= {MINIMUM_AMOUNT})"
            " AND (credit_entry_id IS NOT NULL) = (all_won < 0)",
            name="settled_one_way",
        ),
    )

    subscription_id: Mapped[UUID] = mapped_column(ForeignKey("subscription.id"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    ordinal: Mapped[int] = mapped_column(Integer, primary_key=True)  # of the period
    changed_on: Mapped[date]  # civil
    days: Mapped[int] = mapped_column(Integer)
    of_days: Mapped[int] = mapped_column(Integer)
    old_won: Mapped[Won]
    new_won: Mapped[Won]
    won: Mapped[Won]
    all_won: Mapped[Won]  # of all periods of this number
    quantity: Mapped[int] = mapped_column(Integer)  # from then on
    plan_price_id: Mapped[UUID] = mapped_column(ForeignKey("plan_price.id"))  # from then on
    is_cut: Mapped[bool] = mapped_column(Boolean)  # the period is over with the day before
    invoice_id: Mapped[UUID | None] = mapped_column(ForeignKey("invoice.id"))
    item_id: Mapped[UUID | None] = mapped_column(ForeignKey("invoice_item.id"))
    credit_entry_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("credit_entry.id"))
    actor: Mapped[Word]
    recorded_at: Mapped[Instant]  # billing time
