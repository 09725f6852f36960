"""Refunds by the real client, at a simulator that is a process of its own: its ledger and ours say the same."""

from __future__ import annotations

import json
import urllib.request
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from billing.book_cancellations import book_cancellations
from billing.token_in_hand import token_in_hand
from gateway.tokens import boottime
from models.queries.installation import newest_token
from tests.contract.gateway.asking import client
from tests.support.house import House
from tests.support.polling import eventually
from tests.support.refunds import ask, settle_refunds
from tests.support.simulator import IMP_KEY, IMP_SECRET

if TYPE_CHECKING:
    from tests.support.simulator import RunningSimulator

PAID, PART = 9_900, 4_000

#: What becomes of the first cancel of each payment, whether it is done, and how often it must be sent.
FAULTS = {
    "ok": 1,
    "drop_answer": 1,
    "error500": 1,
    "garbled": 1,
    "half_body": 1,
    "hang": 1,
    "error500_uncharged": 2,
    "drop_uncharged": 2,
    "unauthorized": 2,
}


def told(simulator: RunningSimulator, path: str, body: dict[str, object] | None = None) -> Any:  # noqa: ANN401 - JSON
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{simulator.control_url}{path}", data=data)  # noqa: S310 - our own simulator
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        return json.loads(answer.read() or b"null")


def test_lost_answers_and_lost_requests_end_with_the_same_sums_in_both_ledgers(
    database_url: str, simulator: RunningSimulator
) -> None:
    with closing(House(database_url)) as house, client(simulator.url, imp_key=IMP_KEY, imp_secret=IMP_SECRET) as real:
        house.ports = replace(house.ports, gateway=real, boottime=boottime)
        cards = {house.card_of(house.subscription()): fault for fault in FAULTS}
        house.tick()
        house.charge()
        payments = {row["imp_uid"]: row["customer_uid"] for row in told(simulator, "/ledger")}
        for customer_uid, fault in cards.items():
            told(simulator, "/faults", {"on": "cancel", "customer_uid": customer_uid, "sequence": [fault]})
        for amount in (PART, 1_000):  # in this order
            for row in house.rows("SELECT id FROM payment"):
                ask(house, row.id, amount)
            house.advance(seconds=1)
        house.refund()
        _another_token(house, simulator)

        settle_refunds(house)

        assert house.states("refund") == {"succeeded": 2 * len(FAULTS)}
        for imp_uid, customer_uid in payments.items():
            (paid,) = told(simulator, f"/ledger?imp_uid={imp_uid}")
            booked = house.value("SELECT cancelled_amount FROM payment WHERE imp_uid = :uid", uid=imp_uid)
            assert paid["cancel_amount"] == booked == PART + 1_000, cards[customer_uid]
            asked = told(simulator, f"/cancel-requests?imp_uid={imp_uid}")
            assert [row["amount"] for row in asked].count(PART) == FAULTS[cards[customer_uid]], cards[customer_uid]
            assert {row["checksum"] for row in asked if row["amount"] == PART} == {PAID}


def test_a_cancel_at_the_console_is_found_booked_and_leaves_that_much_less(
    database_url: str, simulator: RunningSimulator
) -> None:
    with closing(House(database_url)) as house, client(simulator.url, imp_key=IMP_KEY, imp_secret=IMP_SECRET) as real:
        house.ports = replace(house.ports, gateway=real, boottime=boottime)
        house.subscription()
        house.tick()
        house.charge()
        (payment,) = house.rows("SELECT id, imp_uid FROM payment")
        told(simulator, "/console/cancel", {"imp_uid": payment.imp_uid, "amount": 900, "reason": "고객 요청"})
        record = real.payment(imp_uid=payment.imp_uid, token=token_in_hand(house.ports))
        assert record is not None

        assert book_cancellations(house.ports, [record]) == {"elsewhere": 1}

        ask(house, payment.id, PAID - 900, is_full=True)
        assert house.refund() == {"succeeded": 1}
        (paid,) = told(simulator, f"/ledger?imp_uid={payment.imp_uid}")
        assert paid["cancel_amount"] == PAID
        assert house.value("SELECT cancelled_amount FROM payment") == PAID


def _another_token(house: House, simulator: RunningSimulator) -> None:
    """The old one is dead, and one that ends later was seen: the gateway counts whole seconds."""
    with house.database.reading() as tx:
        first = newest_token(tx, channel=house.ports.channel.name)
    assert first is not None

    def is_seen() -> bool:
        told(simulator, "/tokens/expire", {})
        house.refund()  # is told that its token is dead, if it asks anything
        return token_in_hand(house.ports).expires_at > first.expires_at

    eventually(is_seen)
