"""What is written to ``POST /subscribe/payments/onetime``: one charge of a card that comes with it.

It moves money: its answer is judged by the same table as ``again``'s, and nothing ever sends it a second time.
Source: PortOne V1 documentation and the KG Inicis guide: with ``customer_uid`` the card is kept under that billing key;
0 won then keep it without a charge. For ``html5_inicis`` name, buyer_name, buyer_email and buyer_tel are required.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from domain.errors import BadInput
from domain.outcome import NotExecuted, NotExecutedReason, Outcome, Unknown, UnknownReason
from gateway.card_details import CardDetails, HiddenBytes
from gateway.fields import require_customer_uid, require_whole, require_won
from gateway.orders import Order
from gateway.payment_fields import PaymentFields, body_of, check_payment
from gateway.records import read_envelope
from gateway.wire import Wanted, classify_charge

if TYPE_CHECKING:
    from domain.decline_rules import DeclineRules
    from gateway.orders import Sent

ONETIME_PATH: Final = "/subscribe/payments/onetime"


@dataclass(frozen=True, slots=True, kw_only=True)
class OnetimeCharge(PaymentFields):
    """One charge of a card; ``customer_uid`` keeps the card under that billing key, "" keeps it nowhere."""

    card: CardDetails = field(repr=False)
    customer_uid: str = field(default="", repr=False)
    pg: str = ""

    def __post_init__(self) -> None:
        check_payment(self)
        if self.customer_uid:
            require_customer_uid(self.customer_uid)
        else:
            require_won("amount", self.amount)
        if not (self.buyer_name and self.buyer_email and self.buyer_tel):
            raise BadInput("buyer_name, buyer_email and buyer_tel are required where a card is typed in")
        if self.product_count:
            raise BadInput("product_count is not taken with a card that is typed in: leave it out")
        require_whole("pg", self.pg)


def onetime_order(charge: OnetimeCharge) -> Order:
    """The request; its body comes into being on the gateway's thread only."""
    return Order(method="POST", path=ONETIME_PATH, write=lambda: _body(charge))


def after_onetime(charge: OnetimeCharge, sent: Sent, *, is_test: bool, rules: DeclineRules) -> Outcome:
    """What became of it, whatever broke on its way. 0 won approved: the card is kept, no money moved."""
    if sent.reply is None:
        if sent.is_proven_unsent:
            return NotExecuted(reason=NotExecutedReason.NOT_SENT)
        return Unknown(reason=UnknownReason.NO_ANSWER)
    wanted = Wanted(
        merchant_uid=charge.merchant_uid,
        amount=charge.amount,
        customer_uid=charge.customer_uid or None,
        clean=charge.card.clean,
        rules=rules,
    )
    return classify_charge(wanted, sent.reply.status, read_envelope(sent.reply.body), is_test=is_test)


def _body(charge: OnetimeCharge) -> bytes:
    body = body_of(charge) | charge.card.fields()
    if charge.customer_uid:
        body["customer_uid"] = charge.customer_uid
    if charge.pg:
        body["pg"] = charge.pg
    return HiddenBytes(json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode())
