"""What becomes of money that is to be given back: its tax, its history, its faults, and of many asking at once."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.contract.simulator.running import RunningSimulator, wait_until

CANCEL = "/payments/cancel"


def cancel(simulator: RunningSimulator, imp_uid: str, **fields: object) -> dict[str, Any]:
    answer = simulator.post(CANCEL, imp_uid=imp_uid, **fields)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def cancellations(simulator: RunningSimulator) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = simulator.control.get("/cancellations").json()
    return rows


def cancel_requests(simulator: RunningSimulator) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = simulator.control.get("/cancel-requests").json()
    return rows


def assert_sums_are_right(simulator: RunningSimulator) -> None:
    given_back: Counter[str] = Counter()
    for row in cancellations(simulator):
        given_back[row["imp_uid"]] += row["amount"]
    for payment in simulator.payments():
        assert payment["cancel_amount"] == given_back[payment["imp_uid"]] <= payment["amount"]
        assert (payment["status"] == "cancelled") == (payment["cancel_amount"] > 0)


def test_the_history_tells_every_part(simulator: RunningSimulator) -> None:
    imp_uid = simulator.paid("card", "order", 1000)["imp_uid"]

    cancel(simulator, imp_uid, amount=100, reason="첫째")
    payment = cancel(simulator, imp_uid, amount=200, reason="둘째")["response"]

    assert [(entry["amount"], entry["reason"]) for entry in payment["cancel_history"]] == [(100, "첫째"), (200, "둘째")]
    assert len({entry["cancellation_id"] for entry in payment["cancel_history"]}) == 2
    assert all(isinstance(entry["cancelled_at"], int) for entry in payment["cancel_history"])
    assert (payment["cancel_amount"], payment["cancel_reason"], payment["status"]) == (300, "둘째", "cancelled")
    assert len(payment["cancel_receipt_urls"]) == 2
    assert simulator.get("/payments/find/order").json()["response"] == payment
    assert simulator.get("/payments/status/cancelled").json()["response"]["list"] == [payment]
    assert_sums_are_right(simulator)


def test_imp_uid_goes_before_merchant_uid(simulator: RunningSimulator) -> None:
    first, _ = simulator.paid("card", "first"), simulator.paid("card", "second")

    cancel(simulator, first["imp_uid"], merchant_uid="second")

    assert [payment["cancel_amount"] for payment in simulator.payments()] == [9900, 0]


def test_by_merchant_uid_the_newest_with_something_left_is_meant(simulator: RunningSimulator) -> None:
    simulator.control.post("/used-merchant-uid", json={"mode": "careless"})
    for _ in range(2):
        simulator.paid("card", "order", 1000)

    codes = [simulator.post(CANCEL, merchant_uid="order").json()["code"] for _ in range(3)]

    assert codes == [0, 0, 1]
    assert [payment["cancel_amount"] for payment in simulator.payments()] == [1000, 1000]


def test_tax_that_came_with_the_payment_must_come_with_a_part_of_it(simulator: RunningSimulator) -> None:
    paid = simulator.paid("card", "order", 11_000, vat_amount=900, tax_free=1100)["imp_uid"]

    without = cancel(simulator, paid, amount=5500)
    too_much_free = cancel(simulator, paid, amount=5500, tax_free=1101, vat_amount=400)
    too_much_vat = cancel(simulator, paid, amount=5500, tax_free=550, vat_amount=901)
    negative = cancel(simulator, paid, amount=5500, tax_free=550, vat_amount=-1)
    part = cancel(simulator, paid, amount=5500, tax_free=550, vat_amount=450)
    rest = cancel(simulator, paid, amount=5500, tax_free=550, vat_amount=450, checksum=5500)

    assert "vat_amount" in without["message"]
    assert [told["code"] for told in (without, too_much_free, too_much_vat, negative)] == [1, 1, 1, 1]
    assert [told["code"] for told in (part, rest)] == [0, 0]
    assert [(row["tax_free"], row["vat_amount"]) for row in cancellations(simulator)] == [(550, 450)] * 2
    assert_sums_are_right(simulator)


def test_taxed_money_is_not_given_back_as_if_it_were_free(simulator: RunningSimulator) -> None:
    paid = simulator.paid("card", "order", 1000, tax_free=300)["imp_uid"]

    refused = cancel(simulator, paid, amount=800)
    part = cancel(simulator, paid, amount=700)
    whole = cancel(simulator, simulator.paid("card", "whole", 1000, tax_free=300, vat_amount=60)["imp_uid"])

    assert [told["code"] for told in (refused, part, whole)] == [1, 0, 0]
    assert [(row["tax_free"], row["vat_amount"]) for row in cancellations(simulator)] == [(0, 0), (300, 60)]


def test_some_cards_can_only_be_cancelled_whole(simulator: RunningSimulator) -> None:
    paid = simulator.paid("card.sim.no_partial_cancel", "order", 1000)["imp_uid"]

    part, whole = cancel(simulator, paid, amount=999), cancel(simulator, paid)

    assert part["code"] == 1
    assert part["message"].startswith("[11C9]")
    assert whole["code"] == 0


@pytest.mark.parametrize("fields", [{"amount": -1}, {"amount": "x"}, {"amount": 0.5}, {"checksum": "1000"}])
def test_a_bad_field_gives_nothing_back(simulator: RunningSimulator, fields: dict[str, object]) -> None:
    paid = simulator.paid("card", "order", 1000)["imp_uid"]

    assert simulator.post(CANCEL, imp_uid=paid, **fields).status_code == 400

    assert cancellations(simulator) == []
    assert [request["done"] for request in cancel_requests(simulator)] == ["invalid"]


@pytest.mark.parametrize(
    ("fault", "is_done"),
    [
        ("drop_answer", True),
        ("drop_uncharged", False),
        ("error500", True),
        ("error500_uncharged", False),
        ("garbled", True),
        ("half_body", True),
        ("unauthorized", False),
        ("too_many", False),
        ({"refuse": "점검중입니다."}, False),
    ],
)
@pytest.mark.parametrize("is_by_card", [True, False])
def test_a_cancellation_goes_wrong_before_or_after_it_is_done(
    simulator: RunningSimulator, fault: object, *, is_by_card: bool, is_done: bool
) -> None:
    paid = simulator.paid("card", "order", 1000)["imp_uid"]
    card = {"customer_uid": "card"} if is_by_card else {}
    ordered = simulator.control.post("/faults", json={"on": "cancel", "sequence": [fault], **card})
    assert ordered.status_code == 200

    try:
        answer = simulator.post(CANCEL, imp_uid=paid)
        is_success = answer.status_code == 200 and answer.json()["code"] == 0
    except (httpx.TransportError, ValueError):
        is_success = False

    assert not is_success
    assert [row["amount"] for row in cancellations(simulator)] == ([1000] if is_done else [])
    assert [request["done"] for request in cancel_requests(simulator)] == ["cancelled" if is_done else "not_done"]
    assert cancel(simulator, paid)["code"] == (1 if is_done else 0)
    assert_sums_are_right(simulator)


def test_a_magic_card_says_what_becomes_of_its_cancellations(simulator: RunningSimulator) -> None:
    card = "c.sim.cancel.error500_first.1.sim.cancel.too_many_first.1.sim.decline_first.1"
    assert simulator.paid(card, "declined")["status"] == "failed"
    paid = simulator.paid(card, "order", 1000)["imp_uid"]

    statuses = [simulator.post(CANCEL, imp_uid=paid, amount=100).status_code for _ in range(3)]

    assert statuses == [500, 429, 200]
    assert [row["amount"] for row in cancellations(simulator)] == [100, 100]


@pytest.mark.parametrize("latency_ms", [0, 100])
def test_of_full_cancellations_at_once_one_gives_money_back(simulator: RunningSimulator, latency_ms: int) -> None:
    simulator.control.post("/latency", json={"ms": latency_ms, "of": "cancel"})
    paid = simulator.paid("card", "order", 1000)["imp_uid"]

    with ThreadPoolExecutor(8) as pool:
        told = [call.result() for call in [pool.submit(cancel, simulator, paid) for _ in range(8)]]

    assert sorted(answer["code"] for answer in told) == [0] + [1] * 7
    assert {answer["message"] for answer in told if answer["code"]} == {"이미 전액취소된 주문입니다."}
    assert_sums_are_right(simulator)


def test_parts_asked_for_at_once_never_exceed_what_was_paid(simulator: RunningSimulator) -> None:
    simulator.control.post("/latency", json={"ms": 20, "of": "cancel"})
    paid = simulator.paid("card", "order", 1000)["imp_uid"]
    with_checksum = simulator.paid("card", "checked", 1000)["imp_uid"]
    assert simulator.headers

    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(cancel, simulator, paid, amount=300) for _ in range(8)]
        checked = [pool.submit(cancel, simulator, with_checksum, amount=300, checksum=1000) for _ in range(8)]
        assert sum(call.result()["code"] == 0 for call in calls) == 3
        assert sum(call.result()["code"] == 0 for call in checked) == 1

    assert [payment["cancel_amount"] for payment in simulator.payments()] == [900, 300]
    assert_sums_are_right(simulator)


def test_held_cancellations_wait_before_their_token_is_looked_at(simulator: RunningSimulator) -> None:
    paid = simulator.paid("card", "order", 1000)["imp_uid"]
    simulator.control.post("/hold", json={"on": True, "of": "cancel"})

    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(simulator.post, CANCEL, imp_uid=paid)
        wait_until(lambda: simulator.counters()["held_cancels"] == 1)
        assert [request["done"] for request in cancel_requests(simulator)] == ["held"]
        simulator.control.post("/tokens/expire")
        simulator.control.post("/hold", json={"on": False, "of": "cancel"})
        assert call.result().status_code == 401

    simulator._token = None
    assert cancellations(simulator) == []


def test_the_printed_ledger_has_cancellations_and_their_requests(simulator: RunningSimulator) -> None:
    paid = simulator.paid("card", "order", 1000)["imp_uid"]
    cancel(simulator, paid, amount=100)
    cancel(simulator, paid, checksum=1)

    assert simulator.printed_ledger("--cancellations") == cancellations(simulator)
    requests = simulator.printed_ledger("--cancel-requests")
    assert [(request["done"], request["checksum"]) for request in requests] == [("cancelled", None), ("refused", 1)]
    assert simulator.printed_ledger("--schedules") == []
