"""What does iamporter 0.2.4 make of the simulator? It sends forms and has two exceptions."""

from tests.contract.clients.conftest import Ask
from tests.contract.simulator.running import RunningSimulator

CARD = {"card_number": "4330-1234-1234-1234", "expiry": "2031-12", "birth": "900101", "pwd_2digit": "00"}
ISSUE = ("create_billkey", {"customer_uid": "card", **CARD, "customer_info": {"name": "홍길동"}})
CHARGE = ("create_payment", {"customer_uid": "card", "merchant_uid": "order", "amount": 9900, "name": "월 구독"})


def test_wrong_keys_are_unauthorized(ask: Ask) -> None:
    (told,) = ask("iamporter", CHARGE, secret="wrong")

    assert told == {"raised": "ImpUnAuthorized", "message": "인증에 실패하였습니다. API키와 secret을 확인하세요."}


def test_a_key_is_issued_charged_looked_up_and_cancelled_once(ask: Ask, simulator: RunningSimulator) -> None:
    issued, read, paid, found, part, rest, again = ask(
        "iamporter",
        ISSUE,
        ("find_billkey", {"customer_uid": "card"}),
        CHARGE,
        ("find_payment", {"merchant_uid": "order"}),
        ("cancel_payment", {"merchant_uid": "order", "amount": 900, "reason": "일부"}),
        ("cancel_payment", {"merchant_uid": "order", "reason": "나머지"}),
        ("cancel_payment", {"merchant_uid": "order"}),
    )

    assert issued["returned"]["customer_name"] == "홍길동"
    assert read["returned"] == issued["returned"]
    assert (paid["returned"]["status"], paid["returned"]["amount"]) == ("paid", 9900)
    assert found["returned"] == paid["returned"]
    assert part["returned"]["cancel_amount"] == 900
    assert [entry["amount"] for entry in rest["returned"]["cancel_history"]] == [900, 9000]
    assert again == {"raised": "ImpApiError", "status": 200, "code": 1, "message": "이미 전액취소된 주문입니다."}
    assert [payment["cancel_amount"] for payment in simulator.payments()] == [9900]


def test_what_is_unknown_raises(ask: Ask, simulator: RunningSimulator) -> None:
    charged, read, deleted, found, found_by_imp_uid, cancelled = ask(
        "iamporter",
        CHARGE,
        ("find_billkey", {"customer_uid": "nobody"}),
        ("delete_billkey", {"customer_uid": "nobody"}),
        ("find_payment", {"merchant_uid": "no-such-order"}),
        ("find_payment", {"imp_uid": "imp_000000000000"}),
        ("cancel_payment", {"imp_uid": "nothing"}),
    )

    assert charged == {"raised": "ImpApiError", "status": 200, "code": 1, "message": "등록되지 않은 구매자입니다."}
    assert {told["raised"] for told in (read, deleted, found, found_by_imp_uid)} == {"ImpApiError"}
    assert "찾을 수 없습니다" in read["message"]
    assert found["message"] == found_by_imp_uid["message"] == "존재하지 않는 결제정보입니다."
    assert (cancelled["raised"], cancelled["message"]) == ("ImpApiError", "취소할 결제건이 존재하지 않습니다.")
    assert simulator.payments() == []


def test_a_card_is_charged_and_kept_at_once_and_deleted(ask: Ask) -> None:
    order = {"merchant_uid": "once", "name": "첫 달", "amount": 1000, **CARD, "customer_uid": "kept"}

    paid, again, deleted, gone = ask(
        "iamporter",
        ("create_payment", order),
        ("create_payment", {"customer_uid": "kept", "merchant_uid": "second", "name": "둘째 달", "amount": 1000}),
        ("delete_billkey", {"customer_uid": "kept"}),
        ("create_payment", {"customer_uid": "kept", "merchant_uid": "third", "name": "셋째 달", "amount": 1000}),
    )

    assert [paid["returned"]["status"], again["returned"]["status"]] == ["paid", "paid"]
    assert deleted["returned"]["customer_uid"] == "kept"
    assert (gone["raised"], gone["message"]) == ("ImpApiError", "등록되지 않은 구매자입니다.")


def test_a_bad_card_raises(ask: Ask) -> None:
    (told,) = ask("iamporter", ("create_billkey", {**ISSUE[1], "card_number": "1111-1111-1111-1111"}))

    assert (told["raised"], told["status"], told["code"]) == ("ImpApiError", 200, -1)
    assert "카드정보 인증" in told["message"]


def test_a_decline_raises_nothing(ask: Ask) -> None:
    card = "card.sim.decline.limit"

    _, declined = ask(
        "iamporter",
        ("create_billkey", {**ISSUE[1], "customer_uid": card}),
        ("create_payment", {**CHARGE[1], "customer_uid": card}),
    )

    assert (declined["returned"]["status"], declined["returned"]["fail_reason"]) == (
        "failed",
        "[120016] 월 사용한도 초과",
    )
