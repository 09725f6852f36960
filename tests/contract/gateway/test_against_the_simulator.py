"""The client against the simulator, a stranger that shares no code with it: outcomes, and what its ledger holds."""

from __future__ import annotations

import urllib.request
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from domain.outcome import Approved, DeclineCode, Declined, NotExecuted, Outcome, Unknown, UnknownReason
from gateway.errors import TokenRefused
from gateway.tokens import boottime
from tests.contract.gateway.asking import allowed, client, collect, make_batch, make_charge
from tests.support.simulator import IMP_KEY, IMP_SECRET

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.iamport import IamportGateway
    from tests.support.simulator import RunningSimulator


@pytest.fixture
def gateway(simulator: RunningSimulator) -> Iterator[IamportGateway]:
    with client(simulator.url, imp_key=IMP_KEY, imp_secret=IMP_SECRET) as made:
        yield made


def charge(gateway: IamportGateway, number: int, customer_uid: str) -> Outcome:
    fan_out = allowed(gateway)
    one = make_charge(number, customer_uid=customer_uid)
    fan_out.send(make_batch([one], token=gateway.access_token(None)))
    return collect(fan_out, 1)[0].outcome


CASES = [
    ("error500_uncharged", UnknownReason.SERVER_ERROR, 0),
    ("error500", UnknownReason.SERVER_ERROR, 9900),
    ("drop_uncharged", UnknownReason.NO_ANSWER, 0),
    ("drop_answer", UnknownReason.NO_ANSWER, 9900),
    ("hang_uncharged", UnknownReason.NO_ANSWER, 0),
    ("hang", UnknownReason.NO_ANSWER, 9900),
    ("half_body", UnknownReason.NO_ANSWER, 9900),
    ("garbled", UnknownReason.UNREADABLE, 9900),
    ("too_many", UnknownReason.SLOW_DOWN, 0),
    ("refuse", UnknownReason.REFUSED_REQUEST, 0),
    ("other_amount", UnknownReason.MISMATCH, 10000),
    ("ready_paid.60000", UnknownReason.NOT_FINAL, 9900),
]


@pytest.mark.parametrize(("fault", "reason", "recorded"), CASES)
def test_each_fault_is_unknown_and_the_look_up_tells_what_the_ledger_holds(
    gateway: IamportGateway, fault: str, reason: UnknownReason, recorded: int
) -> None:
    customer_uid = f"customer.sim.{fault}"
    outcome = charge(gateway, 1, customer_uid)
    assert isinstance(outcome, Unknown)
    assert outcome.reason is reason
    token = gateway.access_token(None)
    uid = make_charge(1).merchant_uid
    found = gateway.find_all(merchant_uid=uid, token=token).records
    listed = gateway.card_payments(customer_uid=customer_uid, merchant_uid=uid, token=token).records
    assert [each.amount for each in found] == [each.amount for each in listed] == ([recorded] if recorded else [])


def test_approvals_declines_duplicates_and_unknown_customers(gateway: IamportGateway) -> None:
    assert isinstance(charge(gateway, 1, "customer-one"), Approved)
    second = charge(gateway, 1, "customer-one")
    assert isinstance(second, Unknown)
    assert second.reason is UnknownReason.DUPLICATE
    declined = charge(gateway, 2, "customer.sim.decline")
    assert isinstance(declined, Declined)
    unknown = charge(gateway, 3, "customer.sim.unknown_customer")
    assert isinstance(unknown, Declined)
    assert unknown.decline_code is DeclineCode.BILLING_KEY_GONE
    now = datetime.now(UTC)
    seen: list[int] = []
    span = {"begin": now - timedelta(days=1), "end": now + timedelta(days=1)}
    token = gateway.access_token(None)
    payments = gateway.all_payments(**span, token=token, seen=seen.append)
    assert sorted(each.status for each in payments) == ["failed", "paid"]
    uids = [make_charge(number).merchant_uid for number in (1, 2, 3)]
    findings = gateway.day_list(merchant_uids=uids, **span, token=token)
    assert [len(findings[uid].records) for uid in uids] == [1, 1, 0]


def test_an_expired_token_is_refused_everywhere_and_replaced(
    gateway: IamportGateway, simulator: RunningSimulator
) -> None:
    token = gateway.access_token(None)
    assert token.dies_at_boottime > boottime() + 1700
    order = urllib.request.Request(f"{simulator.control_url}/tokens/expire", data=b"{}", method="POST")  # noqa: S310
    with urllib.request.urlopen(order) as done:  # noqa: S310 - our own simulator
        assert done.status == 200
    assert isinstance(charge(gateway, 1, "customer-one"), NotExecuted)
    with pytest.raises(TokenRefused):
        gateway.find_all(merchant_uid="m", token=token)
    assert gateway.access_token(None).digest != token.digest
    assert isinstance(charge(gateway, 1, "customer-one"), Approved)


def test_two_hundred_at_once_are_each_charged_once(gateway: IamportGateway) -> None:
    charges = [make_charge(number) for number in range(200)]
    fan_out = allowed(gateway)
    token = gateway.access_token(None)
    fan_out.send(make_batch(charges, token=token))
    assert all(isinstance(each.outcome, Approved) for each in collect(fan_out, 200))
    now = datetime.now(UTC)
    payments = gateway.all_payments(
        begin=now - timedelta(days=1), end=now + timedelta(days=1), token=token, seen=lambda _: None
    )
    assert sorted(each.merchant_uid for each in payments) == [each.merchant_uid for each in charges]
