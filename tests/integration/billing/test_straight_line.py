"""A charge from due to paid, and each way in which it goes wrong: real PostgreSQL, the gateway in memory."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from tests.fakes.gateway import Fate

if TYPE_CHECKING:
    from tests.support.house import House

pytestmark = pytest.mark.at_both_gateways


def test_a_due_period_is_opened_charged_and_paid_once(house: House) -> None:
    sub = house.subscription()

    house.tick()
    run = house.charge()

    assert run.claimed == 1
    assert house.states("invoice") == {"paid": 1}
    assert house.paid_at_gateway() == {house.uid(sub, 0)[:-3]: 1}
    assert house.value("SELECT count(*) FROM payment WHERE counts") == 1


def test_ringing_every_bell_ten_times_changes_nothing(house: House) -> None:
    for _ in range(7):
        house.subscription()

    for _ in range(10):
        house.tick()
        house.charge()
        house.resolve()

    assert house.states("charge_attempt") == {"approved": 7}
    assert set(house.paid_at_gateway().values()) == {1}


def test_an_engine_that_was_down_for_months_charges_every_period_that_fell_due(house: House) -> None:
    sub = house.subscription(started_on=date(2026, 1, 31))
    house.advance(days=150)

    for _ in range(6):  # at most one charge a customer and day
        house.tick()
        house.charge()
        house.advance(days=1)

    assert house.paid_at_gateway() == {house.uid(sub, ordinal)[:-3]: 1 for ordinal in range(6)}


@pytest.mark.parametrize("fate", [Fate.LOSE_ANSWER, Fate.SERVER_ERROR_AFTER])
def test_an_answer_lost_after_approval_is_found_and_not_charged_again(house: House, fate: Fate) -> None:
    sub = house.subscription()
    house.gateway.script(house.uid(sub, 0), fate)

    house.tick()
    house.charge()
    assert house.states("charge_attempt") == {"unknown": 1}
    house.settle()

    assert house.states("invoice") == {"paid": 1}
    assert len(house.gateway.asked) == 1
    assert house.value("SELECT count(*) FROM evidence WHERE said = 'paid'") == 1


@pytest.mark.parametrize("fate", [Fate.LOSE_REQUEST, Fate.SERVER_ERROR_BEFORE, Fate.SLOW_DOWN])
def test_a_request_that_never_arrived_is_sent_again_under_the_same_number_after_proven_absence(
    house: House, fate: Fate
) -> None:
    sub = house.subscription()
    house.gateway.script(house.uid(sub, 0), fate)

    house.tick()
    house.charge()
    house.settle()

    assert house.states("invoice") == {"paid": 1}
    assert [charge.merchant_uid for charge in house.gateway.asked] == [house.uid(sub, 0)] * 2
    committed = house.rows("SELECT committed_at FROM send ORDER BY send_no")
    assert (committed[1][0] - committed[0][0]).total_seconds() >= 2700


def test_look_ups_that_lag_behind_a_charge_do_not_make_a_second_one(house: House) -> None:
    sub = house.subscription()
    house.gateway.script(house.uid(sub, 0), Fate.LOSE_ANSWER)
    house.gateway.lag(house.uid(sub, 0), looks=5)

    house.tick()
    house.charge()
    house.settle()

    assert house.states("invoice") == {"paid": 1}
    assert len(house.gateway.asked) == 1


def test_a_decline_climbs_the_ladder_and_a_later_approval_ends_it(house: House) -> None:
    sub = house.subscription()
    house.gateway.script(house.uid(sub, 0, 1), Fate.DECLINE)
    house.gateway.script(house.uid(sub, 0, 2), Fate.DECLINE)

    house.tick()
    house.charge()
    assert house.states("subscription") == {"past_due": 1}
    waits = house.rows("SELECT next_attempt_at, ladder_step FROM invoice")[0]
    assert (waits.next_attempt_at - house.now).days == 1
    house.advance(days=1)
    house.charge()
    house.advance(days=3)
    house.charge()

    assert house.states("invoice") == {"paid": 1}
    assert house.states("subscription") == {"active": 1}
    assert [charge.merchant_uid[-1] for charge in house.gateway.asked] == ["b", "c", "d"]


def test_the_ladder_ends_and_the_subscription_goes_on_with_its_next_period(house: House) -> None:
    sub = house.subscription()
    for attempt_no in range(1, 5):
        house.gateway.script(house.uid(sub, 0, attempt_no), Fate.DECLINE)

    for _ in range(30):
        house.tick()
        house.charge()
        house.advance(days=1)

    assert house.states("invoice") == {"uncollectible": 1, "paid": 1}
    assert house.states("subscription") == {"active": 1}


def test_a_dead_card_is_not_tried_again_by_itself(house: House) -> None:
    sub = house.subscription()
    house.gateway.script(house.uid(sub, 0), Fate.NO_CUSTOMER)

    for _ in range(20):
        house.tick()
        house.charge()
        house.advance(days=1)

    assert len(house.gateway.asked) == 1
    assert house.states("invoice") == {"past_due": 1}


def test_an_earlier_attempt_that_turned_paid_late_is_found_before_the_next_number_is_minted(house: House) -> None:
    sub = house.subscription()
    house.gateway.script(house.uid(sub, 0), Fate.DECLINE)
    house.tick()
    house.charge()
    house.gateway.record_payment(house.gateway.asked[0])

    house.advance(days=1)
    house.charge()

    assert house.states("invoice") == {"paid": 1}
    assert house.states("charge_attempt") == {"approved": 1}
    assert len(house.gateway.asked) == 1
    assert house.value("SELECT count(*) FROM outbox_event WHERE is_incident AND kind = 'attempt.approved_late'") == 1


def test_a_paid_answer_with_another_amount_goes_before_an_operator_and_is_not_credited(house: House) -> None:
    sub = house.subscription()
    house.gateway.script(house.uid(sub, 0), Fate.MISMATCH)

    house.tick()
    house.charge()
    house.settle(hours=1.5, step_seconds=120)

    assert house.states("charge_attempt") == {"unknown": 1}
    assert house.states("invoice") == {"open": 1}
    assert house.value("SELECT count(*) FROM charge_attempt WHERE operator_since IS NOT NULL") == 1
    assert len(house.gateway.asked) == 1


def test_a_duplicate_answer_is_looked_up_and_never_taken_for_success(house: House) -> None:
    sub = house.subscription()
    house.gateway.script(house.uid(sub, 0), Fate.DUPLICATE)

    house.tick()
    house.charge()
    house.resolve()

    assert house.states("charge_attempt") == {"unknown": 1}
    house.settle()
    assert house.states("invoice") == {"paid": 1}
    assert house.paid_at_gateway() == {house.uid(sub, 0)[:-3]: 1}


def test_a_refused_request_is_declined_without_a_strike_once_absence_is_proven(house: House) -> None:
    sub = house.subscription()
    house.gateway.script(house.uid(sub, 0), Fate.REFUSE)

    house.tick()
    house.charge()
    house.settle()

    attempt = house.rows("SELECT state, decline_code FROM charge_attempt")[0]
    assert (attempt.state, attempt.decline_code) == ("declined", "request_refused")
    assert house.rows("SELECT ladder_step, next_attempt_at FROM invoice") == [(0, None)]
    assert len(house.gateway.asked) == 1


def test_a_charge_that_never_left_is_sent_again_soon_under_the_same_number(house: House) -> None:
    sub = house.subscription()
    house.gateway.script(house.uid(sub, 0), Fate.NOT_SENT, Fate.NOT_SENT)

    for _ in range(5):
        house.tick()
        house.charge()
        house.advance(seconds=11)

    assert house.states("invoice") == {"paid": 1}
    assert house.value("SELECT max(send_no) FROM send") == 3
    assert house.value("SELECT count(*) FROM charge_attempt") == 1
    assert [charge.merchant_uid for charge in house.gateway.asked] == [house.uid(sub, 0)]


def test_a_fresh_token_that_is_refused_halts_the_channel_and_nothing_is_lost(house: House) -> None:
    subs = [house.subscription() for _ in range(3)]
    house.gateway.script(house.uid(subs[0], 0), Fate.UNAUTHORIZED)

    house.tick()
    house.charge()
    house.advance(minutes=5)
    run = house.charge()

    assert run.claimed == 0
    assert house.value("SELECT halt_reason FROM channel_state") is not None
    assert house.states("charge_attempt").get("not_executed", 0) >= 1


def test_absent_three_times_asks_an_operator_and_only_that_invoice_waits(house: House) -> None:
    sub = house.subscription()
    house.gateway.script(house.uid(sub, 0), Fate.LOSE_REQUEST, Fate.LOSE_REQUEST, Fate.LOSE_REQUEST)

    house.tick()
    house.charge()
    house.settle(hours=12, step_seconds=120)
    house.advance(days=29)
    house.tick()
    house.charge()

    assert len(house.gateway.asked) == 4
    assert house.states("invoice") == {"open": 1, "paid": 1}
    assert house.value("SELECT operator_reason FROM charge_attempt WHERE state = 'not_executed'") is not None
