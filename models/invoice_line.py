"""The table of what invoices consist of."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Integer
from sqlalchemy.orm import Mapped, mapped_column

from domain.invoice_line import LOWERING, LineKind
from models.base import Base, Won, Word, listed, one_of


class InvoiceLine(Base):
    """A part of what an invoice owes, in won; negative if it lowers it. Append-only (trigger).

    All lines of an invoice are written in one statement, and add up to its amount and tax parts (trigger): a later
    statement for the same invoice is refused.
    """

    __tablename__ = "invoice_line"
    __table_args__ = (
        one_of("kind", LineKind),
        # So many units, and parts within them, all of one sign; numbers from 1 and sums are the trigger's.
        CheckConstraint(
            "quantity >= 1 AND amount = quantity * unit_amount AND sign(amount) * tax_free >= 0"
            " AND sign(amount) * coalesce(vat_amount, 0) >= 0"
            " AND abs(tax_free) + abs(coalesce(vat_amount, 0)) <= abs(amount)",
            name="adds_up",
        ),
        CheckConstraint(
            f"kind = '{LineKind.CARRIED}' OR (amount < 0) = (kind IN ({listed(LOWERING)}))", name="sign_is_its_kinds"
        ),
    )

    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoice.id"), primary_key=True)
    line_no: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    kind: Mapped[Word]
    description: Mapped[Word]
    quantity: Mapped[int] = mapped_column(Integer)
    unit_amount: Mapped[Won]
    amount: Mapped[Won]
    tax_free: Mapped[Won]
    vat_amount: Mapped[Won | None] = mapped_column(BigInteger)  # None: the payment gateway works it out
