"""How much tax is in an amount? Won are whole, and every part is said so that parts add up.

One rounding rule: the VAT of what is taxable is an eleventh of it, to the nearest won, once an invoice. A tie cannot
happen, for eleven is odd. Source: the VAT rate of 10 % is in the price (부가가치세법 art. 30); the rounding is our
choice, decision 0043.
"""

from __future__ import annotations

from typing import Final

from domain.errors import RuleBroken

#: What is taxable is ten parts of net and one of VAT.
_PARTS: Final = 11


def vat_in(taxable: int) -> int:
    """The VAT in an amount of won that holds it.

    Raises:
        RuleBroken: The amount is negative.
    """
    if taxable < 0:
        raise RuleBroken(f"there is no VAT in {taxable} won")
    return (2 * taxable + _PARTS) // (2 * _PARTS)


def parts_of_part(*, tax_free: int, vat_amount: int | None, whole: int, part: int) -> tuple[int, int | None]:
    """The tax parts of a part of an amount, such as a refund: each pro rata, and the rest's parts fit the rest.

    Args:
        tax_free: The tax-free part of ``whole``.
        vat_amount: The VAT in ``whole``; None: none was told. Both together are at most ``whole``.
        whole: Won, with those parts.
        part: Won of it.

    Raises:
        RuleBroken: The part is none of the whole.
    """
    if not 0 <= part <= whole:
        raise RuleBroken(f"{part} won are no part of {whole} won")
    if part == whole:
        return tax_free, vat_amount
    free = tax_free * part // whole
    if vat_amount is None:
        return free, None
    at_least = tax_free - free + vat_amount - (whole - part)
    return free, min(max(vat_amount * part // whole, at_least), part - free)


def parts_of_rest(*, tax_free: int, vat_amount: int | None, whole: int, rest: int) -> tuple[int, int | None]:
    """The tax parts of what is left of an amount, where nobody told the parts of what is gone: each pro rata.

    Args:
        tax_free: The tax-free part of ``whole``.
        vat_amount: The VAT in ``whole``; None: none was told.
        whole: Won, with those parts.
        rest: What is left of it, at most ``whole``.

    Returns:
        Each at most what it was; all of them if nothing is gone, else together at most ``rest``.

    Raises:
        RuleBroken: The rest is no part of the whole.
    """
    if not 0 <= rest <= whole:
        raise RuleBroken(f"{rest} won are no rest of {whole} won")
    if rest == whole:
        return tax_free, vat_amount
    free = min(tax_free * rest // whole, rest)
    return free, None if vat_amount is None else min(vat_amount * rest // whole, rest - free)
