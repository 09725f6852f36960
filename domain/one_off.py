"""What may be put on invoices, and what may be granted as credit: checked, or one sentence with the mend."""

from __future__ import annotations

from typing import Final

from domain.errors import BadInput
from domain.invoice_line import Item, LineKind
from domain.price import MAXIMUM_AMOUNT

#: Characters: what fits a line of an invoice.
_LONGEST: Final = 200


def read_item(
    *, description: str, quantity: int, unit_amount: int, tax_free: int, kind: LineKind = LineKind.ITEM
) -> Item:
    """A one-off item, or what an add-on costs; ``tax_free`` is a part of ``unit_amount``.

    Raises:
        BadInput: The sentence names the option.
    """
    told = description.strip()
    if not told or len(told) > _LONGEST or not told.isprintable():
        raise BadInput(
            f"--description cannot be used; give 1 to {_LONGEST} printable characters, as the customer reads it"
        )
    if quantity < 1:
        raise BadInput(f"--quantity {quantity} cannot be billed; give 1 or more")
    if not 1 <= unit_amount <= MAXIMUM_AMOUNT:
        raise BadInput(
            f"--amount {unit_amount} cannot be billed; give 1 to {MAXIMUM_AMOUNT:,} won (`jeonggi credit grant` gives"
            " something back)"
        )
    if not 0 <= tax_free <= unit_amount:
        raise BadInput(f"--tax-free {tax_free} is no part of the amount; give 0 to {unit_amount} won")
    return Item(
        kind=kind,
        description=told,
        quantity=quantity,
        unit_amount=unit_amount,
        unit_tax_free=tax_free,
    )


def read_won(won: int) -> int:
    """Won of credit.

    Raises:
        BadInput: Nothing, or more than anything may cost.
    """
    if not 1 <= won <= MAXIMUM_AMOUNT:
        raise BadInput(f"--amount {won} is no credit; give 1 to {MAXIMUM_AMOUNT:,} won")
    return won
