from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.contract.simulator.running import RunningSimulator, wait_until


def charge_at_once(simulator: RunningSimulator, merchant_uid: str, count: int = 8) -> list[httpx.Response]:
    assert simulator.headers
    with ThreadPoolExecutor(count) as pool:
        calls = [pool.submit(simulator.charge, "card", merchant_uid) for _ in range(count)]
        return [call.result() for call in calls]


def test_a_paid_merchant_uid_is_refused_when_strict(simulator: RunningSimulator) -> None:
    simulator.paid("card", "order")

    answer = simulator.charge("card", "order")

    assert (answer.status_code, answer.json()["code"], answer.json()["response"]) == (200, 1, None)
    assert "이미" in answer.json()["message"]
    assert len(simulator.payments()) == 1
    assert [request["done"] for request in simulator.requests()] == ["charged", "duplicate"]


def test_a_cancelled_merchant_uid_stays_used(simulator: RunningSimulator) -> None:
    payment = simulator.paid("card", "order")
    simulator.post("/payments/cancel", imp_uid=payment["imp_uid"])

    assert simulator.charge("card", "order").json()["code"] == 1


@pytest.mark.parametrize("mode", ["strict", "careless"])
def test_a_failed_merchant_uid_may_be_used_again(simulator: RunningSimulator, mode: str) -> None:
    simulator.control.post("/used-merchant-uid", json={"mode": mode})
    card = "card.sim.decline_first.1.balance"

    statuses = [simulator.paid(card, "order")["status"] for _ in range(2)]

    assert statuses == ["failed", "paid"]


def test_a_failed_merchant_uid_is_used_up_where_each_serves_once(simulator: RunningSimulator) -> None:
    simulator.control.post("/used-merchant-uid", json={"mode": "once"})
    card = "card.sim.decline_first.1.balance"
    simulator.paid(card, "order")

    answer = simulator.charge(card, "order").json()

    assert (answer["code"], answer["message"]) == (1, "이미 존재하는 merchant_uid입니다.")
    assert simulator.charge("card.sim.unknown_customer", "refused").json()["code"] == 1
    assert simulator.paid("card", "refused")["status"] == "paid"


@pytest.mark.parametrize("latency_ms", [0, 200])
def test_of_identical_charges_at_once_one_is_paid_when_strict(simulator: RunningSimulator, latency_ms: int) -> None:
    simulator.control.post("/latency", json={"ms": latency_ms})

    answers = charge_at_once(simulator, "order")

    assert len(simulator.payments(merchant_uid="order")) == 1
    refused = [answer.json()["message"] for answer in answers if answer.json()["code"] != 0]
    assert len(refused) == 7
    assert all("이미" in message or "중복" in message for message in refused)


def test_identical_charges_are_all_paid_when_careless(simulator: RunningSimulator) -> None:
    simulator.control.post("/used-merchant-uid", json={"mode": "careless"})

    charge_at_once(simulator, "order")

    assert len(simulator.payments(merchant_uid="order")) == 8


def test_a_ready_merchant_uid_is_refused_when_strict(simulator: RunningSimulator) -> None:
    simulator.order("card", {"ready_paid": 600_000})
    simulator.paid("card", "order")

    answer = simulator.charge("card", "order")

    assert answer.json()["code"] == 1
    assert "중복" in answer.json()["message"]


def test_a_charge_goes_on_after_its_caller_left(simulator: RunningSimulator) -> None:
    simulator.control.post("/latency", json={"ms": 2000})

    simulator.charge_and_leave("card", "left", once=lambda: len(simulator.requests()) == 1)

    wait_until(lambda: len(simulator.payments(merchant_uid="left")) == 1)
