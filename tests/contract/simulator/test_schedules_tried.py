import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.contract.simulator.running import RunningSimulator
from tests.contract.simulator.scheduling import HOUR, SCHEDULE, charge_again, entry, fire, one, scheduled


def test_a_decline_is_told_and_can_be_charged_again_under_its_name(simulator: RunningSimulator) -> None:
    card = "card.sim.decline_first.2.limit"
    scheduled(simulator, card, entry("order"))
    assert charge_again(simulator, "order").status_code == 400
    assert fire(simulator, merchant_uid="order") == 1

    row = one(simulator, "order")
    again = charge_again(simulator, "order").json()
    paid = charge_again(simulator, "order").json()

    assert (row["schedule_status"], row["payment_status"]) == ("executed", "failed")
    assert row["fail_reason"] == again["response"]["fail_reason"] == "[120016] 월 사용한도 초과"
    assert (again["code"], again["response"]["status"]) == (0, "failed")
    assert paid["response"]["status"] == "paid"
    assert (one(simulator, "order")["payment_status"], one(simulator, "order")["imp_uid"]) == (
        "paid",
        paid["response"]["imp_uid"],
    )
    assert charge_again(simulator, "order").status_code == 400
    assert [payment["status"] for payment in simulator.payments()] == ["failed", "failed", "paid"]
    assert [request["via"] for request in simulator.requests()[-3:]] == ["schedule_again"] * 3


@pytest.mark.parametrize("mode", ["strict", "once"])
def test_of_second_attempts_at_once_one_is_paid(simulator: RunningSimulator, mode: str) -> None:
    simulator.control.post("/used-merchant-uid", json={"mode": mode})
    simulator.control.post("/latency", json={"ms": 200})
    scheduled(simulator, "card.sim.decline_first.1", entry("order"))
    fire(simulator)
    assert simulator.headers

    with ThreadPoolExecutor(6) as pool:
        calls = [pool.submit(charge_again, simulator, "order") for _ in range(6)]
        moved = simulator.post(f"{SCHEDULE}/order/reschedule", schedule_at=int(time.time()) + HOUR)
        answers = [call.result().json() for call in calls]

    assert [answer["code"] for answer in answers].count(0) + (moved.status_code == 200) == 1
    fire(simulator)
    assert [payment["status"] for payment in simulator.payments()].count("paid") == 1


@pytest.mark.parametrize("mode", ["strict", "once", "careless"])
def test_a_failed_one_gets_another_time(simulator: RunningSimulator, mode: str) -> None:
    simulator.control.post("/used-merchant-uid", json={"mode": mode})
    scheduled(simulator, "card.sim.decline_first.1", entry("order"))
    at = int(time.time()) + 2 * HOUR
    assert simulator.post(f"{SCHEDULE}/order/reschedule", schedule_at=at).status_code == 400
    fire(simulator)

    told = simulator.post(f"{SCHEDULE}/order/reschedule", schedule_at=at).json()["response"]

    assert (told["schedule_status"], told["schedule_at"], told["imp_uid"]) == ("scheduled", at, None)
    assert fire(simulator, until=at - 1) == 0
    assert fire(simulator, until=at) == 1
    assert one(simulator, "order")["payment_status"] == "paid"


def test_one_that_waits_can_be_moved(simulator: RunningSimulator) -> None:
    scheduled(simulator, "card", entry("order"))
    at = int(time.time()) + 2 * HOUR

    def move(merchant_uid: str, at: int) -> httpx.Response:
        path = f"{SCHEDULE}/{merchant_uid}"
        return simulator.public.put(path, json={"schedule_at": at}, headers=simulator.headers)

    assert move("order", at).json()["response"]["schedule_at"] == at
    assert move("order", int(time.time()) - 10).status_code == 400
    assert move("none", at).status_code == 404
    fire(simulator)
    assert move("order", at + 1).status_code == 400


@pytest.mark.parametrize("call", [("GET", ""), ("PUT", ""), ("POST", "/reschedule")])
def test_an_unknown_schedule_is_not_found(simulator: RunningSimulator, call: tuple[str, str]) -> None:
    method, end = call
    body = {"schedule_at": int(time.time()) + HOUR}

    answer = simulator.public.request(method, f"{SCHEDULE}/none{end}", json=body, headers=simulator.headers)

    assert (answer.status_code, answer.json()["code"]) == (404, -1)
    assert charge_again(simulator, "none").status_code == 404


def test_a_card_that_was_deleted_fails_when_its_time_comes(simulator: RunningSimulator) -> None:
    scheduled(simulator, "card", entry("order"))
    simulator.public.delete("/subscribe/customers/card", headers=simulator.headers)

    fire(simulator)

    assert (one(simulator, "order")["payment_status"], one(simulator, "order")["fail_reason"]) == (
        "failed",
        "등록되지 않은 구매자입니다.",
    )


def test_a_schedule_whose_order_was_paid_meanwhile_is_not_charged(simulator: RunningSimulator) -> None:
    scheduled(simulator, "card", entry("order"))
    simulator.paid("card", "order")

    fire(simulator)

    assert [payment["status"] for payment in simulator.payments()] == ["paid", "failed"]
    assert "이미" in one(simulator, "order")["fail_reason"]
