"""What do all requests for money have in common? ``again``, ``onetime`` and each of the gateway's own schedules."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from domain.errors import BadInput
from gateway.fields import cut, require_card_quota, require_merchant_uid, require_tax_parts, require_whole, require_won

_MOST_PRODUCTS: Final = 1_000_000
_CUT: Final = ("buyer_name", "buyer_email", "buyer_tel", "buyer_addr", "buyer_postcode")
_WHOLE: Final = ("custom_data", "notice_url", "browser_ip", "bypass", "promotion_id")


class ProductType(StrEnum):
    """What is sold."""

    REAL = "real"
    DIGITAL = "digital"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentFields:
    """One payment's fields that KG Inicis takes; the rest of them is left out of the request unless it is set.

    Won. ``tax_free`` and ``vat_amount`` are parts of ``amount``; ``vat_amount`` None: the payment gateway computes it.
    ``name`` and ``buyer_...`` are cut to what the gateway takes, the others refused if they are too long: each kind of
    request checks itself when it is built (``check_payment``).
    """

    merchant_uid: str
    amount: int
    name: str
    buyer_name: str = field(default="", repr=False)
    buyer_email: str = field(default="", repr=False)
    buyer_tel: str = field(default="", repr=False)
    buyer_addr: str = field(default="", repr=False)
    buyer_postcode: str = field(default="", repr=False)
    tax_free: int = 0
    vat_amount: int | None = None
    card_quota: int = 0
    custom_data: str = field(default="", repr=False)
    notice_url: str = ""
    browser_ip: str = field(default="", repr=False)
    product_type: ProductType | None = None
    product_count: int = 0
    bypass: str = field(default="", repr=False)
    promotion_id: str = ""


def check_payment(asked: PaymentFields) -> None:
    """Refuse what the gateway would refuse.

    Raises:
        BadInput: A field cannot be sent.
    """
    require_merchant_uid(asked.merchant_uid)
    require_won("amount", asked.amount, least=0)
    if not asked.name.strip():
        raise BadInput("name says what is paid for: KG Inicis refuses a charge without it")
    if asked.tax_free or asked.vat_amount is not None:
        require_tax_parts(asked.amount, asked.tax_free, asked.vat_amount)
    if asked.card_quota:
        require_card_quota(asked.card_quota, asked.amount)
    if asked.product_count and not 0 < asked.product_count <= _MOST_PRODUCTS:
        raise BadInput("product_count is a positive number")
    for name in _WHOLE:
        value = getattr(asked, name)
        if value:
            require_whole(name, value)


def body_of(asked: PaymentFields) -> dict[str, object]:
    """The JSON object of what is common; what is empty is left out."""
    body: dict[str, object] = {
        "merchant_uid": asked.merchant_uid,  # a string: as a number it loses its last digits over there
        "amount": asked.amount,
        "name": cut("name", asked.name),
    }
    for name in _CUT:
        value = getattr(asked, name)
        short = cut(name, value) if value else ""
        if short:
            body[name] = short
    if asked.vat_amount is not None:
        body["vat_amount"] = asked.vat_amount
    for name in ("tax_free", "card_quota", "product_count", *_WHOLE):
        value = getattr(asked, name)
        if value:
            body[name] = value
    if asked.product_type is not None:
        body["product_type"] = asked.product_type.value
    return body
