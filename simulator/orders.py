"""Which fields has a request to charge, and are they as documented?

Source: PortOne V1 documentation, REST API, subscribe (swagger 2.0): names, types and maximum lengths.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from simulator.accounts import Account, Mid
from simulator.cards import Card, read_card
from simulator.ledger import Via
from simulator.wire import (
    BUYER,
    CUSTOMER_FIELDS,
    ECHOED,
    LENGTHS,
    MERCHANT_UID,
    NAME_REQUIRED,
    UNKNOWN_CHANNEL,
    Fields,
    Refused,
    Unreadable,
    refusal,
)

INSTALMENTS_FROM_WON = 50_000
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "currency": ("KRW",),
    "product_type": ("real", "digital"),
    "cash_receipt_type": ("person", "company", "anonymous"),
}
_FLAGS = ("interest_free_by_merchant", "use_card_point")
_TEXTS = ("browser_ip", "bypass", "promotion_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is to be paid, and under which name. ``details`` are echoed in the record; money is won."""

    merchant_uid: str
    amount: int
    details: Mapping[str, object]
    notice_urls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A charge whose fields were found good.

    ``customer_uid`` is "" for a card that is used once; ``card`` is what came with the request, and becomes the
    customer's, with ``stored_details``, once it is charged.
    """

    account: Account
    via: Via
    request_id: int
    token_digest: str
    started_at: float
    terms: Terms
    customer_uid: str = ""
    mid: Mid | None = None
    card: Card | None = None
    stored_details: Mapping[str, object] = field(default_factory=dict)
    #: The schedule that is charged, for the first time or again: always under its own name.
    schedule_seq: int | None = None

    @property
    def merchant_uid(self) -> str:
        """The merchant's own number of the order."""
        return self.terms.merchant_uid


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Who asked when (unix time), and where that is written down."""

    account: Account
    via: Via
    request_id: int
    token_digest: str
    at: float


def read_again(fields: Fields, asked: Asked) -> Order:
    """Read a charge of a card by its billing key.

    Raises:
        Unreadable: A field is missing, too long or not of its type. A missing name is KG Inicis' to refuse, once it
            is known that there is such a card.
    """
    customer_uid = read_customer_uid(fields)
    if customer_uid is None:
        raise Unreadable("customer_uid, merchant_uid 파라메터는 필수입니다.")
    return order_of(asked, terms=read_terms(fields, is_name_due=False), customer_uid=customer_uid)


def read_onetime(fields: Fields, asked: Asked) -> Order:
    """Read a charge of the card in the request; 0 won, with a customer_uid, only keep it.

    Raises:
        Unreadable: A field is missing, too long or not of its type.
        Refused: The card is no good, or the merchant has no such MID.
    """
    customer_uid = read_customer_uid(fields)
    return order_of(
        asked,
        terms=read_terms(fields, lowest=1 if customer_uid is None else 0),
        customer_uid=customer_uid or "",
        mid=read_mid(asked.account, fields),
        card=read_card(fields, customer_uid=customer_uid, now=asked.at),
        stored_details=stored_details(fields),
    )


def order_of(
    asked: Asked,
    *,
    terms: Terms,
    customer_uid: str,
    mid: Mid | None = None,
    card: Card | None = None,
    stored_details: Mapping[str, object] | None = None,
    schedule_seq: int | None = None,
) -> Order:
    """Put together what is to be charged."""
    return Order(
        account=asked.account,
        via=asked.via,
        request_id=asked.request_id,
        token_digest=asked.token_digest,
        started_at=asked.at,
        terms=terms,
        customer_uid=customer_uid,
        mid=mid,
        card=card,
        stored_details=stored_details or {},
        schedule_seq=schedule_seq,
    )


def read_mid(account: Account, fields: Fields) -> Mid:
    """Return the MID that a request names, or the usual one.

    Raises:
        Refused: The merchant has no such MID.
    """
    wanted = fields.text("channel_key", longest=LENGTHS["channel_key"]) or fields.text("pg", longest=LENGTHS["pg"])
    mid = account.mid(wanted)
    if mid is None:
        raise Refused(refusal(UNKNOWN_CHANNEL))
    return mid


def stored_details(fields: Fields) -> dict[str, object]:
    """Return what is kept with a card: its customer, for whom the buyer stands in."""
    details: dict[str, object] = {
        name.replace("buyer_", "customer_"): fields.text(name, longest=LENGTHS[name]) for name in BUYER
    }
    given = {name: fields.text(name, longest=longest) for name, longest in CUSTOMER_FIELDS.items()}
    return details | {name: value for name, value in given.items() if value is not None}


def read_terms(fields: Fields, *, lowest: int = 1, is_name_due: bool = True) -> Terms:
    """Check what every way to charge asks for.

    Raises:
        Unreadable: A field is missing, too long or not of its type.
    """
    texts = {name: fields.text(name, longest=longest) for name, longest in LENGTHS.items()}
    merchant_uid = texts["merchant_uid"]
    if merchant_uid is None:
        raise Unreadable("merchant_uid 파라메터는 필수입니다.")
    if not MERCHANT_UID.fullmatch(merchant_uid):
        raise Unreadable("merchant_uid 파라메터에 사용할 수 없는 문자가 있습니다.")
    amount = fields.number("amount")
    if amount is None or amount < lowest:
        raise Unreadable("amount 파라메터는 0보다 커야 합니다.")
    if texts["name"] is None and is_name_due:
        raise Unreadable(NAME_REQUIRED)
    _read_choices(fields)
    details: dict[str, object] = {name: fields.text(name) for name in ECHOED}
    return Terms(
        merchant_uid=merchant_uid,
        amount=amount,
        details={**details, **_read_tax(fields, amount), "card_quota": _read_quota(fields, amount)},
        notice_urls=fields.texts("notice_url"),
    )


def read_customer_uid(fields: Fields) -> str | None:
    """Return the billing key's name.

    Raises:
        Unreadable: It is too long or no text.
    """
    return fields.text("customer_uid", longest=LENGTHS["customer_uid"])


def _read_choices(fields: Fields) -> None:
    for name, choices in _CHOICES.items():
        if (fields.text(name) or choices[0]) not in choices:
            raise Unreadable(f"{name} 파라메터가 올바르지 않습니다.")
    for name in _FLAGS:
        fields.flag(name)
    for name in _TEXTS:
        fields.text(name)
    fields.number("product_count")


def _read_tax(fields: Fields, amount: int) -> dict[str, int]:
    """Return the parts of the amount that are free of tax and tax, as far as they were given."""
    parts: dict[str, int] = {}
    for name in ("tax_free", "vat_amount"):
        won = fields.number(name)
        if won is not None:
            parts[name] = won
            if won < 0 or sum(parts.values()) > amount:
                raise Unreadable(f"{name} 파라메터가 결제금액의 범위를 벗어났습니다.")
    return parts


def _read_quota(fields: Fields, amount: int) -> int:
    quota = fields.number("card_quota") or 0
    if quota < 0 or quota == 1 or (quota and amount < INSTALMENTS_FROM_WON):
        raise Unreadable("할부는 5만원 이상의 결제에서 2개월 이상만 가능합니다.")
    return quota


def raw_text(fields: Fields | None, name: str) -> str | None:
    """Return a field as it was asked for, whatever it is: for the list of requests."""
    value = None if fields is None else fields.values.get(name)
    return value if value is None or isinstance(value, str) else json.dumps(value)


def raw_number(fields: Fields | None, name: str) -> int | None:
    """Return a whole number as it was asked for; None if it is none."""
    if fields is None:
        return None
    try:
        return fields.number(name)
    except Unreadable:
        return None
