import asyncio
from collections.abc import Callable

import httpx
import pytest

from tests.contract.simulator.running import RunningSimulator, wait_until


def find_all(simulator: RunningSimulator, merchant_uid: str) -> list[str]:
    answer = simulator.get(f"/payments/findAll/{merchant_uid}")
    return [] if answer.status_code == 404 else [payment["status"] for payment in answer.json()["response"]["list"]]


def test_a_decline_is_a_failed_record_in_an_answer_without_error(simulator: RunningSimulator) -> None:
    simulator.order("card", {"decline": "120054 잔액부족"}, "decline")

    first, second = simulator.paid("card", "one"), simulator.paid("card", "two")

    assert (first["status"], first["fail_reason"]) == ("failed", "120054 잔액부족")
    assert first["failed_at"] > 0 == first["paid_at"]
    assert second["fail_reason"] == "[120054] 잔액부족"
    assert simulator.paid("card", "three")["status"] == "paid"
    assert simulator.counters()["faults"] == {"decline": 2}
    assert [payment["fault"] for payment in simulator.payments()] == ["decline", "decline", None]


@pytest.mark.parametrize(
    ("card", "reasons"),
    [
        ("c.sim.decline.limit", ["[120016] 월 사용한도 초과"] * 3),
        ("c.sim.decline.timeout", ["[120010] 카드사 거래 TIMEOUT"] * 3),
        ("c.sim.dead_card", ["[1200B2] 해지카드"] * 3),
        ("c.sim.decline_first.2.stolen", ["[120026] 도난, 분실카드"] * 2 + [None]),
        (
            "c.sim.decline_first.1.expired.sim.decline_first.1",
            ["[120004] 유효기간 만료(기간오류)", "[120054] 잔액부족", None],
        ),
    ],
)
def test_a_magic_card_declines_as_its_uid_says(
    simulator: RunningSimulator, card: str, reasons: list[str | None]
) -> None:
    answers = [simulator.paid(card, f"order-{number}") for number in range(3)]

    assert [answer["fail_reason"] for answer in answers] == reasons


def test_a_magic_uid_that_cannot_be_read_is_refused(simulator: RunningSimulator) -> None:
    answer = simulator.charge("c.sim.declin", "order")

    assert answer.status_code == 400
    assert "declin" in answer.json()["message"]


def test_a_card_that_was_never_issued_is_unknown_everywhere(simulator: RunningSimulator) -> None:
    card = "c.sim.unknown_customer"

    assert simulator.charge(card, "order").json()["message"] == "등록되지 않은 구매자입니다."
    assert simulator.get(f"/subscribe/customers/{card}").status_code == 404


@pytest.mark.parametrize(("fault", "is_charged"), [("drop_answer", True), ("drop_uncharged", False)])
def test_a_dropped_answer_breaks_the_connection(simulator: RunningSimulator, fault: str, *, is_charged: bool) -> None:
    simulator.order("card", fault)

    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        simulator.charge("card", "order")

    assert find_all(simulator, "order") == (["paid"] if is_charged else [])
    assert simulator.counters()["faults"] == {fault: 1}


@pytest.mark.parametrize(("fault", "is_charged"), [("hang", True), ("hang_uncharged", False)])
def test_a_hanging_answer_ends_when_the_caller_leaves(
    simulator: RunningSimulator, fault: str, *, is_charged: bool
) -> None:
    simulator.order("card", fault)

    simulator.charge_and_leave("card", "order", once=lambda: simulator.counters()["faults"] == {fault: 1})

    assert find_all(simulator, "order") == (["paid"] if is_charged else [])
    wait_until(lambda: simulator.counters()["in_flight_total"] == 0)


def test_a_late_answer_comes_after_the_charge(simulator: RunningSimulator) -> None:
    simulator.order("card", {"late_answer": 600_000}, {"late_answer": 1})

    simulator.charge_and_leave("card", "order", once=lambda: find_all(simulator, "order") == ["paid"])

    wait_until(lambda: simulator.counters()["in_flight_total"] == 0)
    assert simulator.paid("card", "soon")["status"] == "paid"


@pytest.mark.parametrize(
    ("fault", "status", "is_charged"),
    [
        ("error500", 500, True),
        ("error500_uncharged", 500, False),
        ("too_many", 429, False),
        ("unauthorized", 401, False),
        ({"refuse": "점검중입니다."}, 200, False),
        ("unknown_customer", 200, False),
    ],
)
def test_an_answer_other_than_a_payment(
    simulator: RunningSimulator, fault: object, status: int, *, is_charged: bool
) -> None:
    simulator.order("card", fault)

    answer = simulator.charge("card", "order")

    assert answer.status_code == status
    assert answer.headers["X-Simulator-Run"]
    assert find_all(simulator, "order") == (["paid"] if is_charged else [])
    if status == 200:
        assert answer.json()["code"] != 0
    assert simulator.charge("card", "order").status_code == 200


def test_a_garbled_body_is_not_json(simulator: RunningSimulator) -> None:
    simulator.order("card", "garbled")

    answer = simulator.charge("card", "order")

    assert answer.status_code == 200
    with pytest.raises(ValueError, match=r"codec|Unterminated"):
        answer.json()
    assert find_all(simulator, "order") == ["paid"]


