"""What amount may a payment window take for an order? Registered beforehand; a charge by billing key needs none.

Source: PortOne V1 documentation, payments/prepare: a payment of another amount than the registered one is refused.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from domain.errors import GatewayUnreadable
from gateway.errors import GatewayRefused
from gateway.fields import require_merchant_uid, require_won
from gateway.orders import Order, response_of
from gateway.records import identifier, whole_won

if TYPE_CHECKING:
    from gateway.orders import Sent

PREPARE_PATH: Final = "/payments/prepare"
_NOT_HERE: Final = re.compile(r"존재하지\s*않")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """An order's registered amount. Won."""

    merchant_uid: str
    amount: int

    def __post_init__(self) -> None:
        require_merchant_uid(self.merchant_uid)
        require_won("amount", self.amount)


def prepare_order(wanted: Prepared, *, is_change: bool) -> Order:
    """The request that registers an amount, or changes one that stands."""
    body = json.dumps({"merchant_uid": wanted.merchant_uid, "amount": wanted.amount}, separators=(",", ":")).encode()
    return Order(method="PUT" if is_change else "POST", path=PREPARE_PATH, write=lambda: body)


def prepared_order(merchant_uid: str) -> Order:
    """The request that asks what is registered.

    Raises:
        BadInput: No order can have this number.
    """
    require_merchant_uid(merchant_uid)
    return Order(method="GET", path=f"{PREPARE_PATH}/{quote(merchant_uid, safe='')}", write=lambda: b"")


def after_prepare(wanted: Prepared, sent: Sent) -> Prepared:
    """What is registered now.

    Raises:
        TokenRefused, GatewayRefused: Nothing was registered.
        GatewayUnreachable, GatewayUnreadable: Perhaps registered; ask.
    """
    prepared = _read(response_of(sent))
    if prepared != wanted:
        raise GatewayUnreadable("the gateway registered something else than it was asked to")
    return prepared


def after_prepared(sent: Sent) -> Prepared | None:
    """What is registered; None: nothing is, in the gateway's own words."""
    try:
        return _read(response_of(sent))
    except GatewayRefused as refused:
        if _NOT_HERE.search(str(refused)):
            return None
        raise


def _read(response: object) -> Prepared:
    found = response if isinstance(response, dict) else {}
    merchant_uid, amount = identifier(found.get("merchant_uid")), whole_won(found.get("amount"))
    if merchant_uid is None or amount is None or amount < 1:
        raise GatewayUnreadable("a registered amount was told without its order or a whole number of won")
    return Prepared(merchant_uid=merchant_uid, amount=amount)
