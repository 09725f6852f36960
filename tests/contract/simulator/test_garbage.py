"""Whatever is sent, the simulator answers in order, charges nothing that was not asked for well, and stays up."""

import json
import random
import time
from collections import Counter
from typing import Any

import pytest

from tests.contract.simulator.running import RunningSimulator

AGAIN = "/subscribe/payments/again"
POSTS = (
    "/users/getToken",
    AGAIN,
    "/subscribe/payments/onetime",
    "/subscribe/payments/schedule",
    "/subscribe/payments/unschedule",
    "/subscribe/payments/schedule/order/reschedule",
    "/subscribe/customers/card",
    "/payments/cancel",
    "/payments/prepare",
)
FIELDS = (
    *("merchant_uid", "customer_uid", "amount", "name", "schedules", "schedule_at", "checksum", "imp_uid", "tax_free"),
    *("vat_amount", "card_number", "expiry", "notice_url", "custom_data", "card_quota", "imp_key", "checking_amount"),
)
GOOD = {"customer_uid": "card", "amount": 100, "name": "구독"}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"amount":' + b"[" * 200_000, id="nested too deep"),
        pytest.param(b'{"merchant_uid": "\\ud800"}', id="half a surrogate pair"),
        pytest.param(b'{"custom_data": "\\ud800", "merchant_uid": "o"}', id="half a pair that would be kept"),
        pytest.param(b'{"amount": 1' + b"0" * 5000 + b"}", id="too many digits"),
        pytest.param(b'{"amount": NaN}', id="no number"),
        pytest.param(b'{"amount": 1e400}', id="infinite"),
        pytest.param(b"\xff\xfe", id="no text"),
        pytest.param(b"null", id="null"),
        pytest.param(b"", id="nothing"),
    ],
)
@pytest.mark.parametrize("path", POSTS)
def test_a_body_that_nobody_should_send_is_refused(simulator: RunningSimulator, path: str, body: bytes) -> None:
    headers = {**simulator.headers, "Content-Type": "application/json"}

    answer = simulator.public.post(path, content=body, headers=headers)

    assert answer.status_code in (200, 400, 404)
    assert answer.json()["code"] != 0
    assert simulator.payments() == []
    assert simulator.schedules() == []


@pytest.mark.parametrize("body", [b"schedules[" + b"9" * 5000 + b"][a]=1", b"a=%FF&amount=nan", b"\xff=1", b"&&==="])
def test_a_form_that_nobody_should_send_is_refused(simulator: RunningSimulator, body: bytes) -> None:
    headers = {**simulator.headers, "Content-Type": "application/x-www-form-urlencoded"}

    assert simulator.public.post(AGAIN, content=body, headers=headers).status_code == 400


@pytest.mark.parametrize("token", [b"\xff\xfe", b"Bearer \x80", b"Bearer", b"Bearer " + b"x" * 4000])
def test_a_token_that_is_no_text_is_refused(simulator: RunningSimulator, token: bytes) -> None:
    for answer in (
        simulator.public.post(AGAIN, json=GOOD, headers={b"Authorization": token}),
        simulator.public.get("/payments/status/all", headers={b"Authorization": token}),
    ):
        assert answer.status_code == 401


@pytest.mark.parametrize("merchant_uid", ["a b", "a/b", "주문", "a\nb", "a\x00", "/", " "])
def test_an_order_number_that_no_path_can_carry_is_refused(simulator: RunningSimulator, merchant_uid: str) -> None:
    answer = simulator.charge("card", merchant_uid)

    assert answer.status_code == 400
    assert "merchant_uid" in answer.json()["message"]


@pytest.mark.parametrize(
    "directive",
    [
        "late_answer.99999999999999999999",
        "other_amount.999999999999999999999999",
        "late_approval.-5",
        "decline_first.²",
        "hang_first.-1",
        "issuer.²",
        "lookup_lag.1e9",
    ],
)
def test_a_magic_uid_out_of_bounds_charges_nothing(simulator: RunningSimulator, directive: str) -> None:
    answer = simulator.charge(f"card.sim.{directive}", "order")

    assert answer.status_code == 400
    assert answer.json()["message"].startswith("simulator: ")
    assert simulator.payments() == []


