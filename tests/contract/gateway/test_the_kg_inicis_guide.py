"""Each call of PortOne's integration guide for KG Inicis works here: its calls, in its order, at the simulator.

The guide (KG이니시스, section 2, "비인증 결제창" and "비인증 API 방식", and section 3) has one order number and
expired cards in all its samples; those are replaced, since "매번 고유하게 채번되어야 합니다". What it leaves out and
the gateway asks for (name, and the buyer where a card is typed in) is added. Its windows run in a browser: what they
leave behind is a billing key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from domain.errors import BadInput
from domain.outcome import Approved, Unknown, UnknownReason
from gateway.card_details import CardDetails
from gateway.customers import IssueKey
from gateway.onetime import OnetimeCharge
from gateway.port import CancelOrder, CancelSaid
from gateway.prepared import Prepared
from tests.contract.gateway.asking import allowed, boottime, client, collect, make_batch, make_charge
from tests.contract.gateway.relay import relay_to
from tests.support.simulator import IMP_KEY, IMP_SECRET

if TYPE_CHECKING:
    from collections.abc import Callable

    from domain.outcome import Outcome
    from gateway.iamport import IamportGateway
    from gateway.port import AccessToken
    from tests.support.simulator import RunningSimulator

YOURS = "your-customer-unique-id"


def again(
    gateway: IamportGateway, token: AccessToken, merchant_uid: str, *, amount: int = 3000, card_quota: int = 0
) -> Outcome:
    charge = make_charge(
        merchant_uid=merchant_uid, customer_uid=YOURS, amount=amount, card_quota=card_quota, name="주문명:결제테스트"
    )
    fan_out = allowed(gateway)
    fan_out.send(make_batch([charge], token=token))
    return collect(fan_out, 1)[0].outcome


def onetime(merchant_uid: str, *, customer_uid: str = "", expiry: str = "2039-01", amount: int = 3000) -> OnetimeCharge:
    return OnetimeCharge(
        merchant_uid=merchant_uid,
        customer_uid=customer_uid,
        amount=amount,
        card=CardDetails(number="1234-1234-1234-1234", expiry=expiry, birth="123456"),
        name="주문명:결제테스트",
        buyer_name="구매자이름",
        buyer_email="iamport@siot.do",
        buyer_tel="010-1234-5678",
    )


def test_each_call_of_the_guide_works_here(simulator: RunningSimulator) -> None:
    with (
        relay_to(simulator.url) as relay,
        client(relay.url, imp_key=IMP_KEY, imp_secret=IMP_SECRET, takes_card_numbers=True) as gateway,
    ):
        token = gateway.access_token(None)
        _walk(gateway, token, lambda charge: gateway.other.onetime(charge, token=token, send_before_boottime=_soon()))
        assert relay.differences() == []


def _soon() -> float:
    return boottime() + 60


def _walk(gateway: IamportGateway, token: AccessToken, pay: Callable[[OnetimeCharge], Outcome]) -> None:
    other = gateway.other

    # 2. 결제 요청하기, 인증결제창: the amount of an order is registered before the window opens; later it is verified.
    assert other.prepare(Prepared(merchant_uid="order_no_0001", amount=1004), token=token).amount == 1004

    # 비인증 결제창: the window issues a billing key; then 빌링키(customer_uid)로 결제 요청하기.
    assert other.customer(customer_uid=YOURS, token=token) is not None
    first = again(gateway, token, "order_id_8237352")
    assert isinstance(first, Approved)
    assert first.amount == 3000

    # 비인증 API 방식, 일회성 결제 요청하기: "전달된 카드는 아임포트에 등록되지 않습니다".
    once = pay(onetime("order_id_8237353"))
    assert isinstance(once, Approved)
    record = gateway.payment(imp_uid=once.imp_uid, token=token)
    assert record is not None
    assert (record.amount, record.customer_uid) == (3000, None)
    expired = pay(onetime("order_id_8237354", expiry="2019-01"))
    assert isinstance(expired, Unknown)
    assert expired.reason is UnknownReason.REFUSED_REQUEST

    # 빌링키 발급 요청하기: no charge.
    details = CardDetails(number="1234-1234-1234-1234", expiry="2035-12", birth="820213", pwd_2digit="00")
    issued = other.issue_key(IssueKey(customer_uid=f"{YOURS}-2", card=details), token=token)
    assert issued.customer_uid == f"{YOURS}-2"
    assert list(other.card_history(customer_uid=f"{YOURS}-2", token=token)) == []

    # 빌링키 발급 및 최초 결제 요청하기, and with 0 won only the key.
    kept = pay(onetime("order_id_8237355", customer_uid=f"{YOURS}-3"))
    assert isinstance(kept, Approved)
    assert [each.amount for each in other.card_history(customer_uid=f"{YOURS}-3", token=token)] == [3000]
    assert isinstance(pay(onetime("order_id_8237356", customer_uid=f"{YOURS}-4", amount=0)), Approved)
    assert other.customer(customer_uid=f"{YOURS}-4", token=token) is not None

    # 빌링키로 결제 요청하기; the sample's number is used by now.
    repeated = again(gateway, token, "order_id_8237352")
    assert isinstance(repeated, Unknown)
    assert repeated.reason is UnknownReason.DUPLICATE
    assert isinstance(again(gateway, token, "order_id_8237357"), Approved)

    # 3. 부가기능, 할부개월수 설정: "5만원 이상 결제 요청시에만".
    assert isinstance(again(gateway, token, "order_id_8237358", amount=50_000, card_quota=6), Approved)
    with pytest.raises(BadInput, match="50000 won"):
        again(gateway, token, "order_id_8237359", amount=49_999, card_quota=6)

    # 카드사 모듈 바로 호출, 특정 카드사 노출: the codes are texts of the list of card companies.
    codes = {each.code for each in other.card_companies(token=token)}
    assert {"366", "367"} <= codes

    # What was taken can be given back.
    order = CancelOrder(imp_uid=first.imp_uid, amount=3000, checksum=3000, reason="고객 요청")
    assert gateway.cancel(order, token=token, send_before_boottime=_soon()).said is CancelSaid.CANCELLED
