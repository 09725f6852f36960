"""A gateway that says a card's number in its answers: nothing of it is in what is stored, and what is told."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from gateway.port import Answer
from gateway.wire import classify_again
from tests.fakes.gateway import FakeGateway
from tests.support.loud_logs import loud_logs
from tests.support.marked_card import Trawl, sentences

if TYPE_CHECKING:
    from gateway.port import AccessToken, Charge
    from tests.support.house import House


@dataclass(slots=True)
class RepeatingGateway(FakeGateway):
    """Answers every charge with words that hold a card, through the reader that ships."""

    turn: int = 0

    def carry_out(self, charge: Charge, token: AccessToken) -> Answer:  # type: ignore[explicit-override]  # typing has no @override in 3.11
        del token
        told = sentences()[self.turn % len(sentences())]
        kind, self.turn = self.turn // len(sentences()) % 4, self.turn + 1
        payment = {"imp_uid": f"imps_{self.turn}", "merchant_uid": charge.merchant_uid, "amount": charge.amount}
        payment |= {"customer_uid": charge.customer_uid, "currency": "KRW", "card_number": told, "name": told}
        response: object = payment | {"status": "failed", "fail_reason": told, "sandbox": True}
        code, message, status = 0, None, 200
        if kind == 1:
            code, message, response = -1, told, None
        if kind == 2:
            response = payment | {"status": told, "fail_reason": told, "sandbox": True}
        if kind == 3:
            code, message, response, status = -1, told, None, 500
        body = json.dumps({"code": code, "message": message, "response": response}).encode()
        outcome, kept = classify_again(charge, status, body, is_test=True)
        return Answer(charge=charge, outcome=outcome, http_status=status, body=kept)


@pytest.fixture
def house(house: House) -> House:
    gateway = RepeatingGateway(now=lambda: house.real, boottime=house.boottime)
    house.gateway, house.ports = gateway, replace(house.ports, gateway=gateway)
    return house


def test_nothing_of_a_card_that_the_gateway_says_back_is_stored_or_told(house: House) -> None:
    trawl = Trawl()
    with loud_logs() as log:
        for number in range(4 * len(sentences())):
            house.subscription(customer_ref=f"c{number:03d}")
        house.tick()
        house.charge()
        house.advance(minutes=30)
        house.tick()
        house.resolve()
    trawl.take("our log", log.getvalue())
    tables = [row.name for row in house.rows("SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'")]
    kept = 0
    for table in tables:
        with house.database.reading() as tx:
            rows = tx.connection.execute(text(f"SELECT to_jsonb(t)::text AS row FROM {table} t")).scalars()
            for row in rows:
                kept += "***" in row
                trawl.take(f"table {table}", row)
    assert kept >= 2 * len(sentences()), "what the gateway said was stored, masked"
    assert trawl.found_of_the_number() == []
