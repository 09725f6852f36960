import time
from typing import Any

import pytest

from tests.contract.simulator.running import RunningSimulator

MISSING = {"code": -1, "message": "존재하지 않는 결제정보입니다.", "response": None}


def three_records(simulator: RunningSimulator, merchant_uid: str = "order") -> list[dict[str, Any]]:
    """Two failed records and then a paid one with the same merchant_uid."""
    card = "card.sim.decline_first.2.limit"
    return [simulator.paid(card, merchant_uid) for _ in range(3)]


@pytest.mark.parametrize(
    "path", ["/payments/imps_0", "/payments/find/none", "/payments/findAll/none", "/payments/find/none/paid"]
)
def test_an_unknown_payment_is_not_found(simulator: RunningSimulator, path: str) -> None:
    answer = simulator.get(path)

    assert answer.status_code == 404
    assert answer.json() == MISSING


def test_a_sandbox_payment_is_shown_only_when_asked_for(simulator: RunningSimulator) -> None:
    path = f"/payments/{simulator.paid('card', 'order')['imp_uid']}"

    assert simulator.get(path).json() == MISSING
    assert simulator.get(path, include_sandbox="true").json()["response"]["sandbox"] is True


def test_find_tells_one_record_and_find_all_tells_all(simulator: RunningSimulator) -> None:
    records = three_records(simulator)

    newest = simulator.get("/payments/find/order").json()["response"]
    oldest = simulator.get("/payments/find/order", sorting="started").json()["response"]
    listed = simulator.get("/payments/findAll/order").json()["response"]
    failed = simulator.get("/payments/findAll/order/failed").json()["response"]

    assert newest["imp_uid"] == records[2]["imp_uid"]
    assert oldest["imp_uid"] == records[0]["imp_uid"]
    assert [record["imp_uid"] for record in listed["list"]] == [record["imp_uid"] for record in reversed(records)]
    assert (listed["total"], listed["previous"], listed["next"]) == (3, 0, 0)
    assert [record["imp_uid"] for record in failed["list"]] == [records[1]["imp_uid"]]
    assert simulator.get("/payments/find/order/cancelled").status_code == 404


def test_records_of_one_order_come_in_pages(simulator: RunningSimulator) -> None:
    records = three_records(simulator)

    pages = [simulator.get("/payments/findAll/order", page=page, limit=2).json()["response"] for page in (1, 2)]
    oldest = simulator.get("/payments/findAll/order", limit=1, sorting="started").json()["response"]

    listed = [record["imp_uid"] for page in pages for record in page["list"]]
    assert listed == [record["imp_uid"] for record in reversed(records)]
    assert [(page["total"], page["previous"], page["next"]) for page in pages] == [(3, 0, 2), (3, 1, 0)]
    assert [record["imp_uid"] for record in oldest["list"]] == [records[0]["imp_uid"]]
    assert simulator.get("/payments/findAll/order", page=3, limit=2).status_code == 400
    for bad in ({"limit": 1001}, {"page": 0}, {"sorting": "name"}):
        assert simulator.get("/payments/findAll/order", **bad).status_code == 400


def test_pages_are_linked_and_end(simulator: RunningSimulator) -> None:
    for number in range(5):
        simulator.paid("card", f"order-{number}")

    pages = [simulator.get("/payments/status/paid", page=page, limit=2).json()["response"] for page in (1, 2, 3)]

    assert [(page["previous"], page["next"], len(page["list"])) for page in pages] == [(0, 2, 2), (1, 3, 2), (2, 0, 1)]
    assert {page["total"] for page in pages} == {5}
    assert simulator.get("/payments/status/paid", page=4, limit=2).status_code == 400
    seen = [payment["merchant_uid"] for page in pages for payment in page["list"]]
    assert seen == [f"order-{number}" for number in (4, 3, 2, 1, 0)]


def test_an_empty_first_page_is_an_answer(simulator: RunningSimulator) -> None:
    answer = simulator.get("/payments/status/all")

    assert answer.json()["response"] == {"total": 0, "previous": 0, "next": 0, "list": []}


@pytest.mark.parametrize(
    "query",
    [{"limit": 1001}, {"limit": "x"}, {"page": 0}, {"sorting": "amount"}, {"from": 1, "to": 90 * 86_400 + 2}],
)
def test_a_bad_query_is_refused(simulator: RunningSimulator, query: dict[str, str | int]) -> None:
    assert simulator.get("/payments/status/all", **query).status_code == 400


def test_a_bad_status_is_refused(simulator: RunningSimulator) -> None:
    answer = simulator.get("/payments/status/unpaid")

    assert answer.status_code == 400
    assert answer.json()["message"] == "지원되지 않는 상태값입니다."


def test_the_window_is_compared_with_the_instant_of_the_status(simulator: RunningSimulator) -> None:
    simulator.paid("card", "order")
    now = int(time.time())

    def count(**window: int) -> object:
        return simulator.get("/payments/status/all", **window).json()["response"]["total"]

    assert count(**{"from": now - 60, "to": now + 60}) == 1
    assert count(**{"from": now - 120, "to": now - 60}) == 0
    assert count(to=now - 60) == 0


def test_the_status_list_shows_each_record_under_its_own_status(simulator: RunningSimulator) -> None:
    three_records(simulator)

    counts = {
        status: simulator.get(f"/payments/status/{status}").json()["response"]["total"]
        for status in ("all", "ready", "paid", "cancelled", "failed")
    }

    assert counts == {"all": 3, "ready": 0, "paid": 1, "cancelled": 0, "failed": 2}


def test_several_payments_are_told_at_once(simulator: RunningSimulator) -> None:
    simulator.paid("card", "one")

    whole = simulator.public.get("/payments?merchant_uid[]=one", headers=simulator.headers)
    part = simulator.public.get("/payments?merchant_uid[]=one&merchant_uid[]=two", headers=simulator.headers)

    assert (whole.status_code, part.status_code) == (200, 207)
    assert [payment["merchant_uid"] for payment in part.json()["response"]] == ["one"]


def test_a_card_has_its_payments(simulator: RunningSimulator) -> None:
    for number in range(21):
        simulator.paid("card-a", f"a-{number}")
    simulator.paid("card-b", "b")

    first = simulator.get("/subscribe/customers/card-a/payments").json()["response"]
    second = simulator.get("/subscribe/customers/card-a/payments", page=2).json()["response"]

    assert (first["total"], first["next"], len(first["list"])) == (21, 2, 20)
    assert [payment["merchant_uid"] for payment in second["list"]] == ["a-0"]
