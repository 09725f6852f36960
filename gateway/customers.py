"""Billing keys at the gateway: issued from card details, read, listed, deleted. It calls them customers.

Source: PortOne V1 documentation, subscribe/customers: a key that is issued again under a name that stands replaces the
card without a word, so every card has a ``customer_uid`` of its own; a deletion cannot be undone.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from domain.errors import BadInput, GatewayTrouble, GatewayUnreadable
from gateway.card_details import CardDetails, HiddenBytes
from gateway.errors import GatewayRefused
from gateway.fields import cut, require_customer_uid, require_whole
from gateway.mask import clean_text, plain_text
from gateway.orders import Order, response_of
from gateway.questions import Questions, segment
from gateway.records import identifier, instant, is_sandbox

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from gateway.config import GatewayConfig
    from gateway.orders import Sent
    from gateway.port import AccessToken
    from gateway.transport import GatewayTransport

CUSTOMERS_PATH: Final = "/subscribe/customers"
#: The most keys that one question names.
MOST_NAMES: Final = 100
_CUT: Final = ("customer_name", "customer_tel", "customer_email", "customer_addr", "customer_postcode")
_WORD_LENGTH: Final = 100
_NOT_HERE: Final = re.compile(r"찾을\s*수\s*없습니다|등록되지\s*않은|존재하지\s*않")
#: Of a card's number the first six and the last four digits may be kept; the gateway masks it, and so do we.
_HEAD: Final = 6
_TAIL: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueKey:
    """A card to be kept under a new billing key, without a charge.

    ``channel_key`` or ``pg`` says where; without either the gateway takes the account's usual channel, as the KG Inicis
    guide's own call does, although the schema calls ``channel_key`` required.
    """

    customer_uid: str = field(repr=False)
    card: CardDetails = field(repr=False)
    channel_key: str = ""
    pg: str = ""
    customer_id: str = field(default="", repr=False)
    customer_name: str = field(default="", repr=False)
    customer_tel: str = field(default="", repr=False)
    customer_email: str = field(default="", repr=False)
    customer_addr: str = field(default="", repr=False)
    customer_postcode: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        require_customer_uid(self.customer_uid)
        require_whole("channel_key", self.channel_key)
        require_whole("pg", self.pg)
        require_whole("customer_id", self.customer_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """A billing key as the gateway tells it. Whom it belongs to is not read. Instants aware UTC, or None."""

    customer_uid: str = field(repr=False)
    pg: str
    card_name: str
    issuer_code: str = ""
    card_number: str = ""
    sandbox: bool = False
    inserted_at: datetime | None = None
    updated_at: datetime | None = None


class CustomerLookUp:
    """Asks about billing keys on one transport; every method runs on that transport's loop."""

    def __init__(self, config: GatewayConfig, transport: GatewayTransport) -> None:
        self._questions = Questions(config, transport)

    async def one(self, *, customer_uid: str, token: AccessToken) -> Customer | None:
        """One key; None: the gateway said, in its own envelope, that there is none."""
        require_customer_uid(customer_uid)
        found = await self._questions.one(_path_of(customer_uid), token, absence=_NOT_HERE)
        return None if found is None else read_customer(found)

    async def several(self, *, customer_uids: Sequence[str], token: AccessToken) -> Mapping[str, Customer]:
        """Those of the named keys that there are, by name."""
        if not 0 < len(customer_uids) <= MOST_NAMES:
            raise BadInput(f"customer_uids: 1 to {MOST_NAMES} of them in one question")
        for customer_uid in customer_uids:
            require_customer_uid(customer_uid)
        query = urlencode([("customer_uid[]", customer_uid) for customer_uid in customer_uids])
        items = await self._questions.plain_list(f"{CUSTOMERS_PATH}?{query}", token, absence=_NOT_HERE)
        found = [read_customer(item) for item in items]
        return {each.customer_uid: each for each in found if each.customer_uid in customer_uids}


def issue_order(asked: IssueKey) -> Order:
    """The request for a new key; its body comes into being on the gateway's thread only."""
    return Order(method="POST", path=_path_of(asked.customer_uid), write=lambda: _issue_body(asked))


