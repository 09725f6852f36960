"""What an answer to a cancel proves: done, refused, not sent; whatever else, the payment is asked."""

from __future__ import annotations

import json
from typing import Any

import pytest

from domain.evidence import SANDBOX_ON_LIVE
from gateway.cancels import after_cancel, cancel_body, classify_cancel
from gateway.orders import Sent
from gateway.port import CancelAnswer, CancelOrder, CancelSaid

ORDER = CancelOrder(imp_uid="imps_1", amount=1_000, checksum=9_900, reason="환불 r1")


def said(code: int = 0, message: str | None = None, **changes: object) -> bytes:
    payment: dict[str, Any] = {
        "imp_uid": "imps_1",
        "merchant_uid": "m1",
        "status": "cancelled",
        "amount": 9_900,
        "cancel_amount": 1_000,
        "currency": "KRW",
        "sandbox": False,
        **changes,
    }
    return json.dumps({"code": code, "message": message, "response": payment if code == 0 else None}).encode()


def judge(status: int, body: bytes, *, is_test: bool = False) -> CancelAnswer:
    return classify_cancel(ORDER, status, body, is_test=is_test)


@pytest.mark.parametrize("status", [200, 201])
def test_done_is_what_the_payment_shows(status: int) -> None:
    answered = judge(status, said())
    assert answered.said is CancelSaid.CANCELLED
    assert answered.record is not None
    assert answered.record.cancel_amount == 1_000


@pytest.mark.parametrize(
    "changes",
    [
        {"cancel_amount": 0},
        {"cancel_amount": 999},
        {"cancel_amount": 2_000},
        {"cancel_amount": 9_900},
        {"cancel_amount": "1000"},
        {"amount": 19_900},
        {"status": "paid"},
        {"status": "failed"},
        {"imp_uid": "imps_2"},
        {"imp_uid": None},
        {"currency": "USD"},
        {"sandbox": True},
    ],
)
def test_a_payment_that_shows_something_else_proves_nothing(changes: dict[str, Any]) -> None:
    assert judge(200, said(**changes)).said is CancelSaid.UNKNOWN


def test_a_test_channel_s_cancel_gives_no_money_back_on_a_live_one() -> None:
    assert judge(200, said(sandbox=True)).raw_reason == SANDBOX_ON_LIVE
    assert judge(200, said(sandbox=True), is_test=True).said is CancelSaid.CANCELLED


@pytest.mark.parametrize("status", [200, 201, 400, 403, 404, 422])
@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("취소할 결제건이 존재하지 않습니다.", CancelSaid.REFUSED),
        ("취소 가능 잔액이 checksum과 일치하지 않습니다.", CancelSaid.REFUSED),
        ("이미 전액취소된 주문입니다.", CancelSaid.UNKNOWN),
        ("카드사 통신 장애입니다.", CancelSaid.UNKNOWN),
        ("처리 중인 취소가 있습니다.", CancelSaid.UNKNOWN),
        ("TIME OUT", CancelSaid.UNKNOWN),
        (None, CancelSaid.UNKNOWN),
    ],
)
def test_a_refusal_is_plain_or_doubted(status: int, words: str | None, meant: CancelSaid) -> None:
    assert judge(status, said(code=1, message=words)).said is meant


@pytest.mark.parametrize("status", [204, 207, 302, 408, 409, 429, 500, 502, 503])
def test_other_statuses_prove_nothing(status: int) -> None:
    for body in (said(), said(code=1, message="취소할 결제건이 존재하지 않습니다."), b"<html>", b""):
        assert judge(status, body).said is CancelSaid.UNKNOWN


def test_a_refused_token_and_an_unsent_request_cancelled_nothing() -> None:
    assert judge(401, said()).said is CancelSaid.NOT_SENT
    unsent = after_cancel(ORDER, Sent(is_proven_unsent=True, broke="ConnectTimeout"), is_test=False)
    assert unsent.said is CancelSaid.NOT_SENT
    assert after_cancel(ORDER, Sent(broke="ConnectTimeout"), is_test=False).said is CancelSaid.UNKNOWN


def test_a_cancel_names_its_sum_and_what_is_left_also_when_it_is_all() -> None:
    whole = CancelOrder(imp_uid="imps_1", amount=9_900, checksum=9_900, reason="r2", tax_free=900, vat_amount=0)
    assert json.loads(cancel_body(whole)) == {
        "imp_uid": "imps_1",
        "amount": 9_900,
        "checksum": 9_900,
        "reason": "r2",
        "tax_free": 900,
        "vat_amount": 0,
    }