def test_a_uid_longer_than_any_is_no_card(simulator: RunningSimulator) -> None:
    assert simulator.get(f"/subscribe/customers/{'x' * 81}").status_code == 404
    assert simulator.post("/subscribe/payments/unschedule", merchant_uid=["x"] * 1001).status_code == 400


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/latency", b'{"ms": 1' + b"0" * 30 + b"}"),
        ("/latency", b'{"ms": "\\ud800"}'),
        ("/faults", b'{"sequence": ' + b"[" * 200_000),
        ("/faults", b'{"sequence": [{"late_answer": 1' + b"0" * 30 + b"}]}"),
        ("/schedules/fire", b'{"until": 1' + b"0" * 30 + b"}"),
        ("/schedules/fire", b'{"at": 1}'),
        ("/customers", b'{"prefix": "c", "count": 1' + b"0" * 11 + b"}"),
        ("/customers", b'{"customer_uids": ["\\ud800"]}'),
        ("/console/cancel", b'{"amount": "x"}'),
        ("/console/cancel", b'{"account": "nobody"}'),
        ("/sandbox", b"{}"),
        ("/hold", b'{"on": true, "of": "lookup"}'),
    ],
)
def test_an_order_out_of_bounds_is_refused(simulator: RunningSimulator, path: str, body: bytes) -> None:
    answer = simulator.control.post(path, content=body)

    assert answer.status_code == 400
    assert answer.json()["error"]


def a_value(chance: random.Random, depth: int = 0) -> object:
    choices: list[Any] = [
        lambda: None,
        lambda: chance.choice([True, "", "order", "card", "x.sim.decline", "\x00", "한" * 90, [], {}]),
        lambda: chance.randint(-(10**15), 10**15),
        lambda: 10 ** chance.randint(0, 40),
        lambda: chance.random() * 1e6,
        lambda: chance.choice([float("nan"), float("inf")]),
    ]
    if depth < 2:
        choices.append(lambda: [a_value(chance, depth + 1) for _ in range(2)])
        choices.append(lambda: {chance.choice(FIELDS): a_value(chance, depth + 1)})
    return chance.choice(choices)()


def a_body(chance: random.Random, number: int) -> dict[str, object]:
    good = {**GOOD, "merchant_uid": f"order-{number % 7}", "schedule_at": int(time.time()) + chance.choice([1, 600])}
    body: dict[str, object] = dict(good) if chance.random() < 0.7 else {}
    if chance.random() < 0.4:
        body["schedules"] = [{**good, chance.choice(FIELDS): a_value(chance)}, dict(good)][: chance.randint(1, 2)]
    return body | {chance.choice(FIELDS): a_value(chance) for _ in range(chance.randint(0, 2))}


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_that_is_sent_breaks_the_ledger(simulator: RunningSimulator, seed: int) -> None:
    chance = random.Random(seed)
    statuses: Counter[int] = Counter()

    for number in range(400):
        body = json.dumps(a_body(chance, number)).encode()
        answer = simulator.public.post(chance.choice(POSTS), content=body, headers=simulator.headers)
        statuses[answer.status_code] += 1
        assert set(answer.json()) == {"code", "message", "response"}

    assert set(statuses) <= {200, 400, 401, 404}
    assert statuses[200] > 20
    paid: Counter[str] = Counter()
    for payment in simulator.payments():
        assert 0 <= payment["cancel_amount"] <= payment["amount"] <= 10**12
        assert (payment["status"] == "cancelled") == (payment["cancel_amount"] > 0)
        paid[payment["merchant_uid"]] += payment["status"] in ("paid", "cancelled")
    assert max(paid.values()) == 1
    charged = [request for request in simulator.requests() if request["done"] == "charged"]
    assert sorted(request["imp_uid"] for request in charged) == sorted(
        payment["imp_uid"] for payment in simulator.payments() if payment["status"] in ("paid", "cancelled")
    )
