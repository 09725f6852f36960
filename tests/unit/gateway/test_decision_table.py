"""The decision table for one charge: one test a row, for every kind of charge; and nothing else is ever proven.

The rows are those of ``docs/reference/gateway-calls.md``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.decline import is_ambiguous
from domain.decline_rules import NO_RULES
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
from gateway.cancels import classify_cancel
from gateway.card_details import CardDetails
from gateway.onetime import OnetimeCharge, after_onetime
from gateway.orders import Sent
from gateway.port import CancelOrder, CancelSaid, Charge
from gateway.transport import Reply
from gateway.wire import classify_again

if TYPE_CHECKING:
    from collections.abc import Callable

Judge = tuple[str | None, "Callable[[int, bytes, bool], Outcome]"]

CARD = CardDetails(number="9490-2200-1111-2222", expiry="2037-11")
BUYER: dict[str, Any] = {"buyer_name": "홍길동", "buyer_email": "hong@example.com", "buyer_tel": "010-1234-5678"}
AGAIN = Charge(
    attempt_id=UUID(int=1), send_no=1, fence=1, merchant_uid="m1", customer_uid="c-1", amount=9900, name="n", **BUYER
)
KEEPING = OnetimeCharge(merchant_uid="m1", amount=9900, name="n", card=CARD, customer_uid="c-1", **BUYER)
ONCE = OnetimeCharge(merchant_uid="m1", amount=9900, name="n", card=CARD, **BUYER)


def by_key(status: int, body: bytes, is_test: bool) -> Outcome:
    return classify_again(AGAIN, status, body, is_test=is_test)[0]


def keeping(status: int, body: bytes, is_test: bool) -> Outcome:
    sent = Sent(reply=Reply(status=status, body=body))
    return after_onetime(KEEPING, sent, is_test=is_test, rules=NO_RULES)


def once(status: int, body: bytes, is_test: bool) -> Outcome:
    return after_onetime(ONCE, Sent(reply=Reply(status=status, body=body)), is_test=is_test, rules=NO_RULES)


#: The key that a payment must show, and the judge.
JUDGES: dict[str, Judge] = {"again": ("c-1", by_key), "keeping": ("c-1", keeping), "once": (None, once)}


@pytest.fixture(params=JUDGES)
def judged(request: pytest.FixtureRequest) -> Judge:
    return JUDGES[request.param]


def payment(key: str | None, **changes: object) -> dict[str, Any]:
    return {
        "imp_uid": "imps_1",
        "merchant_uid": "m1",
        "customer_uid": key,
        "amount": 9900,
        "currency": "KRW",
        "status": "paid",
        "paid_at": 1_700_000_000,
        "fail_reason": None,
        "sandbox": False,
        **changes,
    }


def said(response: object = None, *, code: int = 0, message: str | None = None) -> bytes:
    return json.dumps({"code": code, "message": message, "response": response}).encode()


def reason(outcome: Outcome) -> UnknownReason | None:
    return outcome.reason if isinstance(outcome, Unknown) else None


REFUSING = (200, 201, 400, 403, 404, 422)


def test_row_1_no_byte_left() -> None:
    unsent = Sent(is_proven_unsent=True, broke="ConnectTimeout")
    assert after_onetime(ONCE, unsent, is_test=True, rules=NO_RULES) == NotExecuted(reason=NotExecutedReason.NOT_SENT)


@pytest.mark.parametrize("body", [b"", b"<html>", said(code=-1, message="Unauthorized"), said(payment("c-1"))])
def test_row_2_401(judged: Judge, body: bytes) -> None:
    assert judged[1](401, body, False) == NotExecuted(reason=NotExecutedReason.UNAUTHORIZED)


@pytest.mark.parametrize("status", [200, 201])
def test_row_3_paid_and_all_the_same(judged: Judge, status: int) -> None:
    key, judge = judged
    assert isinstance(judge(status, said(payment(key)), False), Approved)


@pytest.mark.parametrize(
    "changes",
    [{"amount": 9901}, {"merchant_uid": "m2"}, {"customer_uid": "c-2"}, {"currency": "USD"}, {"sandbox": True}],
)
def test_row_4_paid_and_something_differs(judged: Judge, changes: dict[str, object]) -> None:
    key, judge = judged
    assert reason(judge(200, said(payment(key, **changes)), False)) is UnknownReason.MISMATCH


def test_row_5_failed(judged: Judge) -> None:
    key, judge = judged
    outcome = judge(200, said(payment(key, status="failed", fail_reason="[120026] 도난, 분실카드")), False)
    assert isinstance(outcome, Declined)
    doubtful = judge(200, said(payment(key, status="failed", fail_reason="[120010] 카드사 거래 TIMEOUT")), False)
    assert reason(doubtful) is UnknownReason.AMBIGUOUS_DECLINE
    other = judge(200, said(payment(key, status="failed", merchant_uid="m2")), False)
    assert reason(other) is UnknownReason.NOT_FINAL, "somebody else's failure"


@pytest.mark.parametrize("status", ["ready", "cancelled", "new_word", None, 1])
def test_row_6_another_status_or_no_payment(judged: Judge, status: object) -> None:
    key, judge = judged
    assert reason(judge(200, said(payment(key, status=status)), False)) is UnknownReason.NOT_FINAL
    assert reason(judge(200, said(None), False)) is UnknownReason.NOT_FINAL


@pytest.mark.parametrize("status", REFUSING)
@pytest.mark.parametrize("words", ["등록되지 않은 구매자입니다.", "customer_uid(X)로 등록된 정보를 찾을 수 없습니다."])
@pytest.mark.parametrize("code", [1, -1])
def test_row_7_unknown_customer(judged: Judge, status: int, words: str, code: int) -> None:
    outcome = judged[1](status, said(code=code, message=words), False)
    assert isinstance(outcome, Declined)
    assert outcome.decline_code is DeclineCode.BILLING_KEY_GONE


@pytest.mark.parametrize("status", REFUSING)
@pytest.mark.parametrize("words", ["이미 결제가 이루어진 거래건입니다.", "중복된 merchant_uid입니다."])
def test_row_8_duplicate_words(judged: Judge, status: int, words: str) -> None:
    assert reason(judged[1](status, said(code=1, message=words), False)) is UnknownReason.DUPLICATE


@pytest.mark.parametrize("status", REFUSING)
@pytest.mark.parametrize("words", ["이니시스 빌링결제는 상품명이 필수입니다.", "등록되지 않은 채널입니다.", None])
def test_row_9_another_refusal(judged: Judge, status: int, words: str | None) -> None:
    assert reason(judged[1](status, said(code=1, message=words), False)) is UnknownReason.REFUSED_REQUEST


@pytest.mark.parametrize(
    ("status", "told"),
    [
        *((status, UnknownReason.SERVER_ERROR) for status in (408, 409, 425, 500, 502, 503, 504, 599)),
        (429, UnknownReason.SLOW_DOWN),
    ],
)
def test_row_10_busy_or_broken_over_there(judged: Judge, status: int, told: UnknownReason) -> None:
    key, judge = judged
    assert reason(judge(status, said(payment(key)), False)) is told
    assert reason(judge(status, b"<html>", False)) is told


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", said(payment("c-1"))[:-1], b'{"code":"0"}', b"\xff\xfe"])
def test_row_10_a_body_that_cannot_be_read(judged: Judge, body: bytes) -> None:
    assert reason(judged[1](200, body, False)) is UnknownReason.UNREADABLE


def test_row_10_a_broken_connection() -> None:
    broken = Sent(broke="ConnectTimeout")  # its class proves nothing
    assert reason(after_onetime(ONCE, broken, is_test=True, rules=NO_RULES)) is UnknownReason.NO_ANSWER


# Anything at all.

WORDS = [
    "paid",
    "failed",
    "m1",
    "c-1",
    "imps_1",
    9900,
    9900.0,
    "KRW",
    "이미",
    "등록되지 않은 구매자",
    10**400,
    2**53 + 1,
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
#: A good answer with a few fields replaced: nearly right is where a mistake would be believed.
NEARLY = st.builds(
    lambda key, status, changes, code, message: json.dumps(
        {"code": code, "message": message, "response": payment(key, status=status) | changes}
    ).encode(),
    st.sampled_from(["c-1", None, ""]),
    st.sampled_from(["paid", "failed"]),
    st.dictionaries(st.sampled_from(sorted(payment(None))), VALUES, max_size=2),
    st.just(0) | st.sampled_from([1, -1, True, False, "0", 0.0, None]),
    st.none() | st.sampled_from(["이미", "등록되지 않은 구매자입니다.", "찾을 수 없습니다", "고객을 찾을 수 없습니다"]),
)
CUT = st.builds(lambda body, end: body[:end], NEARLY, st.integers(0, 400))
BODIES = NEARLY | CUT | st.binary(max_size=60) | VALUES.map(lambda value: json.dumps(value).encode())
STATUSES = st.sampled_from([200, 201, 400, 401, 404, 422, 429, 500]) | st.integers(0, 999)


def approves(told: Any, key: str | None, *, is_test: bool) -> bool:  # noqa: ANN401 - JSON
    """What an approval must show, written down a second time."""
    paid = told["response"]
    return (
        told["code"] == 0
        and paid["status"] == "paid"
        and paid["merchant_uid"] == "m1"
        and paid["amount"] == 9900
        and not isinstance(paid["amount"], bool)
        and (paid["customer_uid"] == key or (key is None and paid["customer_uid"] == ""))
        and paid["currency"] in (None, "", "KRW")
        and paid["imp_uid"] not in (None, "")
        and (is_test or paid["sandbox"] in (None, False, 0, "", "false"))
    )


def declines(told: Any, status: int, *, is_test: bool) -> bool:  # noqa: ANN401 - JSON
    """What a decline must show."""
    if told["code"] != 0:
        message = told["message"]
        is_gone = "등록되지" in message or "찾을 수 없습니다" in message
        return status in REFUSING and is_gone and "이미" not in message
    failed = told["response"]
    is_ours = failed["status"] == "failed" and failed["merchant_uid"] == "m1"
    return status in (200, 201) and is_ours and (is_test or failed["sandbox"] in (None, False, 0, "", "false"))


@pytest.mark.parametrize("kind", JUDGES)
@pytest.mark.parametrize("is_test", [True, False])
def test_nothing_is_proven_by_accident_and_nothing_raises(kind: str, is_test: bool) -> None:
    key, judge = JUDGES[kind]
    seen: set[type] = set()

    @example(status=200, body=said(payment(key)))
    @example(status=200, body=said(payment(key, status="failed")))
    @given(status=STATUSES, body=BODIES)
    def holds(status: int, body: bytes) -> None:
        outcome = judge(status, body, is_test)
        seen.add(type(outcome))
        if isinstance(outcome, NotExecuted):
            assert status == 401
        if isinstance(outcome, Approved):
            assert status in (200, 201)
            assert approves(json.loads(body), key, is_test=is_test)
        if isinstance(outcome, Declined):
            assert declines(json.loads(body), status, is_test=is_test)
            assert not is_ambiguous(outcome.decline_code)
        if isinstance(outcome, Declined | Unknown):
            outcome.raw_reason.encode()
            assert "\x00" not in outcome.raw_reason

    holds()
    assert {Approved, Declined} <= seen


ORDER = CancelOrder(imp_uid="imps_1", amount=1_000, checksum=9_900, reason="환불 r1")


@given(
    status=STATUSES,
    body=BODIES
    | st.dictionaries(st.sampled_from(["cancel_amount", "amount", "status", "imp_uid"]), VALUES, max_size=2).map(
        lambda changes: said(payment("c-1", status="cancelled", cancel_amount=1_000) | changes)
    ),
)
@example(status=200, body=said(payment("c-1", status="cancelled", cancel_amount=1_000)))
def test_a_cancel_is_not_believed_by_accident_either(status: int, body: bytes) -> None:
    answered = classify_cancel(ORDER, status, body, is_test=False)
    answered.raw_reason.encode()
    if answered.said is CancelSaid.CANCELLED:
        told = json.loads(body)["response"]
        assert (status in (200, 201), told["imp_uid"], told["status"]) == (True, "imps_1", "cancelled")
        assert told["amount"] - told["cancel_amount"] == 8_900
    if answered.said is CancelSaid.REFUSED:
        assert status in REFUSING
        assert json.loads(body)["code"] != 0
    if answered.said is CancelSaid.NOT_SENT:
        assert status == 401
