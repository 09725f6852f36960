"""What does an invoice consist of: lines whose amounts and tax parts add up to its own, to the won?"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Final

from domain.errors import RuleBroken
from domain.price import MAXIMUM_AMOUNT, MINIMUM_AMOUNT, Vat, instalments
from domain.tax import vat_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from domain.price import Price


class LineKind(StrEnum):
    """What a line is for."""

    BASE = "base"  # what the plan costs a period
    SETUP = "setup"  # once, with the first period of a subscription that began with us
    ADD_ON = "add_on"  # a period, beside the plan
    ITEM = "item"  # once, put on the next invoice by a person
    USAGE = "usage"  # what the period before used
    PRORATION = "proration"  # once, for the rest of a period that was changed
    COUPON = "coupon"  # less: off the base
    CREDIT = "credit"  # less: what the customer was granted
    CARRIED = "carried"  # less: too little to be charged, put off; more: put off by an invoice before


#: Lines of these kinds come again with every period.
EACH_PERIOD: Final = (LineKind.BASE, LineKind.ADD_ON)
#: What a period is worth: what is owed for each of its days.
RECURRING: Final = (LineKind.BASE, LineKind.ADD_ON, LineKind.COUPON)
#: Lines of these kinds lower an invoice; a carried one does either.
LOWERING: Final = (LineKind.COUPON, LineKind.CREDIT)
#: What takes something off for some periods: without it the amount is higher, which is a rise for the customer.
PROMOTIONAL: Final = (LineKind.COUPON,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """Something that is owed, before its tax is reckoned. Won; ``unit_tax_free`` is a part of ``unit_amount``.

    Both are negative of what lowers an invoice.
    """

    kind: LineKind
    description: str
    quantity: int
    unit_amount: int
    unit_tax_free: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of an invoice, numbered from 1. ``vat_amount`` None: the payment gateway works it out."""

    line_no: int
    kind: LineKind
    description: str
    quantity: int
    unit_amount: int
    amount: int
    tax_free: int
    vat_amount: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """What an invoice owes: its lines, and their sums. ``card_quota``: months of instalments, 0 at once."""

    lines: tuple[Line, ...]
    amount: int
    tax_free: int
    vat_amount: int | None
    card_quota: int


def base_item(*, description: str, quantity: int, price: Price) -> Item:
    """What a plan costs a period."""
    return Item(
        kind=LineKind.BASE,
        description=description,
        quantity=quantity,
        unit_amount=price.amount,
        unit_tax_free=price.tax_free,
    )


def promotional(owed: Owed) -> tuple[Line, ...]:
    """The lines of an invoice that are a promotion: what they take off is paid again once that has ended."""
    return tuple(line for line in owed.lines if line.kind in PROMOTIONAL)


def reckon(items: Sequence[Item], *, vat: Vat, card_quota: int) -> Owed:
    """The lines of an invoice with their tax. One of exactly nothing owes nothing, and is no charge.

    The VAT is rounded once, of the whole invoice; a line has what the lines up to it have more than those before it,
    which is within one won of its own eleventh.

    Raises:
        RuleBroken: There is no item, one has no quantity or more tax-free than it costs, what lowers it comes before
            what it lowers, or the sum cannot be charged.
    """
    for item in items:
        sign = -1 if item.unit_amount < 0 else 1
        if item.quantity < 1 or not 0 <= sign * item.unit_tax_free <= sign * item.unit_amount:
            raise RuleBroken(f"{item.quantity} of {item.unit_amount} won, {item.unit_tax_free} tax-free, is no line")
    amounts = [item.quantity * item.unit_amount for item in items]
    tax_free = [item.quantity * item.unit_tax_free for item in items]
    amount = sum(amounts)
    if not items or not (amount == 0 or MINIMUM_AMOUNT <= amount <= MAXIMUM_AMOUNT):
        raise RuleBroken(f"an invoice of {amount} won cannot be charged")
    if min(accumulate(tax_free)) < 0:
        raise RuleBroken("more is taken off what is free of tax than there is of it")
    taxable = (each - free for each, free in zip(amounts, tax_free, strict=True))
    upto = [vat_in(running) for running in accumulate(taxable, initial=0)]
    is_told = vat is Vat.INCLUDED
    vats = [after - before if is_told else None for before, after in pairwise(upto)]
    return Owed(
        lines=tuple(
            Line(
                line_no=line_no,
                kind=item.kind,
                description=item.description,
                quantity=item.quantity,
                unit_amount=item.unit_amount,
                amount=amounts[line_no - 1],
                tax_free=tax_free[line_no - 1],
                vat_amount=vats[line_no - 1],
            )
            for line_no, item in enumerate(items, start=1)
        ),
        amount=amount,
        tax_free=sum(tax_free),
        vat_amount=upto[-1] if is_told else None,
        card_quota=instalments(card_quota=card_quota, amount=amount),
    )
