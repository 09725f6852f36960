"""Credentials that lead to another gateway account: it truthfully has nothing of ours, and that proves nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from billing.change_subscription import By, change_card
from billing.charge_due import charge_due
from billing.compare_gateway import compare_due
from billing.halt_channel import resume
from billing.look_for_money import look_for_money
from domain.errors import AccountInDoubt, GatewayUnreachable
from gateway.port import ScheduleState
from tests.fakes.gateway import Fate

if TYPE_CHECKING:
    from uuid import UUID

    from tests.support.house import House

pytestmark = pytest.mark.at_both_gateways

BY = By(actor="ops", reason="a test")


def _paid_long_ago(house: House) -> str:
    """A payment older than the settling time; gives the gateway's number of it."""
    house.subscription()
    house.tick()
    house.charge()
    house.advance(hours=2)
    return house.gateway.records[-1].imp_uid


def _charged(house: House, *fates: Fate) -> list[UUID]:
    """Subscriptions whose first charges have these fates."""
    subs = [house.subscription() for _ in fates]
    for sub, fate in zip(subs, fates, strict=True):
        house.gateway.script(house.uid(sub, 0), fate)
    house.tick()
    house.charge()
    return subs


def _absences(house: House) -> int:
    return int(house.value("SELECT count(*) FROM evidence WHERE said = 'absent'"))


def _halts(house: House) -> list[dict[str, str]]:
    """What the incidents of a halt tell."""
    return [
        row.data for row in house.rows("SELECT data FROM outbox_event WHERE kind = 'channel.halted' AND is_incident")
    ]


def _is_halted(house: House) -> bool:
    return bool(house.value("SELECT halted_at IS NOT NULL FROM channel_state WHERE name = 'default'"))


def _fail() -> None:
    raise GatewayUnreachable("the gateway gave no answer in time")


def test_what_another_account_does_not_know_is_not_sent_again_and_halts_the_channel(house: House) -> None:
    known = _paid_long_ago(house)
    paid, lost = _charged(house, Fate.LOSE_ANSWER, Fate.LOSE_REQUEST)
    own = house.point_at(house.another_account())

    house.settle(hours=4, step_seconds=300)

    assert house.gateway.asked == []
    assert house.states("charge_attempt") == {"approved": 1, "unknown": 2}
    assert _absences(house) == 0
    assert set(house.gateway.payments_asked) == {known}
    (halt,) = _halts(house)
    assert halt["cause"] == "account"
    assert known in halt["reason"]
    assert "jeonggi channel resume default" in halt["reason"]
    house.point_at(own)
    assert resume(house.database, "default", by=BY)
    house.settle(hours=4, step_seconds=300)
    assert house.states("invoice") == {"paid": 3}
    assert {house.paid_at_gateway()[house.uid(sub, 0)[:-3]] for sub in (paid, lost)} == {1}
    assert len(_halts(house)) == 1


def test_credentials_that_change_between_two_looks_prove_no_absence_with_what_was_seen_before(house: House) -> None:
    _paid_long_ago(house)
    _charged(house, Fate.LOSE_ANSWER)
    house.gateway.lag(house.gateway.asked[-1].merchant_uid, looks=100)
    for _ in range(8):
        house.advance(minutes=1)
        house.resolve()
    seen = _absences(house)
    assert seen >= 2
    own = house.point_at(house.another_account())

    house.settle(hours=4, step_seconds=300)

    assert house.gateway.asked == []
    assert _absences(house) == seen
    own.lag(own.asked[-1].merchant_uid, looks=0)
    house.point_at(own)
    resume(house.database, "default", by=BY)
    house.settle(hours=4, step_seconds=300)
    assert house.states("invoice") == {"paid": 2}
    assert len(own.asked) == 2


def test_a_reattempt_is_not_cleared_by_another_account(house: House) -> None:
    _paid_long_ago(house)
    (sub,) = _charged(house, Fate.DECLINE)
    own = house.gateway
    own.records.pop()
    late = own.record_payment(own.asked[-1])  # declined, it was told; it is paid
    house.advance(days=1)
    house.point_at(house.another_account())

    for _ in range(3):
        house.tick()
        house.charge()
        house.advance(minutes=5)

    assert house.gateway.asked == []
    assert len(_halts(house)) == 1
    assert house.value("SELECT count(*) FROM charge_attempt WHERE cleared_at IS NOT NULL") == 0
    house.point_at(own)
    resume(house.database, "default", by=BY)
    house.tick()
    house.charge()
    assert house.states("invoice") == {"paid": 2}
    assert [record.imp_uid for record in own.paid_records(house.uid(sub, 0))] == [late.imp_uid]
    assert len(own.asked) == 2


def test_without_an_answer_about_the_account_nothing_absent_counts_and_nothing_is_halted(house: House) -> None:
    _paid_long_ago(house)
    (sub,) = _charged(house, Fate.LOSE_REQUEST)
    house.gateway.payment_trouble = _fail

    house.settle(hours=2, step_seconds=300)

    assert house.states("charge_attempt") == {"approved": 1, "unknown": 1}
    assert len(house.gateway.payments_asked) > 2
    assert _absences(house) == 0
    assert not _is_halted(house)
    house.gateway.payment_trouble = lambda: None
    house.settle(hours=4, step_seconds=300)
    assert house.states("invoice") == {"paid": 2}
    assert [charge.merchant_uid for charge in house.gateway.asked[1:]] == [house.uid(sub, 0)] * 2


