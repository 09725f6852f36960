"""What is written to ``POST /subscribe/payments/schedule``: charges that the gateway is to make by itself, later.

Billing never places one: a card with a live schedule of the gateway's would be charged by two hands.
Source: PortOne V1 documentation, subscribe/payments: ``schedule_at`` is in seconds, all of one call or none.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from domain.errors import BadInput, GatewayUnreadable
from gateway.fields import require_customer_uid, require_whole, require_won
from gateway.orders import Order, response_of
from gateway.payment_fields import PaymentFields, body_of, check_payment
from gateway.schedules import SCHEDULE_PATH, read_schedules

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from gateway.orders import Sent
    from gateway.port import Schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSchedule(PaymentFields):
    """One charge of a later time; ``schedule_at`` is aware, and a whole second over there."""

    schedule_at: datetime

    def __post_init__(self) -> None:
        check_payment(self)
        require_won("amount", self.amount)
        if self.schedule_at.tzinfo is None:
            raise BadInput("schedule_at is an instant: give it with its time zone")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSchedules:
    """One card's charges. ``checking_amount`` is charged and given back at once, to try the card; 0: it is not."""

    customer_uid: str = field(repr=False)
    schedules: Sequence[NewSchedule]
    checking_amount: int = 0
    channel_key: str = ""

    def __post_init__(self) -> None:
        require_customer_uid(self.customer_uid)
        require_won("checking_amount", self.checking_amount, least=0)
        require_whole("channel_key", self.channel_key)
        names = {each.merchant_uid for each in self.schedules}
        if not names or len(names) < len(self.schedules):
            raise BadInput("schedules: at least one, and each has a merchant_uid of its own")


def place_order(asked: NewSchedules) -> Order:
    """The request."""
    return Order(method="POST", path=SCHEDULE_PATH, write=lambda: _body(asked))


def after_place(asked: NewSchedules, sent: Sent) -> Sequence[Schedule]:
    """What was placed: everything that was asked for.

    Raises:
        TokenRefused, GatewayRefused: Nothing was placed.
        GatewayUnreachable, GatewayUnreadable: Perhaps placed; look at the schedules.
    """
    placed = read_schedules(response_of(sent))
    told = {(each.merchant_uid, each.customer_uid, each.amount, int(each.schedule_at.timestamp())) for each in placed}
    wanted = {
        (each.merchant_uid, asked.customer_uid, each.amount, int(each.schedule_at.timestamp()))
        for each in asked.schedules
    }
    if told != wanted:
        raise GatewayUnreadable("the gateway placed other schedules than it was asked to: look at them")
    return placed


def _body(asked: NewSchedules) -> bytes:
    schedules = [
        {**body_of(each), "schedule_at": int(each.schedule_at.timestamp()), "currency": "KRW"}
        for each in asked.schedules
    ]
    body: dict[str, object] = {"customer_uid": asked.customer_uid, "schedules": schedules}
    if asked.checking_amount:
        body["checking_amount"] = asked.checking_amount
    if asked.channel_key:
        body["channel_key"] = asked.channel_key
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
