from collections.abc import Iterator

import pytest

from tests.contract.simulator.running import RunningSimulator

AGAIN = "/subscribe/payments/again"


def test_a_charge_is_answered_with_the_whole_annotation(simulator: RunningSimulator) -> None:
    answer = simulator.charge("card-1", "order-1", 9900, buyer_name="홍길동", custom_data="x")

    assert answer.status_code == 200
    assert answer.json()["code"] == 0
    assert answer.json()["message"] is None
    payment = answer.json()["response"]
    assert payment["imp_uid"].startswith("imps_")
    assert len(payment["imp_uid"]) == 17
    assert (payment["merchant_uid"], payment["customer_uid"]) == ("order-1", "card-1")
    assert (payment["status"], payment["amount"], payment["cancel_amount"]) == ("paid", 9900, 0)
    assert (payment["currency"], payment["channel"], payment["pg_provider"]) == ("KRW", "api", "html5_inicis")
    assert (payment["failed_at"], payment["cancelled_at"]) == (0, 0)
    assert isinstance(payment["paid_at"], int)
    assert payment["paid_at"] >= payment["started_at"] > 0
    assert "*" in payment["card_number"]
    assert payment["card_type"] is None
    assert (payment["buyer_name"], payment["custom_data"]) == ("홍길동", "x")
    assert payment["customer_uid_usage"] == "payment"
    assert len(payment["pg_tid"]) <= 64


def test_every_answer_names_the_run(simulator: RunningSimulator) -> None:
    run = simulator.control.get("/health").json()["run"]

    for answer in (simulator.get("/payments/imps_0"), simulator.public.get("/"), simulator.charge("c", "run-1")):
        assert answer.headers["X-Simulator-Run"] == run


def test_a_form_is_as_good_as_json(simulator: RunningSimulator) -> None:
    token = simulator.public.post("/users/getToken", data={"imp_key": "key", "imp_secret": "secret"}).json()
    raw = {"Authorization": token["response"]["access_token"]}

    form = {"customer_uid": "card", "merchant_uid": "form-1", "amount": "1000", "name": "이름"}
    answer = simulator.public.post(AGAIN, data=form, headers=raw)

    assert answer.json()["response"]["amount"] == 1000
    assert answer.json()["response"]["name"] == "이름"


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"customer_uid": None}, "customer_uid"),
        ({"customer_uid": "x" * 81}, "customer_uid"),
        ({"merchant_uid": None}, "merchant_uid"),
        ({"merchant_uid": 95382678123123123}, "merchant_uid"),
        ({"merchant_uid": "x" * 41}, "merchant_uid"),
        ({"amount": None}, "amount"),
        ({"amount": 0}, "amount"),
        ({"amount": -1}, "amount"),
        ({"amount": True}, "amount"),
        ({"amount": "9900"}, "amount"),
        ({"amount": 10.5}, "amount"),
        ({"amount": 10**13}, "amount"),
        ({"name": None}, "상품명"),
        ({"name": "x" * 41}, "name"),
        ({"buyer_tel": "0" * 17}, "buyer_tel"),
        ({"vat_amount": 9901}, "vat_amount"),
        ({"tax_free": 9000, "vat_amount": 901}, "vat_amount"),
        ({"tax_free": -1}, "tax_free"),
        ({"card_quota": 3}, "할부"),
        ({"card_quota": 1, "amount": 50_000}, "할부"),
        ({"card_quota": 2, "amount": 49_999}, "할부"),
        ({"currency": "USD"}, "currency"),
        ({"product_type": "service"}, "product_type"),
        ({"interest_free_by_merchant": "yes"}, "interest_free_by_merchant"),
        ({"custom_data": {"a": 1}}, "custom_data"),
    ],
)
def test_a_field_that_is_not_as_documented_is_refused(
    simulator: RunningSimulator, changes: dict[str, object], word: str
) -> None:
    fields = {"customer_uid": "card", "merchant_uid": "order", "amount": 9900, "name": "구독"}

    answer = simulator.post(AGAIN, **{**fields, **changes})

    assert answer.status_code == 400
    assert answer.json()["code"] != 0
    assert answer.json()["response"] is None
    assert word in answer.json()["message"]
    assert simulator.payments() == []
    assert [request["done"] for request in simulator.requests()] == ["invalid"]


def test_what_is_just_within_the_limits_is_charged(simulator: RunningSimulator) -> None:
    limits = {"customer_uid": 80, "merchant_uid": 40, "name": 40, "buyer_name": 16, "buyer_addr": 128}
    fields: dict[str, object] = {name: "x" * longest for name, longest in limits.items()}

    payment = simulator.post(
        AGAIN, **fields, amount=50_000, card_quota=2, tax_free=25_000, vat_amount=25_000, currency="KRW"
    ).json()["response"]

    assert (payment["status"], payment["card_quota"]) == ("paid", 2)
    assert {name: payment[name] for name in fields} == fields
    assert simulator.paid("card", "o", 100, name="한" * 40)["name"] == "한" * 40


@pytest.mark.parametrize("body", [b"{", b"[1]", b'{"a": \xff}'])
def test_a_body_that_cannot_be_read_is_refused(simulator: RunningSimulator, body: bytes) -> None:
    headers = {**simulator.headers, "Content-Type": "application/json"}

    answer = simulator.public.post(AGAIN, content=body, headers=headers)

    assert answer.status_code == 400
    assert answer.json()["code"] == -1


@pytest.mark.parametrize("header", [None, "Bearer wrong", "wrong", "Bearer"])
@pytest.mark.parametrize("call", [("POST", AGAIN), ("GET", "/payments/status/all"), ("POST", "/payments/cancel")])
def test_a_call_without_a_good_token_is_refused(
    simulator: RunningSimulator, call: tuple[str, str], header: str | None
) -> None:
    headers = {} if header is None else {"Authorization": header}

    answer = simulator.public.request(*call, headers=headers)

    assert answer.status_code == 401
    assert answer.json() == {"code": -1, "message": "Unauthorized", "response": None}


def test_an_unknown_path_is_answered_without_the_envelope(simulator: RunningSimulator) -> None:
    answer = simulator.get("/subscribe/payments/nothing")

    assert answer.status_code == 404
    assert answer.text == "404: Not Found"


def test_a_token_that_dies_while_the_body_is_still_coming_is_refused(simulator: RunningSimulator) -> None:
    headers = simulator.headers

    def body_in_two_halves() -> Iterator[bytes]:
        yield b'{"customer_uid": "card", "merchant_uid": "late", '
        simulator.control.post("/tokens/expire")
        yield b'"amount": 1000, "name": "x"}'

    answer = simulator.public.post(AGAIN, content=body_in_two_halves(), headers=headers)

    simulator._token = None
    assert answer.status_code == 401
    assert simulator.payments() == []
    assert simulator.requests()[0]["done"] == "unauthorized"
