"""Every call of the client, at the simulator; what went over the wire is held against the gateway's schema."""

from __future__ import annotations

import json
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from domain.errors import BadInput, RuleBroken
from domain.outcome import Approved, DeclineCode, Declined, Outcome, Unknown, UnknownReason
from gateway.card_details import CardDetails
from gateway.customers import IssueKey
from gateway.errors import GatewayRefused
from gateway.new_schedules import NewSchedule, NewSchedules
from gateway.onetime import OnetimeCharge
from gateway.payment_fields import ProductType
from gateway.port import CancelOrder, CancelSaid, ScheduleState
from gateway.prepared import Prepared
from tests.contract.gateway.asking import allowed, boottime, client, collect, make_batch, make_charge
from tests.contract.gateway.relay import Relay, relay_to
from tests.contract.gateway.restated import CALLS
from tests.support.simulator import IMP_KEY, IMP_SECRET

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.iamport import IamportGateway
    from gateway.port import AccessToken
    from tests.support.simulator import RunningSimulator

#: Everything that may stand in a request for money, each longer than the gateway takes where that is cut.
FULL: dict[str, Any] = {
    "name": "정기 결제 " * 20,
    "buyer_name": "홍길동" * 20,
    "buyer_email": "hong@example.com",
    "buyer_tel": "010-1234-5678",
    "buyer_addr": "서울특별시 강남구 삼성동 " * 20,
    "buyer_postcode": "123-456-789",
    "tax_free": 10_000,
    "vat_amount": 4_545,
    "card_quota": 3,
    "custom_data": '{"ours":1}',
    "notice_url": "https://shop.example/hooks",
    "browser_ip": "192.0.2.1",
    "product_type": ProductType.DIGITAL,
}
PERSON = {"customer_name": "홍길동" * 10, "customer_tel": "010-1234-5678", "customer_email": "hong@example.com"}
PLACE = {"customer_addr": "서울" * 200, "customer_postcode": "123-456-789", "customer_id": "member-1"}


def card() -> CardDetails:
    return CardDetails(number="9490-2200-1111-2222", expiry="2037-11", birth="870605", pwd_2digit="12")


@pytest.fixture
def relay(simulator: RunningSimulator) -> Iterator[Relay]:
    with relay_to(simulator.url) as made:
        yield made
        assert made.exchanges
        assert made.differences() == []


@pytest.fixture
def gateway(relay: Relay) -> Iterator[IamportGateway]:
    with client(relay.url, imp_key=IMP_KEY, imp_secret=IMP_SECRET, takes_card_numbers=True) as made:
        yield made


@pytest.fixture
def token(gateway: IamportGateway) -> AccessToken:
    return gateway.access_token(None)


def again(gateway: IamportGateway, token: AccessToken, number: int, **changes: Any) -> Outcome:  # noqa: ANN401
    fan_out = allowed(gateway)
    fan_out.send(make_batch([make_charge(number, **changes)], token=token))
    return collect(fan_out, 1)[0].outcome


def onetime(gateway: IamportGateway, token: AccessToken, merchant_uid: str, **changes: Any) -> Outcome:  # noqa: ANN401
    fields = {"name": "n", "buyer_name": "홍", "buyer_email": "h@example.com", "buyer_tel": "010-1234-5678", **changes}
    charge = OnetimeCharge(merchant_uid=merchant_uid, card=card(), **{"amount": 3_000, **fields})
    return gateway.other.onetime(charge, token=token, send_before_boottime=boottime() + 60)


def test_every_call_works_and_keeps_to_the_schema(gateway: IamportGateway, token: AccessToken, relay: Relay) -> None:
    other = gateway.other
    issued = other.issue_key(
        IssueKey(customer_uid="고객 1/a?b", card=card(), pg="html5_inicis", **PERSON, **PLACE), token=token
    )
    assert issued == other.customer(customer_uid="고객 1/a?b", token=token)
    assert (issued.card_number, issued.inserted_at is not None) == ("949022******2222", True)
    both = other.customers(customer_uids=["고객 1/a?b", "nobody.sim.unknown_customer"], token=token)
    assert list(both) == ["고객 1/a?b"]

    paid = again(gateway, token, 1, customer_uid="고객 1/a?b", amount=60_000, product_count=2, **FULL)
    assert isinstance(paid, Approved)
    assert isinstance(onetime(gateway, token, "once", amount=60_000, pg="html5_inicis", **FULL), Approved)
    assert isinstance(onetime(gateway, token, "kept", customer_uid="kept-card"), Approved)
    uid = make_charge(1).merchant_uid
    found = other.find(merchant_uid=uid, token=token)
    assert found is not None
    assert list(gateway.find_all(merchant_uid=uid, token=token).records) == [found]
    assert list(gateway.card_payments(customer_uid="고객 1/a?b", merchant_uid=uid, token=token).records) == [found]
    assert list(other.card_history(customer_uid="고객 1/a?b", token=token)) == [found]
    assert gateway.payment(imp_uid=paid.imp_uid, token=token) == found

    assert other.prepare(Prepared(merchant_uid="window-1", amount=9_900), token=token).amount == 9_900
    changed = other.prepare(Prepared(merchant_uid="window-1", amount=8_800), token=token, is_change=True)
    assert changed == other.prepared(merchant_uid="window-1", token=token)
    companies = {each.code: each.name for each in other.card_companies(token=token)}
    company = other.card_company(code="002", token=token)
    assert company is not None
    assert companies["002"] == company.name

    _give_back(gateway, token, paid.imp_uid)
    _place_and_revoke(gateway, token)
    assert other.delete_key(customer_uid="고객 1/a?b", reason="탈퇴", requester="customer", token=token)
    assert not other.delete_key(customer_uid="고객 1/a?b", token=token)
    assert other.customer(customer_uid="고객 1/a?b", token=token) is None
    _list_everything(gateway, token)
    assert relay.calls() == set(CALLS)


