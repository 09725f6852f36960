"""What does iamport-rest-client 0.9.0 make of the simulator? Its exceptions are those that the real service causes.

Its own tests, which ran against the real service, expect: ``HttpError`` for any status but 200, ``ResponseError`` with
the gateway's code and message for a code other than 0, the message for an unknown card, an unknown payment and a
second cancellation.
"""

import time

from tests.contract.clients.conftest import Ask
from tests.contract.simulator.running import RunningSimulator

CARD = {"card_number": "4330-1234-1234-1234", "expiry": "2031-12", "birth": "900101", "pwd_2digit": "00"}
ISSUE = ("customer_create", {"customer_uid": "card", **CARD})
CHARGE = ("pay_again", {"customer_uid": "card", "merchant_uid": "order", "amount": 9900, "name": "월 구독"})


def test_a_token_is_the_same_until_it_dies(ask: Ask) -> None:
    first, second = ask("iamport", ("_get_token", {}), ("_get_token", {}))

    assert isinstance(first["returned"], str)
    assert first == second


def test_wrong_keys_are_an_http_error(ask: Ask, simulator: RunningSimulator) -> None:
    (told,) = ask("iamport", CHARGE, secret="wrong")

    assert told == {"raised": "HttpError", "code": 401, "message": "Unauthorized"}
    assert simulator.payments() == []


def test_a_key_is_issued_charged_looked_up_and_cancelled_once(ask: Ask, simulator: RunningSimulator) -> None:
    issued, paid, found, is_paid = ask(
        "iamport",
        ISSUE,
        CHARGE,
        ("find", {"merchant_uid": "order"}),
        ("is_paid", {"amount": 9900, "merchant_uid": "order"}),
    )
    payment = paid["returned"]

    assert issued["returned"]["card_number"] == "433012******1234"
    assert (payment["status"], payment["amount"], payment["sandbox"]) == ("paid", 9900, False)
    assert found["returned"] == payment
    assert is_paid["returned"] is True
    by_imp_uid, mistaken, part, rest, again = ask(
        "iamport",
        ("find", {"imp_uid": payment["imp_uid"]}),
        ("cancel", {"reason": "환불", "imp_uid": payment["imp_uid"], "checksum": 1}),
        ("cancel", {"reason": "환불", "imp_uid": payment["imp_uid"], "amount": 900, "checksum": 9900}),
        ("cancel", {"reason": "환불", "merchant_uid": "order", "checksum": 9000}),
        ("cancel", {"reason": "환불", "imp_uid": payment["imp_uid"]}),
    )
    assert by_imp_uid["returned"] == payment
    assert (mistaken["raised"], mistaken["code"]) == ("ResponseError", 1)
    assert (part["returned"]["status"], part["returned"]["cancel_amount"]) == ("cancelled", 900)
    assert rest["returned"]["cancel_amount"] == 9900
    assert again == {"raised": "ResponseError", "code": 1, "message": "이미 전액취소된 주문입니다."}
    assert [payment["cancel_amount"] for payment in simulator.payments()] == [9900]


def test_what_is_unknown_raises(ask: Ask, simulator: RunningSimulator) -> None:
    # Its own tests charge an unknown card without a name: the card is looked at before the name.
    nameless = {"customer_uid": "nobody", "merchant_uid": "1234qwer", "amount": 5000}

    charged, charged_with_name, read, deleted, found, found_by_imp_uid, cancelled = ask(
        "iamport",
        ("pay_again", nameless),
        ("pay_again", {**nameless, "name": "구독"}),
        ("customer_get", {"customer_uid": "nobody"}),
        ("customer_delete", {"customer_uid": "nobody"}),
        ("find", {"merchant_uid": "no-such-order"}),
        ("find", {"imp_uid": "imp_000000000000"}),
        ("cancel", {"reason": "x", "imp_uid": "nothing"}),
    )

    assert charged == {"raised": "ResponseError", "code": 1, "message": "등록되지 않은 구매자입니다."}
    assert charged_with_name == charged
    assert (read["raised"], read["code"]) == ("HttpError", 404)
    assert (deleted["raised"], deleted["code"]) == ("HttpError", 404)
    assert (found["raised"], found["code"]) == ("HttpError", 404)
    assert (found_by_imp_uid["raised"], found_by_imp_uid["code"]) == ("HttpError", 404)
    assert cancelled == {"raised": "ResponseError", "code": 1, "message": "취소할 결제건이 존재하지 않습니다."}
    assert simulator.payments() == []


