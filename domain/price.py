"""What is a version of a plan's price: won, how much of them is free of tax, who reckons the VAT, instalments?

Read from a plan file or from a command, each key checked, or one sentence about what is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from domain.errors import BadInput
from domain.file_value import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Won. The least: KG Inicis code book, refusals 5x0690 (below 100 won). The most: our choice, a bound on typing errors.
MINIMUM_AMOUNT: Final = 100
MAXIMUM_AMOUNT: Final = 1_000_000_000
#: Instalments of two months and more are open from this amount on. Source: the KG Inicis guide.
LEAST_FOR_INSTALMENTS: Final = 50_000
#: Months. Our choice, though the gateway's field holds more: what every card company offers.
MOST_INSTALMENTS: Final = 12
_QUOTAS: Final = (0, *range(2, MOST_INSTALMENTS + 1))


class Vat(StrEnum):
    """Who says how much VAT is in what is charged."""

    GATEWAY = "gateway"  # nothing is sent, and the payment gateway works it out
    INCLUDED = "included"  # we do, and send it: domain/tax.py


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What one unit costs a period, in won; ``tax_free`` is a part of ``amount``, ``card_quota`` in months.

    ``setup_fee`` is owed once, with the first period of a subscription that begins with us, whatever its quantity.
    """

    amount: int
    tax_free: int = 0
    vat: Vat = Vat.GATEWAY
    card_quota: int = 0
    setup_fee: int = 0


#: The keys of a price, as a file names them.
PRICE_KEYS: Final = ("amount", "tax_free", "vat", "card_quota", "setup_fee")


def read_price(table: Mapping[str, object], where: str) -> Price:
    """Check every key of a price; ``where`` begins the sentence about what is wrong.

    Raises:
        BadInput: The sentence names the key.
    """
    amount = _amount(table.get("amount"), where)
    return Price(
        amount=amount,
        tax_free=_tax_free(table.get("tax_free", 0), amount, where),
        vat=_vat(table.get("vat", Vat.GATEWAY.value), where),
        card_quota=_card_quota(table.get("card_quota", 0), where),
        setup_fee=_setup_fee(table.get("setup_fee", 0), amount, where),
    )


def refuse_too_much(*, amount: int, quantity: int) -> None:
    """Refuse a quantity that makes more of a price than may be charged at once.

    Raises:
        BadInput: The sentence tells how many are too many.
    """
    if quantity * amount > MAXIMUM_AMOUNT:
        raise BadInput(
            f"quantity {quantity} of {amount:,} won is more than {MAXIMUM_AMOUNT:,} won a period; at most"
            f" {MAXIMUM_AMOUNT // amount:,} can be billed at once"
        )


def instalments(*, card_quota: int, amount: int) -> int:
    """The months that an amount is charged in: those wanted, or at once (0) where it is too small for any."""
    return card_quota if amount >= LEAST_FOR_INSTALMENTS else 0


def _amount(amount: object, where: str) -> int:
    if not isinstance(amount, int) or isinstance(amount, bool):
        raise BadInput(f"{where}: amount = {shown(amount)} is not a whole number of won, such as amount = 9900")
    if amount < MINIMUM_AMOUNT:
        raise BadInput(f"{where}: amount = {amount} is below the minimum of {MINIMUM_AMOUNT} won")
    if amount > MAXIMUM_AMOUNT:
        raise BadInput(f"{where}: amount = {amount} is above the maximum of {MAXIMUM_AMOUNT} won")
    return amount


def _tax_free(value: object, amount: int, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= amount:
        raise BadInput(f"{where}: tax_free = {shown(value)} is no part of the amount; give 0 to {amount} won")
    return value


def _vat(value: object, where: str) -> Vat:
    try:
        return Vat(str(value))
    except ValueError:
        choices = " or ".join(f'"{choice}"' for choice in Vat)
        raise BadInput(f"{where}: vat = {shown(value)} is unknown; give {choices}") from None


def _card_quota(value: object, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value not in _QUOTAS:
        raise BadInput(
            f"{where}: card_quota = {shown(value)} cannot be used; give 0 (at once) or 2 to {MOST_INSTALMENTS} months"
        )
    return value


def _setup_fee(value: object, amount: int, where: str) -> int:
    most = MAXIMUM_AMOUNT - amount
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise BadInput(f"{where}: setup_fee = {shown(value)} cannot be charged with it; give 0 to {most} won")
    return value