def test_half_a_body_is_noticed_by_the_client(simulator: RunningSimulator) -> None:
    simulator.order("card", "half_body")

    with pytest.raises(httpx.RemoteProtocolError):
        simulator.charge("card", "order")

    assert find_all(simulator, "order") == ["paid"]


def test_another_amount_is_charged_and_told(simulator: RunningSimulator) -> None:
    simulator.order("card", {"other_amount": -900})

    assert simulator.paid("card", "order", 1000)["amount"] == 100
    assert simulator.payments()[0]["amount"] == 100
    assert simulator.requests()[0]["amount"] == 1000


def test_a_lagging_lookup_finds_nothing_at_first(simulator: RunningSimulator) -> None:
    simulator.order("card", {"lookup_lag": 600_000}, {"lookup_lag": 50})
    simulator.paid("card", "long")
    simulator.paid("card", "short")

    assert find_all(simulator, "long") == []
    assert simulator.get("/payments/find/long").status_code == 404
    wait_until(lambda: find_all(simulator, "short") == ["paid"])
    assert len(simulator.payments()) == 2


@pytest.mark.parametrize(
    ("fault", "first", "last"),
    [("late_approval", "failed", "paid"), ("ready_paid", "ready", "paid"), ("ready_failed", "ready", "failed")],
)
def test_a_record_turns_later(simulator: RunningSimulator, fault: str, first: str, last: str) -> None:
    simulator.order("card", {fault: 300})

    told = simulator.paid("card", "order")

    assert told["status"] == first
    assert (told["fail_reason"] is None) == (first == "ready")
    wait_until(lambda: find_all(simulator, "order") == [last])
    (row,) = simulator.payments()
    assert row[f"{last}_at"] >= row["started_at"] + 0.3


def test_faults_by_chance_are_the_same_for_the_same_seed(start: Callable[..., RunningSimulator]) -> None:
    simulator = start()

    def statuses() -> list[int]:
        simulator.control.post("/reset")
        order = {"seed": 7, "probabilities": {"error500": 0.3, "too_many": {"probability": 0.2}}}
        assert simulator.control.post("/faults", json=order).status_code == 200
        return [simulator.charge("card", f"order-{number}").status_code for number in range(60)]

    first = statuses()

    assert statuses() == first
    assert set(first) == {200, 429, 500}
    simulator.control.delete("/faults")
    assert simulator.charge("card", "calm").status_code == 200


@pytest.mark.parametrize(
    "order",
    [
        {},
        {"customer_uid": "c", "sequence": ["nothing"]},
        {"customer_uid": "c", "sequence": [{"late_answer": "soon"}]},
        {"customer_uid": "c", "sequence": [{"hang": 1}]},
        {"on": "elsewhere", "sequence": []},
        {"on": "lookup", "sequence": ["decline"]},
        {"seed": 1, "probabilities": {"hang": 1.5}},
        {"seed": 1, "probabilities": {"hang": 0.6, "garbled": 0.6}},
    ],
)
def test_an_order_that_cannot_be_read_is_refused(simulator: RunningSimulator, order: dict[str, object]) -> None:
    answer = simulator.control.post("/faults", json=order)

    assert answer.status_code == 400
    assert answer.json()["error"]


def test_lookups_and_tokens_can_go_wrong_as_well(simulator: RunningSimulator) -> None:
    assert simulator.headers
    simulator.control.post("/faults", json={"on": "lookup", "sequence": ["error500", "ok", "garbled"]})
    simulator.control.post("/faults", json={"on": "token", "sequence": ["too_many"]})

    assert [simulator.get("/payments/status/all").status_code for _ in range(2)] == [500, 200]
    with pytest.raises(ValueError, match=r"codec|Unterminated"):
        simulator.get("/payments/status/all").json()
    credentials = {"imp_key": "key", "imp_secret": "secret"}
    assert simulator.public.post("/users/getToken", json=credentials).status_code == 429
    assert simulator.public.post("/users/getToken", json=credentials).status_code == 200


def test_held_charges_wait_before_their_token_is_looked_at(simulator: RunningSimulator) -> None:
    headers = simulator.headers

    async def charge(client: httpx.AsyncClient, number: int) -> httpx.Response:
        fields = {"customer_uid": "card", "merchant_uid": f"held-{number}", "amount": 100, "name": "x"}
        return await client.post("/subscribe/payments/again", json=fields, headers=headers)

    async def hold_and_release() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=simulator.public.base_url, timeout=30) as client:
            calls = [asyncio.create_task(charge(client, number)) for number in range(3)]
            await asyncio.to_thread(wait_until, lambda: simulator.counters()["held"] == 3)
            assert simulator.payments() == []
            assert {request["done"] for request in simulator.requests()} == {"held"}
            simulator.control.post("/tokens/expire")
            simulator.control.post("/hold", json={"on": False})
            return await asyncio.gather(*calls)

    simulator.control.post("/hold", json={"on": True})
    answers = asyncio.run(hold_and_release())

    simulator._token = None
    assert [answer.status_code for answer in answers] == [401, 401, 401]
    assert simulator.payments() == []
    assert {request["done"] for request in simulator.requests()} == {"unauthorized"}