def _give_back(gateway: IamportGateway, token: AccessToken, imp_uid: str) -> None:
    order = CancelOrder(
        imp_uid=imp_uid, amount=10_000, checksum=60_000, reason="부분 환불 r1", tax_free=10_000, vat_amount=0
    )
    until = boottime() + 60
    part = gateway.cancel(order, token=token, send_before_boottime=until)
    assert (part.said, part.record and part.record.cancel_amount) == (CancelSaid.CANCELLED, 10_000)
    doubled = gateway.cancel(order, token=token, send_before_boottime=until)
    assert doubled.said is CancelSaid.REFUSED, "its checksum is no longer true"
    rest = CancelOrder(imp_uid=imp_uid, amount=50_000, checksum=50_000, reason="전액 r2", vat_amount=4_545)
    whole = gateway.cancel(rest, token=token, send_before_boottime=until)
    assert whole.said is CancelSaid.CANCELLED
    assert whole.record is not None
    assert [each.amount for each in whole.record.cancellations] == [10_000, 50_000]
    assert [each.reason for each in whole.record.cancellations] == ["부분 환불 r1", "전액 r2"]
    late = gateway.cancel(order, token=token, send_before_boottime=boottime() - 1)
    assert late.said is CancelSaid.NOT_SENT


def _place_and_revoke(gateway: IamportGateway, token: AccessToken) -> None:
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(days=100)
    plans = [
        NewSchedule(merchant_uid=f"s-{days}", amount=60_000, schedule_at=at + timedelta(days=days), **FULL)
        for days in (0, 1, 120)
    ]
    placed = gateway.other.place_schedules(
        NewSchedules(customer_uid="고객 1/a?b", schedules=plans, checking_amount=1_000), token=token
    )
    assert [each.state for each in placed] == [ScheduleState.SCHEDULED] * 3
    span = {"begin": at - timedelta(days=1), "end": at + timedelta(days=200)}
    seen: list[int] = []
    every = gateway.schedules(**span, token=token, seen=seen.append)
    assert {each.merchant_uid for each in every} == {"s-0", "s-1", "s-120"}
    assert len(gateway.card_schedules(customer_uid="고객 1/a?b", **span, token=token)) == 3
    gone = gateway.unschedule(customer_uid="고객 1/a?b", merchant_uids=["s-0", "s-1"], token=token)
    assert {each.merchant_uid for each in gone} == {"s-0", "s-1"}
    assert gateway.unschedule(customer_uid="고객 1/a?b", merchant_uids=["s-0"], token=token) == []
    left, revoked = (gateway.schedule(merchant_uid=name, token=token) for name in ("s-120", "s-0"))
    assert left is not None
    assert revoked is not None
    assert (left.state, revoked.state) == (ScheduleState.SCHEDULED, ScheduleState.REVOKED)
    assert gateway.schedule(merchant_uid="s-never", token=token) is None


def _list_everything(gateway: IamportGateway, token: AccessToken) -> None:
    now = datetime.now(UTC)
    span = {"begin": now - timedelta(days=400), "end": now + timedelta(minutes=1)}
    listed = gateway.all_payments(**span, token=token, seen=lambda _: None)
    assert sorted(each.merchant_uid for each in listed if not each.merchant_uid.startswith("check_")) == [
        "kept",
        make_charge(1).merchant_uid,
        "once",
    ]
    with pytest.raises(RuleBroken, match="90 days"):
        gateway.day_list(merchant_uids=["once"], **span, token=token)
    day = gateway.day_list(
        merchant_uids=["once", "never"], begin=now - timedelta(days=89), end=now + timedelta(minutes=1), token=token
    )
    assert [len(day[name].records) for name in ("once", "never")] == [1, 0]