def delete_order(customer_uid: str, *, reason: str = "", requester: str = "") -> Order:
    """The request that deletes a key, for good.

    Raises:
        BadInput: The name or the reason cannot be sent.
    """
    require_customer_uid(customer_uid)
    require_whole("reason", reason)
    told = {"reason": reason, "extra[requester]": requester}
    query = urlencode({name: value for name, value in told.items() if value})
    return Order(method="DELETE", path=_path_of(customer_uid) + (f"?{query}" if query else ""), write=lambda: b"")


def after_issue(asked: IssueKey, sent: Sent) -> Customer:
    """The key that was issued.

    Raises:
        TokenRefused, GatewayRefused: None was issued.
        GatewayUnreachable, GatewayUnreadable: Perhaps issued; read the key.
    """
    try:
        return _issued(asked, sent)
    except GatewayTrouble as raised:
        # The frames below hold what the gateway said, and that may be the card again.
        trouble = raised.with_traceback(None)
    raise trouble


def _issued(asked: IssueKey, sent: Sent) -> Customer:
    clean = asked.card.clean
    customer = read_customer(response_of(sent, clean=clean))
    if customer.customer_uid != asked.customer_uid:
        raise GatewayUnreadable("the gateway told another billing key than the one that was to be issued")
    return replace(
        customer,
        pg=clean(customer.pg),
        card_name=clean(customer.card_name),
        issuer_code=clean(customer.issuer_code),
    )


def after_delete(sent: Sent) -> bool:
    """Whether a key was deleted just now; False: there was none.

    Raises:
        TokenRefused, GatewayRefused: Nothing was deleted.
        GatewayUnreachable, GatewayUnreadable: Perhaps deleted; read the key.
    """
    try:
        response_of(sent)
    except GatewayRefused as refused:
        if _NOT_HERE.search(str(refused)):
            return False
        raise
    return True


def read_customer(found: object) -> Customer:
    """One billing key.

    Raises:
        GatewayUnreadable: It is none, or lacks its name.
    """
    customer_uid = found.get("customer_uid") if isinstance(found, dict) else None
    if not isinstance(found, dict) or not isinstance(customer_uid, str) or not customer_uid:
        raise GatewayUnreadable("a billing key was told without its name")
    return Customer(
        customer_uid=plain_text(customer_uid, length=4 * _WORD_LENGTH),
        pg=".".join(filter(None, (_word(found.get("pg_provider")), _word(found.get("pg_id"))))),
        card_name=clean_text(name, length=_WORD_LENGTH) if isinstance(name := found.get("card_name"), str) else "",
        issuer_code=_word(found.get("card_issuer_code")) or _word(found.get("card_code")),
        card_number=masked_number(found.get("card_number")),
        sandbox=is_sandbox(found),
        inserted_at=instant(found.get("inserted")),
        updated_at=instant(found.get("updated")),
    )


def masked_number(told: object) -> str:
    """A card's number with stars between its first six and its last four digits, whatever the gateway left open."""
    if not isinstance(told, str):
        return ""
    signs = [sign for sign in told if sign.isdecimal() or sign == "*"]
    if len(signs) <= _HEAD + _TAIL:
        return "*" * len(signs)
    return "".join(signs[:_HEAD]) + "*" * (len(signs) - _HEAD - _TAIL) + "".join(signs[-_TAIL:])


def _path_of(customer_uid: str) -> str:
    return f"{CUSTOMERS_PATH}/{segment(customer_uid)}"


def _word(value: object) -> str:
    return (identifier(value) or "")[:_WORD_LENGTH]


def _issue_body(asked: IssueKey) -> bytes:
    body: dict[str, object] = dict(asked.card.fields())
    for name in ("channel_key", "pg", "customer_id"):
        value = getattr(asked, name)
        if value:
            body[name] = value
    for name in _CUT:
        value = cut(name, getattr(asked, name))
        if value:
            body[name] = value
    return HiddenBytes(json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode())
