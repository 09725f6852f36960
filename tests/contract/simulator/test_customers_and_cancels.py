from collections.abc import Callable

import pytest

from tests.contract.simulator.running import RunningSimulator

CARD = {"card_number": "4330-1234-1234-1234", "expiry": "2031-12", "birth": "900101", "pwd_2digit": "00"}


def test_an_issued_card_is_told_masked_and_can_be_deleted(simulator: RunningSimulator) -> None:
    issued = simulator.post("/subscribe/customers/card", **CARD, customer_name="홍길동").json()["response"]
    simulator.paid("card", "before")
    deleted = simulator.public.delete("/subscribe/customers/card", headers=simulator.headers)

    assert issued["card_number"] == "433012******1234"
    assert issued["inserted"] == issued["updated"]
    assert issued["customer_name"] == "홍길동"
    assert deleted.json()["response"]["customer_uid"] == "card"
    gone = simulator.get("/subscribe/customers/card")
    assert gone.status_code == 404
    assert gone.json()["message"] == "요청하신 customer_uid(card)로 등록된 정보를 찾을 수 없습니다."
    assert simulator.get("/subscribe/customers/card/payments").status_code == 404
    refused = simulator.charge("card", "after").json()
    assert (refused["code"], refused["message"]) == (1, "등록되지 않은 구매자입니다.")
    assert len(simulator.payments()) == 1


def test_a_bad_card_number_is_refused_with_200(simulator: RunningSimulator) -> None:
    answer = simulator.post("/subscribe/customers/card", **{**CARD, "card_number": "1"})

    assert (answer.status_code, answer.json()["code"]) == (200, -1)
    assert "[F112]" in answer.json()["message"]


def test_without_issuing_on_sight_only_issued_cards_are_known(start: Callable[..., RunningSimulator]) -> None:
    simulator = start("--no-issue-on-sight")
    issued = simulator.control.post("/customers", json={"customer_uids": ["known"]}).json()
    by_prefix = simulator.control.post("/customers", json={"prefix": "c", "count": 3}).json()

    assert (issued, by_prefix) == ({"issued": 1}, {"issued": 3})
    assert simulator.charge("unknown", "order").json()["message"] == "등록되지 않은 구매자입니다."
    assert simulator.paid("known", "order")["status"] == "paid"
    assert simulator.paid("c000002", "order-2")["status"] == "paid"
    both = simulator.public.get(
        "/subscribe/customers?customer_uid[]=known&customer_uid[]=unknown", headers=simulator.headers
    )
    assert both.status_code == 207
    assert [customer["customer_uid"] for customer in both.json()["response"]] == ["known"]
    assert simulator.get("/subscribe/customers/unknown/payments").status_code == 404


def test_a_payment_is_cancelled_in_parts_and_then_not_again(simulator: RunningSimulator) -> None:
    imp_uid = simulator.paid("card", "order", 1000)["imp_uid"]

    part = simulator.post("/payments/cancel", imp_uid=imp_uid, amount=300, checksum=1000, reason="환불").json()
    repeated = simulator.post("/payments/cancel", imp_uid=imp_uid, amount=300, checksum=1000).json()
    too_much = simulator.post("/payments/cancel", imp_uid=imp_uid, amount=701).json()
    rest = simulator.post("/payments/cancel", merchant_uid="order", checksum=700).json()
    again = simulator.post("/payments/cancel", imp_uid=imp_uid).json()

    assert (part["response"]["status"], part["response"]["cancel_amount"]) == ("cancelled", 300)
    assert part["response"]["cancel_reason"] == "환불"
    assert [repeated["code"], too_much["code"]] == [1, 1]
    assert "checksum" in repeated["message"]
    assert rest["response"]["cancel_amount"] == 1000
    assert [entry["amount"] for entry in rest["response"]["cancel_history"]] == [300, 700]
    assert rest["response"]["cancelled_at"] > 0
    assert (again["code"], again["message"]) == (1, "이미 전액취소된 주문입니다.")
    assert simulator.payments()[0]["cancel_amount"] == 1000


@pytest.mark.parametrize("fields", [{"imp_uid": "imps_0"}, {"merchant_uid": "declined"}, {}])
def test_what_was_not_paid_cannot_be_cancelled(simulator: RunningSimulator, fields: dict[str, str]) -> None:
    simulator.paid("card.sim.decline", "declined")

    answer = simulator.post("/payments/cancel", **fields)

    assert (answer.status_code, answer.json()["code"]) == (200, 1)
    assert answer.json()["message"] == "취소할 결제건이 존재하지 않습니다."


def test_the_answer_of_a_cancellation_can_be_lost(simulator: RunningSimulator) -> None:
    imp_uid = simulator.paid("card", "order", 1000)["imp_uid"]
    simulator.control.post("/faults", json={"on": "cancel", "sequence": ["error500"]})

    answer = simulator.post("/payments/cancel", imp_uid=imp_uid)

    assert answer.status_code == 500
    assert simulator.payments()[0]["cancel_amount"] == 1000