def test_what_the_gateway_refuses_keeps_to_the_schema_too(gateway: IamportGateway, token: AccessToken) -> None:
    other = gateway.other
    declined = again(gateway, token, 1, customer_uid="c.sim.decline.stolen")
    assert isinstance(declined, Declined)
    unknown = again(gateway, token, 2, customer_uid="c.sim.unknown_customer")
    assert unknown == Declined(decline_code=DeclineCode.BILLING_KEY_GONE, raw_reason="등록되지 않은 구매자입니다.")
    assert isinstance(again(gateway, token, 3), Approved)
    assert _reason(again(gateway, token, 3)) is UnknownReason.DUPLICATE
    assert isinstance(onetime(gateway, token, "once"), Approved)
    assert _reason(onetime(gateway, token, "once")) is UnknownReason.DUPLICATE
    with pytest.raises(GatewayRefused):
        other.issue_key(IssueKey(customer_uid="c.sim.unknown_customer", card=card()), token=token)
    other.prepare(Prepared(merchant_uid="p", amount=1), token=token)
    with pytest.raises(GatewayRefused):
        other.prepare(Prepared(merchant_uid="p", amount=2), token=token)
    assert other.prepared(merchant_uid="never", token=token) is None
    assert other.find(merchant_uid="never", token=token) is None
    assert other.card_company(code="999", token=token) is None
    assert gateway.payment(imp_uid="imps_000000000000", token=token) is None
    assert list(gateway.find_all(merchant_uid="never", token=token).records) == []
    assert other.customers(customer_uids=["c.sim.unknown_customer"], token=token) == {}


def _reason(outcome: Outcome) -> UnknownReason:
    assert isinstance(outcome, Unknown)
    return outcome.reason


def test_a_list_of_several_pages_is_read_whole(gateway: IamportGateway, token: AccessToken, relay: Relay) -> None:
    """A card's payments come twenty at a time, whatever is asked for."""
    for start in range(0, 45, 8):
        fan_out = allowed(gateway)
        charges = [make_charge(number) for number in range(start, min(start + 8, 45))]
        fan_out.send(make_batch(charges, token=token))
        collect(fan_out, len(charges))
    relay.exchanges.clear()
    history = gateway.other.card_history(customer_uid="customer-one", token=token)
    assert {each.merchant_uid for each in history} == {make_charge(number).merchant_uid for number in range(45)}
    assert len(relay.exchanges) == 3


@pytest.mark.parametrize("shape", ["paged", "plain"])
def test_schedules_are_read_whole_in_either_shape(
    gateway: IamportGateway, token: AccessToken, simulator: RunningSimulator, shape: str
) -> None:
    """The schema tells a plain list without an end, the official Java client reads pages."""
    body = json.dumps({"shape": shape}).encode()
    asked = urllib.request.Request(f"{simulator.control_url}/schedules/shape", data=body, method="POST")  # noqa: S310
    with urllib.request.urlopen(asked) as done:  # noqa: S310 - our own simulator
        assert done.status == 200
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    plans = [
        NewSchedule(merchant_uid=f"s-{minutes}", amount=1_000, name="n", schedule_at=at + timedelta(minutes=minutes))
        for minutes in range(45)
    ]
    gateway.other.place_schedules(NewSchedules(customer_uid="c-1", schedules=plans), token=token)
    span = {"begin": at - timedelta(days=100), "end": at + timedelta(days=100)}
    of_card = gateway.card_schedules(customer_uid="c-1", **span, token=token)
    every = gateway.schedules(**span, token=token, seen=lambda _: None)
    assert {each.merchant_uid for each in of_card} == {each.merchant_uid for each in every}
    assert len(of_card) == len(every) == 45


def test_no_request_is_built_that_would_wipe_a_card_s_schedules(gateway: IamportGateway, token: AccessToken) -> None:
    for names in ([], [""], "s-1"):
        with pytest.raises(RuleBroken, match="by its name"):
            gateway.unschedule(customer_uid="c", merchant_uids=names, token=token)
    with pytest.raises(RuleBroken, match="by its name"):
        gateway.unschedule(customer_uid="", merchant_uids=["s-1"], token=token)


def test_a_live_channel_neither_believes_nor_asks_for_a_test_channel_s_payments(
    gateway: IamportGateway, token: AccessToken, relay: Relay
) -> None:
    """The simulator's account is a test channel's: its records tell sandbox, and are 404 unless they are asked for."""
    with client(relay.url, imp_key=IMP_KEY, imp_secret=IMP_SECRET, is_test=False) as live:
        assert _reason(again(live, token, 1)) is UnknownReason.MISMATCH
        (found,) = live.find_all(merchant_uid=make_charge(1).merchant_uid, token=token).records
        assert (found.sandbox, found.is_money) == (True, False)
        assert live.payment(imp_uid=found.imp_uid, token=token) is None
        asked = gateway.payment(imp_uid=found.imp_uid, token=token)
        assert asked is not None
        assert asked.is_money


def test_card_numbers_pass_only_where_the_configuration_lets_them(
    simulator: RunningSimulator, relay: Relay, token: AccessToken
) -> None:
    del simulator
    before = len(relay.exchanges)
    with client(relay.url, imp_key=IMP_KEY, imp_secret=IMP_SECRET) as shut:
        with pytest.raises(BadInput, match="JEONGGI_TAKES_CARD_NUMBERS"):
            onetime(shut, token, "once")
        with pytest.raises(BadInput, match="JEONGGI_TAKES_CARD_NUMBERS"):
            shut.other.issue_key(IssueKey(customer_uid="c", card=card()), token=token)
    assert len(relay.exchanges) == before
