"""Whatever request can be built keeps to the gateway's schema; and the suite that holds it against it notices."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.errors import BadInput, RuleBroken
from gateway.cancels import cancel_body
from gateway.card_details import CardDetails
from gateway.customers import IssueKey, delete_order, issue_order
from gateway.new_schedules import NewSchedule, NewSchedules, place_order
from gateway.onetime import OnetimeCharge, onetime_order
from gateway.payment_fields import ProductType
from gateway.port import CancelOrder, Charge
from gateway.prepared import Prepared, prepare_order
from gateway.schedules import unschedule_order
from gateway.wire import AGAIN_PATH, again_body
from tests.contract.gateway.holding_against import differences_of_request

if TYPE_CHECKING:
    from gateway.orders import Order

#: Around every limit, in signs of one to four bytes, whole and half.
SIGNS = st.sampled_from(["a", "가", "👍", "é", "e\u0301", "👩\u200d👧", " ", "\x00", "\n", "\ud800", "0"])
TEXTS = st.builds(
    lambda sign, count, rest: sign * count + rest,
    SIGNS,
    st.sampled_from(
        [0, 1, 7, 8, 9, 15, 16, 17, 19, 20, 21, 39, 40, 41, 55, 63, 64, 65, 80, 81, 127, 128, 129, 200, 201]
    ),
    st.lists(SIGNS, max_size=3).map("".join),
)
WON = st.sampled_from([-1, 0, 1, 49_999, 50_000, 2**53 - 1, 2**53]) | st.integers(1, 100_000)
UIDS = st.sampled_from(["m", "m" * 40, "m" * 41, "a b", "a/b", "한", "m-1_A", ""]) | st.from_regex(r"[\w-]{1,41}")
CARD = CardDetails(number="9490-2200-1111-2222", expiry="2037-11", birth="870605", pwd_2digit="12", cvc="123")
PAYMENT: dict[str, st.SearchStrategy[Any]] = {
    "merchant_uid": UIDS,
    "amount": WON,
    "name": TEXTS,
    "buyer_name": TEXTS,
    "buyer_email": TEXTS,
    "buyer_tel": TEXTS,
    "buyer_addr": TEXTS,
    "buyer_postcode": TEXTS,
    "tax_free": WON | st.just(0),
    "vat_amount": st.none() | WON,
    "card_quota": st.integers(-1, 61),
    "product_type": st.none() | st.sampled_from(ProductType),
    "product_count": st.integers(-1, 2) | st.just(0),
    "notice_url": st.sampled_from(["", "https://shop.example/"]),
}
GOOD: dict[str, Any] = {"merchant_uid": "m", "amount": 9900, "name": "n", "buyer_name": "n", "buyer_email": "e"}
GOOD |= {"buyer_tel": "0"}


@st.composite
def nearly_good(draw: st.DrawFn) -> dict[str, Any]:
    """A good payment's fields with up to four replaced."""
    names = draw(st.sets(st.sampled_from(sorted(PAYMENT)), max_size=4))
    return GOOD | {name: draw(PAYMENT[name]) for name in sorted(names)}


def built(kind: str, fields: dict[str, Any], uid: str) -> tuple[str, str, bytes]:
    """Method, path and body of one kind of request; raises if it cannot be built."""
    match kind:
        case "again":
            charge = Charge(attempt_id=UUID(int=1), send_no=1, fence=1, customer_uid=uid, **fields)
            return "POST", AGAIN_PATH, again_body(charge)
        case "onetime":
            return _of(onetime_order(OnetimeCharge(card=CARD, customer_uid=uid, **fields)))
        case "schedule":
            at = datetime(2033, 5, 18, tzinfo=UTC)
            schedules = [NewSchedule(schedule_at=at, **fields)]
            return _of(place_order(NewSchedules(customer_uid=uid, schedules=schedules)))
        case "issue":
            words = {f"customer_{name}": fields.get(f"buyer_{name}", "") for name in ("name", "tel", "email", "addr")}
            return _of(issue_order(IssueKey(customer_uid=uid, card=CARD, pg=fields["name"], **words)))
        case "delete":
            return _of(delete_order(uid, reason=fields["name"], requester="ours"))
        case "unschedule":
            return _of(unschedule_order(customer_uid=uid, merchant_uids=[fields["merchant_uid"]]))
        case "cancel":
            parts = {name: fields[name] for name in ("tax_free", "vat_amount") if name in fields}
            order = CancelOrder(imp_uid=uid, amount=fields["amount"], checksum=50_000, reason=fields["name"], **parts)
            return "POST", "/payments/cancel", cancel_body(order)
        case _:
            wanted = Prepared(merchant_uid=fields["merchant_uid"], amount=fields["amount"])
            return _of(prepare_order(wanted, is_change=kind == "change"))


def _of(order: Order) -> tuple[str, str, bytes]:
    return order.method, order.path, order.write()


@pytest.mark.parametrize(
    "kind", ["again", "onetime", "schedule", "issue", "delete", "unschedule", "cancel", "prepare", "change"]
)
def test_whatever_can_be_built_the_gateway_takes(kind: str) -> None:
    count = [0]

    @example(fields=GOOD, uid="c-1")
    @given(fields=nearly_good(), uid=st.just("c-1") | TEXTS)
    def holds(fields: dict[str, Any], uid: str) -> None:
        try:
            method, path, body = built(kind, fields, uid)
        except (BadInput, RuleBroken):
            return
        count[0] += 1
        assert differences_of_request(method, path, body) == []

    holds()
    assert count[0]


@dataclass(frozen=True, slots=True)
class Spoilt:
    told: str
    changes: dict[str, Any]


@pytest.mark.parametrize(
    "spoilt",
    [
        Spoilt("merchant_uid is no string", {"merchant_uid": 12}),
        Spoilt("merchant_uid that not every", {"merchant_uid": "a b"}),
        Spoilt("merchant_uid is missing", {"merchant_uid": None}),
        Spoilt("amount is no number", {"amount": "9900"}),
        Spoilt("amount is no whole number of won", {"amount": 9900.5}),
        Spoilt("name is longer than 40", {"name": "n" * 41}),
        Spoilt("customer_uid is longer than 80", {"customer_uid": "👍" * 41}),
        Spoilt("product_type is none of", {"product_type": "other"}),
        Spoilt("ours is not in the schema", {"ours": 1}),
        Spoilt("instalments", {"card_quota": 2}),
        Spoilt("parts exceed", {"tax_free": 9901}),
    ],
    ids=lambda spoilt: spoilt.told,
)
def test_what_does_not_keep_to_it_is_noticed(spoilt: Spoilt) -> None:
    good = {"customer_uid": "c", "merchant_uid": "m", "amount": 9900, "name": "n"}
    assert differences_of_request("POST", AGAIN_PATH, json.dumps(good).encode()) == []
    found = differences_of_request("POST", AGAIN_PATH, json.dumps(good | spoilt.changes).encode())
    assert [each for each in found if spoilt.told in each]


@pytest.mark.parametrize("body", [{"customer_uid": "c"}, {"customer_uid": "c", "merchant_uid": []}])
def test_a_request_that_would_wipe_a_card_s_schedules_is_noticed(body: dict[str, Any]) -> None:
    found = differences_of_request("POST", "/subscribe/payments/unschedule", json.dumps(body).encode())
    assert [each for each in found if "all of a card's schedules" in each]
