"""What a change of card or a pause does to what is owed: nothing owed is forgotten."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from billing.answer_foreign import ignore_schedule
from billing.change_subscription import By, Made, change_card, pause, resume
from billing.charge_now import charge_now
from billing.compare_gateway import compare_due
from tests.fakes.gateway import Fate

if TYPE_CHECKING:
    from uuid import UUID

    from tests.support.house import House

pytestmark = pytest.mark.at_both_gateways

BY = By(actor="ops", reason="a test")


def _with_a_dead_card(house: House) -> UUID:
    sub = house.subscription()
    house.gateway.script(house.uid(sub, 0), Fate.NO_CUSTOMER)
    house.tick()
    house.charge()
    assert house.rows("SELECT state, next_attempt_at FROM invoice") == [("past_due", None)]
    return sub


def test_a_new_card_pays_what_waited_for_one(house: House) -> None:
    sub = _with_a_dead_card(house)

    change_card(house.ports, sub, customer_uid="a-new-card", by=BY)
    house.charge()

    assert house.states("invoice") == {"paid": 1}
    assert house.states("subscription") == {"active": 1}
    assert [charge.customer_uid for charge in house.gateway.asked][-1] == "a-new-card"


def test_a_new_card_that_came_during_a_pause_pays_what_waited_for_one_after_the_resume(house: House) -> None:
    sub = _with_a_dead_card(house)

    pause(house.ports, sub, by=BY)
    change_card(house.ports, sub, customer_uid="a-new-card", by=BY)
    house.charge()
    assert house.states("invoice") == {"past_due": 1}
    resume(house.ports, sub, by=BY)
    house.charge()

    assert house.states("invoice") == {"paid": 1}


def test_a_pause_keeps_the_ladder_and_a_resume_goes_on_with_it(house: House) -> None:
    sub = house.subscription()
    house.gateway.script(house.uid(sub, 0), Fate.DECLINE)
    house.tick()
    house.charge()
    planned = house.value("SELECT next_attempt_at FROM invoice")

    pause(house.ports, sub, by=BY)
    assert house.value("SELECT next_attempt_at FROM invoice") is None
    resume(house.ports, sub, by=BY)

    assert house.value("SELECT next_attempt_at FROM invoice") == planned


def test_a_period_that_an_operator_charges_first_still_has_its_ladder(house: House) -> None:
    sub = house.subscription()
    house.gateway.script(house.uid(sub, 0), Fate.DECLINE)
    house.tick()
    invoice_id = house.value("SELECT id FROM invoice")

    charge_now(house.ports, invoice_id, by=BY)
    house.charge()

    assert house.value("SELECT next_attempt_at FROM invoice") is not None


def test_a_new_card_that_is_declined_for_its_limit_is_tried_again(house: House) -> None:
    sub = _with_a_dead_card(house)
    house.gateway.script(house.uid(sub, 0, 2), Fate.DECLINE)

    change_card(house.ports, sub, customer_uid="a-new-card", by=BY)
    house.charge()

    assert house.value("SELECT next_attempt_at FROM invoice") is not None


def test_a_pause_and_resume_do_not_send_what_waits_for_an_operator(house: House) -> None:
    sub = house.subscription()
    house.gateway.script(house.uid(sub, 0, 1), Fate.DECLINE)
    house.gateway.script(house.uid(sub, 0, 2), *[Fate.LOSE_REQUEST] * 4)
    house.tick()
    house.charge()
    house.advance(days=1)
    house.settle(hours=12, step_seconds=300)
    asked = len(house.gateway.asked)
    assert house.value("SELECT operator_reason FROM charge_attempt WHERE state = 'not_executed'") is not None

    pause(house.ports, sub, by=BY)
    resume(house.ports, sub, by=BY)
    house.charge()

    assert len(house.gateway.asked) == asked


def test_a_card_change_that_waited_is_dropped_if_a_foreign_schedule_was_found_meanwhile(house: House) -> None:
    """The new card and the schedule of the old one would pay for the same period."""
    sub = house.subscription()
    card = house.card_of(sub)
    house.tick()
    house.gateway.script(house.uid(sub, 0), Fate.LOSE_DECLINE)
    house.charge()
    assert change_card(house.ports, sub, customer_uid="a-new-card", by=BY) is Made.AFTER_OUTCOME
    house.gateway.book.add("theirs", customer_uid=card, at=house.now + timedelta(days=2))
    compare_due(house.ports, for_seconds=600)

    for _ in range(30):
        house.advance(minutes=10)
        house.resolve()
        house.tick()
        house.charge()

    assert house.states("charge_attempt") == {"declined": 1}
    assert house.gateway.paid_won() == 0
    assert house.card_of(sub) == card
    (dropped,) = house.rows("SELECT kind, data FROM outbox_event WHERE is_incident AND kind LIKE '%dropped'")
    assert dropped.kind == "subscription.change_card_dropped"
    assert dropped.data["customer_uid"] == "a-new-card"
    assert "schedule list" in dropped.data["reason"]
    assert house.value("SELECT count(*) FROM audit_entry WHERE action = 'subscription.change_card_dropped'") == 1

    # Once somebody has answered it is asked for again.
    ignore_schedule(house.database, "default", "theirs", by=BY)
    assert change_card(house.ports, sub, customer_uid="a-new-card", by=BY) is Made.AT_ONCE
    house.charge()
    assert [charge.customer_uid for charge in house.gateway.asked] == [card, "a-new-card"]
    assert house.states("invoice") == {"paid": 1}


def test_a_pause_that_waited_is_made_whatever_is_found_of_its_card(house: House) -> None:
    sub = house.subscription()
    house.tick()
    house.gateway.script(house.uid(sub, 0), Fate.LOSE_DECLINE)
    house.charge()
    assert pause(house.ports, sub, by=BY) is Made.AFTER_OUTCOME
    house.gateway.book.add("theirs", customer_uid=house.card_of(sub), at=house.now + timedelta(days=2))
    compare_due(house.ports, for_seconds=600)

    house.settle(hours=4, step_seconds=300)

    assert house.states("subscription") == {"paused": 1}