def test_a_decline_raises_nothing(ask: Ask) -> None:
    card = "card.sim.decline.balance"

    _, declined = ask(
        "iamport",
        ("customer_create", {"customer_uid": card, **CARD}),
        ("pay_again", {"customer_uid": card, "merchant_uid": "order", "amount": 9900, "name": "월 구독"}),
    )

    assert (declined["returned"]["status"], declined["returned"]["fail_reason"]) == ("failed", "[120054] 잔액부족")


def test_a_used_order_number_raises(ask: Ask) -> None:
    _, _, used = ask("iamport", ISSUE, CHARGE, CHARGE)

    assert (used["raised"], used["code"]) == ("ResponseError", 1)
    assert "이미" in used["message"]


def test_one_off_charges_need_a_good_card_and_a_name(ask: Ask) -> None:
    order = {"merchant_uid": "once", "amount": 1000, **CARD}

    nameless, bad_card, paid, not_stored = ask(
        "iamport",
        ("pay_onetime", order),
        ("pay_onetime", {**order, "name": "x", "card_number": "1111-1111-1111-1111"}),
        ("pay_onetime", {**order, "name": "x"}),
        ("customer_get", {"customer_uid": "once"}),
    )

    assert (nameless["raised"], nameless["code"]) == ("HttpError", 400)
    assert (bad_card["raised"], bad_card["code"]) == ("ResponseError", -1)
    assert "카드정보 인증" in bad_card["message"]
    assert paid["returned"]["status"] == "paid"
    assert not_stored["raised"] == "HttpError"


def test_schedules_are_made_read_and_taken_back(ask: Ask) -> None:
    at = int(time.time()) + 3600
    entry = {"merchant_uid": "later", "schedule_at": at, "amount": 1000, "name": "구독"}
    whole = {"schedule_from": at - 10, "schedule_to": at + 10}

    unknown, _, made, used, read, listed, taken_back, again = ask(
        "iamport",
        ("pay_schedule", {"customer_uid": "nobody", "schedules": [entry]}),
        ISSUE,
        ("pay_schedule", {"customer_uid": "card", "schedules": [entry]}),
        ("pay_schedule", {"customer_uid": "card", "schedules": [entry]}),
        ("pay_schedule_get", {"merchant_id": "later"}),
        ("pay_schedule_get_between", whole),
        ("pay_unschedule", {"customer_uid": "card", "merchant_uid": "later"}),
        ("pay_unschedule", {"customer_uid": "card"}),
    )

    assert unknown == {"raised": "ResponseError", "code": 1, "message": "등록된 고객정보가 없습니다."}
    assert [(row["merchant_uid"], row["schedule_status"]) for row in made["returned"]] == [("later", "scheduled")]
    assert (used["raised"], used["code"]) == ("ResponseError", 1)
    assert read["returned"] == made["returned"][0]
    assert listed["returned"]["list"] == made["returned"]
    assert [row["schedule_status"] for row in taken_back["returned"]] == ["revoked"]
    assert again == {"raised": "ResponseError", "code": 1, "message": "취소할 예약결제 기록이 존재하지 않습니다."}


def test_an_amount_is_registered_beforehand_once(ask: Ask) -> None:
    made, used, right, wrong, unknown = ask(
        "iamport",
        ("prepare", {"merchant_uid": "window", "amount": 100}),
        ("prepare", {"merchant_uid": "window", "amount": 100}),
        ("prepare_validate", {"merchant_uid": "window", "amount": 100}),
        ("prepare_validate", {"merchant_uid": "window", "amount": 101}),
        ("prepare_validate", {"merchant_uid": "other", "amount": 100}),
    )

    assert made["returned"]["amount"] == 100
    assert (used["raised"], used["code"]) == ("ResponseError", 1)
    assert "이미 등록된 merchant_uid" in used["message"]
    assert (right["returned"], wrong["returned"]) == (True, False)
    assert (unknown["raised"], unknown["code"]) == ("HttpError", 404)
