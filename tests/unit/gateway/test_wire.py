"""What an answer to a charge means, beyond the decision table's rows (test_decision_table.py); the request's body."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from domain.outcome import (
    Approved,
    DeclineCode,
    Declined,
    NotExecuted,
    NotExecutedReason,
    Outcome,
    Unknown,
    UnknownReason,
)
from gateway.payment_fields import ProductType
from gateway.port import Charge
from gateway.wire import again_body, classify_again

CHARGE = Charge(
    attempt_id=UUID(int=1),
    send_no=1,
    fence=1,
    merchant_uid="m1",
    customer_uid="customer-one",
    amount=9900,
    name="정기 결제",
    buyer_name="홍길동",
    buyer_email="hong@example.com",
    buyer_tel="010-1234-5678",
)

PAYMENT: dict[str, Any] = {
    "imp_uid": "imps_1",
    "merchant_uid": "m1",
    "customer_uid": "customer-one",
    "amount": 9900,
    "currency": "KRW",
    "status": "paid",
    "paid_at": 1_700_000_000,
    "failed_at": 0,
    "fail_reason": None,
}


def envelope(code: int = 0, message: str | None = None, response: object = None) -> bytes:
    return json.dumps({"code": code, "message": message, "response": response}).encode()


def payment(**changes: object) -> bytes:
    return envelope(response={**PAYMENT, **changes})


def refusal(message: str, code: int = -1) -> bytes:
    return envelope(code, message)


APPROVED = Approved(imp_uid="imps_1", amount=9900, paid_at=datetime.fromtimestamp(1_700_000_000, tz=UTC))
DUPLICATES = ("이미 결제가 이루어진 거래건입니다.", "중복된 merchant_uid 입니다.", "이미 등록되지 않은 구매자입니다.")
NO_CUSTOMERS = (
    "등록되지 않은 구매자입니다.",
    "등록되지 않은 사용자입니다.",
    "요청하신 customer_uid(X)로 등록된 정보를 찾을 수 없습니다.",
)


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (401, refusal("Unauthorized"), NotExecuted(reason=NotExecutedReason.UNAUTHORIZED)),
        (401, b"<html>", NotExecuted(reason=NotExecutedReason.UNAUTHORIZED)),
        (200, payment(), APPROVED),
        (200, payment(amount=9900.0), APPROVED),
        (200, payment(paid_at=0), Approved(imp_uid="imps_1", amount=9900)),
        (200, payment(paid_at=None, something_new={"a": [1]}), Approved(imp_uid="imps_1", amount=9900)),
        (200, payment(currency=None), APPROVED),
        (201, payment(), APPROVED),
        (200, payment(sandbox=True), APPROVED),
    ],
)
def test_proven_answers(status: int, body: bytes, outcome: Outcome) -> None:
    assert classify_again(CHARGE, status, body, is_test=True)[0] == outcome


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": 9901},
        {"amount": 9900.5},
        {"amount": "9900"},
        {"amount": True},
        {"amount": None},
        {"merchant_uid": "m2"},
        {"merchant_uid": None},
        {"customer_uid": "customer-two"},
        {"currency": "USD"},
    ],
)
def test_a_payment_that_differs_is_before_an_operator(changes: dict[str, object]) -> None:
    outcome = classify_again(CHARGE, 200, payment(**changes), is_test=True)[0]
    assert isinstance(outcome, Unknown)
    assert outcome.reason is UnknownReason.MISMATCH


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (200, payment(customer_uid=None), UnknownReason.NOT_FINAL),
        (200, payment(imp_uid=None), UnknownReason.NOT_FINAL),
        (200, payment(status="ready"), UnknownReason.NOT_FINAL),
        (200, payment(status="cancelled"), UnknownReason.NOT_FINAL),
        (200, payment(status="something new"), UnknownReason.NOT_FINAL),
        (200, payment(status=None), UnknownReason.NOT_FINAL),
        (200, payment(status=["paid"]), UnknownReason.NOT_FINAL),
        (200, payment(status="failed", merchant_uid="m2"), UnknownReason.NOT_FINAL),
        (200, envelope(response=None), UnknownReason.NOT_FINAL),
        (200, envelope(response=[PAYMENT]), UnknownReason.UNREADABLE),
        (200, payment(status="failed", fail_reason="[120010] 카드사 TIMEOUT"), UnknownReason.AMBIGUOUS_DECLINE),
        (200, payment(status="failed", fail_reason="중복거래"), UnknownReason.AMBIGUOUS_DECLINE),
        *((status, refusal(text), UnknownReason.DUPLICATE) for status in (200, 400, 404) for text in DUPLICATES),
        *(
            (status, refusal("잘못된 요청입니다."), UnknownReason.REFUSED_REQUEST)
            for status in (200, 400, 403, 404, 422)
        ),
        (200, refusal("등록되지 않은 채널입니다."), UnknownReason.REFUSED_REQUEST),
        (200, refusal("채널을 찾을 수 없습니다."), UnknownReason.REFUSED_REQUEST),
        (200, envelope(1, None), UnknownReason.REFUSED_REQUEST),
        (429, refusal("too many"), UnknownReason.SLOW_DOWN),
        *((status, payment(), UnknownReason.SERVER_ERROR) for status in (408, 409, 425, 500, 502, 503, 504, 599)),
        *((status, payment(), UnknownReason.UNREADABLE) for status in (204, 207, 301, 302, 307, 400, 404, 418, 0)),
        (200, b"", UnknownReason.UNREADABLE),
        (200, b"<html>", UnknownReason.UNREADABLE),
        (200, b"[]", UnknownReason.UNREADABLE),
        (200, b"null", UnknownReason.UNREADABLE),
        (200, b'{"code": true, "response": null}', UnknownReason.UNREADABLE),
        (200, b'{"code": "0", "response": null}', UnknownReason.UNREADABLE),
        (200, b'{"response": null}', UnknownReason.UNREADABLE),
        (200, b'{"code": 0, "message": 1}', UnknownReason.UNREADABLE),
        (200, payment()[:-1], UnknownReason.UNREADABLE),
        (200, b'{"code": 0, "a": ' + b"[" * 100_000, UnknownReason.UNREADABLE),
        (200, b'{"code": 0, "a": ' + b"9" * 10_000 + b"}", UnknownReason.UNREADABLE),
        (200, b'{"code": 0, "a": NaN}', UnknownReason.UNREADABLE),
        (200, b"\xff\xfe\x00", UnknownReason.UNREADABLE),
    ],
)
def test_everything_else_is_unknown(status: int, body: bytes, reason: UnknownReason) -> None:
    outcome = classify_again(CHARGE, status, body, is_test=True)[0]
    assert isinstance(outcome, Unknown)
    assert outcome.reason is reason


def test_a_failed_record_is_a_decline_with_its_own_words() -> None:
    outcome = classify_again(CHARGE, 200, payment(status="failed", fail_reason="[120054] 잔액부족"), is_test=True)[0]
    assert outcome == Declined(
        decline_code=DeclineCode.INSUFFICIENT_BALANCE, raw_reason="[120054] 잔액부족", imp_uid="imps_1"
    )
    silent = classify_again(CHARGE, 200, payment(status="failed"), is_test=True)[0]
    assert silent == Declined(decline_code=DeclineCode.UNCLASSIFIED, raw_reason="", imp_uid="imps_1")


@pytest.mark.parametrize("marked", [True, "true", "TRUE", 1, "yes", {}])
@pytest.mark.parametrize("status", ["paid", "failed"])
def test_sandbox_on_a_live_channel_is_no_money_and_nobody_s_decline(marked: object, status: str) -> None:
    body = payment(status=status, sandbox=marked)
    assert classify_again(CHARGE, 200, body, is_test=False)[0] == Unknown(
        reason=UnknownReason.MISMATCH, raw_reason="marked sandbox on a live channel: no money moved"
    )
    assert not isinstance(classify_again(CHARGE, 200, body, is_test=True)[0], Unknown)


@pytest.mark.parametrize("marked", [False, None, 0, "", "false"])
def test_a_payment_that_is_not_marked_is_money_on_a_live_channel(marked: object) -> None:
    assert classify_again(CHARGE, 200, payment(sandbox=marked), is_test=False)[0] == APPROVED
    assert classify_again(CHARGE, 200, payment(), is_test=False)[0] == APPROVED


@pytest.mark.parametrize("status", [200, 400, 404])
@pytest.mark.parametrize("text", NO_CUSTOMERS)
@pytest.mark.parametrize("code", [1, -1])
def test_an_unknown_customer_is_a_dead_card(status: int, text: str, code: int) -> None:
    outcome = classify_again(CHARGE, status, refusal(text, code), is_test=True)[0]
    assert isinstance(outcome, Declined)
    assert outcome.decline_code is DeclineCode.BILLING_KEY_GONE


def test_the_body_holds_the_charge_and_leaves_out_what_is_empty() -> None:
    assert json.loads(again_body(CHARGE)) == {
        "customer_uid": "customer-one",
        "merchant_uid": "m1",
        "amount": 9900,
        "name": "정기 결제",
        "buyer_name": "홍길동",
        "buyer_email": "hong@example.com",
        "buyer_tel": "010-1234-5678",
    }
    bare = Charge(
        attempt_id=UUID(int=1),
        send_no=1,
        fence=1,
        merchant_uid="12345678901234567890",
        customer_uid="c",
        amount=1,
        name="n",
    )
    assert json.loads(again_body(bare)) == {
        "customer_uid": "c",
        "merchant_uid": "12345678901234567890",
        "amount": 1,
        "name": "n",
    }


def test_what_is_set_beyond_the_least_is_sent_and_nothing_else() -> None:
    charge = replace(
        CHARGE,
        amount=60_000,
        tax_free=10_000,
        vat_amount=0,
        card_quota=3,
        custom_data='{"a":1}',
        notice_url="https://shop.example/hooks",
        channel_key="channel-key-1",
        product_type=ProductType.DIGITAL,
        product_count=2,
        buyer_addr="서울",
        buyer_postcode="123-456",
    )
    body = json.loads(again_body(charge))
    for name in json.loads(again_body(CHARGE)):
        body.pop(name)
    assert body == {
        "tax_free": 10_000,
        "vat_amount": 0,
        "card_quota": 3,
        "custom_data": '{"a":1}',
        "notice_url": "https://shop.example/hooks",
        "channel_key": "channel-key-1",
        "product_type": "digital",
        "product_count": 2,
        "buyer_addr": "서울",
        "buyer_postcode": "123-456",
    }


def test_names_are_cut_to_what_the_gateway_takes() -> None:
    long = Charge(
        attempt_id=UUID(int=1),
        send_no=1,
        fence=1,
        merchant_uid="m",
        customer_uid="c",
        amount=1,
        name="가" * 100,
        buyer_name="나" * 100,
        buyer_email="x" * 100,
        buyer_tel="0" * 100,
        buyer_addr="다" * 200,
        buyer_postcode="1" * 20,
    )
    body = json.loads(again_body(long))
    lengths = {name: len(value) for name, value in body.items() if name.startswith(("name", "buyer_"))}
    assert lengths == {
        "name": 40,
        "buyer_name": 16,
        "buyer_email": 64,
        "buyer_tel": 16,
        "buyer_addr": 128,
        "buyer_postcode": 8,
    }