def test_without_an_answer_about_the_account_a_reattempt_waits_and_goes_with_the_next_run(house: House) -> None:
    _paid_long_ago(house)
    _charged(house, Fate.DECLINE)
    house.gateway.records.pop()
    house.gateway.payment_trouble = _fail
    house.advance(days=1)

    assert house.charge().claimed == 0
    assert not _is_halted(house)
    house.gateway.payment_trouble = lambda: None
    assert house.charge().claimed == 1

    assert house.states("invoice") == {"paid": 2}


def test_what_was_found_counts_although_the_account_could_not_be_asked_about(house: House) -> None:
    _paid_long_ago(house)
    _charged(house, Fate.LOSE_ANSWER, Fate.LOSE_REQUEST)
    house.gateway.payment_trouble = _fail

    house.advance(minutes=5)
    house.resolve()

    assert house.states("charge_attempt") == {"approved": 2, "unknown": 1}
    assert [row.said for row in house.rows("SELECT said FROM evidence")] == ["paid"]


def test_a_channel_whose_first_payment_is_younger_than_the_settling_time_goes_on_without_asking(house: House) -> None:
    (lost, _) = _charged(house, Fate.LOSE_REQUEST, Fate.APPROVE)

    house.advance(minutes=40)
    house.resolve()
    assert house.gateway.payments_asked == []
    assert _absences(house) == 1
    house.settle(hours=4, step_seconds=300)

    assert house.states("invoice") == {"paid": 2}
    assert len(house.gateway.paid_records(house.uid(lost, 0))) == 1
    assert set(house.gateway.payments_asked) == {house.gateway.records[0].imp_uid}


def test_a_run_asks_about_the_account_once_and_only_if_something_is_absent(house: House) -> None:
    known = _paid_long_ago(house)
    _charged(house, Fate.LOSE_ANSWER, Fate.LOSE_ANSWER)
    house.advance(minutes=5)
    house.resolve()
    assert house.gateway.payments_asked == []
    _charged(house, *[Fate.LOSE_REQUEST] * 3)

    house.advance(minutes=5)
    house.resolve()

    assert house.gateway.payments_asked == [known]
    assert _absences(house) == 3


def test_a_charge_run_asks_about_the_account_once_and_only_if_something_is_absent(house: House) -> None:
    _paid_long_ago(house)
    _charged(house, Fate.DECLINE, Fate.DECLINE)
    house.advance(days=1)
    assert house.charge().claimed == 2
    assert house.gateway.payments_asked == []
    newest = {record.imp_uid for record in house.gateway.records[-2:]}
    _charged(house, *[Fate.DECLINE] * 3)
    del house.gateway.records[-3:]
    house.advance(days=1)

    assert house.charge().claimed == 3

    (asked,) = house.gateway.payments_asked
    assert asked in newest


def test_a_payment_of_an_attempt_that_went_through_two_accounts_is_not_asked_for(house: House) -> None:
    known = _paid_long_ago(house)
    other, gateway = house.beside("other")
    (moved,) = _charged(house, Fate.LOSE_REQUEST)
    for _ in range(12):
        house.advance(minutes=10)
        house.resolve()
    change_card(other, moved, customer_uid="card-over-there", by=BY)
    assert charge_due(other).claimed == 1
    assert [record.merchant_uid for record in gateway.records] == [house.uid(moved, 0)]
    house.gateway.payments_asked.clear()
    house.advance(hours=2)

    _charged(house, Fate.LOSE_REQUEST)
    house.advance(minutes=5)
    house.resolve()

    assert house.gateway.payments_asked == [known]
    assert not _is_halted(house)


def test_a_schedule_that_another_account_does_not_know_goes_on_blocking_its_card(house: House) -> None:
    _paid_long_ago(house)
    sub = house.subscription()
    house.gateway.book.add("old-1", customer_uid=house.card_of(sub), at=house.now + timedelta(days=10))
    compare_due(house.ports, for_seconds=600)
    own = house.point_at(house.another_account())
    house.advance(hours=1, seconds=1)

    with pytest.raises(AccountInDoubt, match="jeonggi channel check default"):
        compare_due(house.ports, for_seconds=600)

    assert len(_halts(house)) == 1
    house.point_at(own)
    resume(house.database, "default", by=BY)
    house.tick()
    assert house.charge().claimed == 0
    own.book.forget("old-1")
    house.advance(hours=1, seconds=1)
    compare_due(house.ports, for_seconds=600)
    assert house.charge().claimed == 1


def test_a_schedule_that_may_have_charged_frees_no_card_because_another_account_shows_no_money(house: House) -> None:
    _paid_long_ago(house)
    sub = house.subscription()
    house.gateway.book.add("old-1", customer_uid=house.card_of(sub), at=house.now + timedelta(hours=1))
    compare_due(house.ports, for_seconds=600)
    house.gateway.book.put("old-1", ScheduleState.REVOKED)
    house.advance(hours=1, seconds=1)
    compare_due(house.ports, for_seconds=600)
    own = house.point_at(house.another_account())
    house.advance(minutes=15)

    assert look_for_money(house.ports)["schedules_looked_up"] == 0

    blocked = "SELECT count(*) FROM billing_key WHERE foreign_schedule_since IS NOT NULL"
    assert house.value(blocked) == 1
    assert len(_halts(house)) == 1
    house.point_at(own)
    assert look_for_money(house.ports)["schedules_looked_up"] == 1
    assert house.value(blocked) == 0
