"""Whatever the gateway answers to a question or an order: a value, or trouble by its name; nothing else is raised."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import GatewayTrouble, GatewayUnreachable, GatewayUnreadable
from gateway.card_companies import read_company
from gateway.card_details import CardDetails
from gateway.customers import IssueKey, after_delete, after_issue, masked_number, read_customer
from gateway.errors import GatewayRefused, TokenRefused
from gateway.new_schedules import NewSchedule, NewSchedules, after_place
from gateway.orders import Sent, response_of
from gateway.prepared import Prepared, after_prepare, after_prepared
from gateway.questions import read_answer, read_page, segment
from gateway.records import read_record
from gateway.schedules import read_schedules, revoked
from gateway.transport import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = [
    "customer_uid",
    "merchant_uid",
    "imp_uid",
    "status",
    "amount",
    "cancel_amount",
    "schedule_at",
    "schedule_status",
    "list",
    "next",
    "total",
    "code",
    "name",
    "pg_provider",
    "pg_id",
    "card_number",
    "inserted",
    "cancel_history",
]
WORDS: list[object] = ["paid", "scheduled", "m1", "c-1", "imps_1", 9900, 1.5, 0, 2_000_000_000, 10**400, "1234-****"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=8),
    max_leaves=20,
)
AT = datetime(2033, 5, 18, 3, 33, 20, tzinfo=UTC)
CARD = CardDetails(number="9490-2200-1111-2222", expiry="2037-11")
ISSUE = IssueKey(customer_uid="c-1", card=CARD)
PLACE = NewSchedules(
    customer_uid="c-1", schedules=[NewSchedule(merchant_uid="m1", amount=9900, name="n", schedule_at=AT)]
)
WANTED = Prepared(merchant_uid="m1", amount=9900)
AFTER: list[Callable[[Sent], object]] = [
    response_of,
    revoked,
    after_delete,
    after_prepared,
    lambda sent: after_issue(ISSUE, sent),
    lambda sent: after_place(PLACE, sent),
    lambda sent: after_prepare(WANTED, sent),
]
READERS: list[Callable[[Any], object]] = [
    read_customer,
    read_company,
    read_schedules,
    masked_number,
    lambda found: read_record(found if isinstance(found, dict) else {}, is_test=False),
]


def told(code: object, message: object, response: object) -> bytes:
    return json.dumps({"code": code, "message": message, "response": response}).encode()


BODIES = st.binary(max_size=40) | st.builds(told, st.sampled_from([0, 1, -1]) | VALUES, st.none() | st.text(), VALUES)
STATUSES = st.sampled_from([200, 201, 207, 400, 401, 404, 500]) | st.integers(100, 999)


@given(status=STATUSES, body=BODIES)
def test_an_order_s_answer_is_a_value_or_trouble(status: int, body: bytes) -> None:
    for after in AFTER:
        try:
            after(Sent(reply=Reply(status=status, body=body)))
        except GatewayTrouble as trouble:
            assert isinstance(trouble, TokenRefused) == (status == 401)  # noqa: PT017 - one of several
            if isinstance(trouble, GatewayRefused):
                assert status in {200, 201, 400, 403, 404, 422}
                assert json.loads(body)["code"] != 0


@given(status=STATUSES, body=BODIES)
def test_a_question_s_answer_is_a_value_or_trouble(status: int, body: bytes) -> None:
    for read in (read_answer, lambda reply: read_page(reply, frozenset({404}))):
        try:
            read(Reply(status=status, body=body))
        except GatewayTrouble as trouble:
            assert isinstance(trouble, TokenRefused) == (status == 401)  # noqa: PT017


@given(found=VALUES)
def test_whatever_is_told_is_read_or_refused(found: object) -> None:
    for read in READERS:
        try:
            read(found)
        except GatewayUnreadable:
            continue


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503])
def test_a_refusal_is_believed_only_from_the_gateway_s_own_code(status: int) -> None:
    sent = Sent(reply=Reply(status=status, body=told(-1, "취소할 예약결제 기록이 존재하지 않습니다.", None)))
    for after in AFTER:
        with pytest.raises(GatewayUnreadable, match="neither done nor refused"):
            after(sent)


def test_no_answer_says_whether_something_may_have_been_done() -> None:
    with pytest.raises(GatewayUnreachable, match="nothing was sent"):
        response_of(Sent(is_proven_unsent=True, broke="ConnectTimeout"))
    with pytest.raises(GatewayUnreachable, match="it may have been done"):
        response_of(Sent(broke="ConnectTimeout"))


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_that_would_be_another_path_is_not_asked_for(name: str) -> None:
    with pytest.raises(GatewayUnreadable):
        segment(name)
    assert segment("a/b?c#d e%2e한") == "a%2Fb%3Fc%23d%20e%252e%ED%95%9C"


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("9490-2200-1111-2222", "949022******2222"),
        ("949022******2222", "949022******2222"),
        ("94902200****2222", "949022******2222"),
        ("12345", "*****"),
        (None, ""),
    ],
)
def test_what_the_gateway_leaves_open_of_a_number_is_masked(number: object, masked: str) -> None:
    assert masked_number(number) == masked


def test_an_answer_about_something_else_is_no_answer() -> None:
    key = {"customer_uid": "c-2", "pg_provider": "html5_inicis", "pg_id": "INIBillTst", "card_name": "신한"}
    with pytest.raises(GatewayUnreadable, match="another billing key"):
        after_issue(ISSUE, Sent(reply=Reply(status=200, body=told(0, None, key))))
    with pytest.raises(GatewayUnreadable, match="something else"):
        after_prepare(WANTED, Sent(reply=Reply(status=200, body=told(0, None, {"merchant_uid": "m1", "amount": 9901}))))
    with pytest.raises(GatewayUnreadable, match="other schedules"):
        after_place(PLACE, Sent(reply=Reply(status=200, body=told(0, None, []))))
