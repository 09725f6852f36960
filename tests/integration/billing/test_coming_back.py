"""What is owed when billing begins again: a first card, a subscription taken back, an end that wins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from billing.change_subscription import By, Made, cancel, change_card, pause, release
from domain.errors import Conflict
from tests.fakes.gateway import Fate

if TYPE_CHECKING:
    from uuid import UUID

    from tests.support.house import House

pytestmark = pytest.mark.at_both_gateways

BY = By(actor="kim", reason="asked by the customer")


def _run(house: House) -> None:
    house.tick()
    house.charge()


def _write(house: House, statement: str, sub_id: UUID) -> None:
    with house.database.transaction() as tx:
        tx.connection.execute(text(statement), {"id": sub_id})


def test_a_first_card_that_comes_late_owes_what_catch_up_says_and_not_every_period(house: House) -> None:
    sub = house.subscription()
    _write(house, "UPDATE subscription SET state = 'pending', billing_key_id = NULL WHERE id = :id", sub)
    house.advance(days=150)  # the sixth period runs; five have ended

    change_card(house.ports, sub, customer_uid="card-first", by=BY)
    _run(house)

    assert house.paid_at_gateway() == {house.uid(sub, ordinal)[:-3]: 1 for ordinal in (4, 5)}
    assert house.rows("SELECT first_ordinal, last_ordinal, reason FROM skipped_period") == [(0, 3, "paused")]


def test_a_set_aside_subscription_is_released_and_billed_for_every_period_that_fell_due(house: House) -> None:
    sub = house.subscription()
    with pytest.raises(Conflict, match="is not set aside"):
        release(house.ports, sub, by=BY)
    _write(house, "UPDATE subscription SET set_aside_reason = 'garbage' WHERE id = :id", sub)
    house.advance(days=40)
    _run(house)
    assert house.paid_at_gateway() == {}

    release(house.ports, sub, by=BY)
    _run(house)
    house.advance(days=1)  # what it missed is charged on another day than what runs
    _run(house)

    assert house.paid_at_gateway() == {house.uid(sub, ordinal)[:-3]: 1 for ordinal in (0, 1)}


def test_a_cancel_wins_over_another_change_that_waits_for_an_outcome(house: House) -> None:
    sub = house.subscription()
    house.gateway.script(house.uid(sub, 0), Fate.LOSE_ANSWER)
    _run(house)
    assert pause(house.ports, sub, by=BY) is Made.AFTER_OUTCOME

    assert cancel(house.ports, sub, by=BY) is Made.AFTER_OUTCOME
    house.settle()

    assert house.states("subscription") == {"ended": 1}
    assert house.states("invoice") == {"paid": 1}


def test_refused_connections_are_tried_again_ever_more_slowly(house: House) -> None:
    sub = house.subscription()
    house.gateway.script(house.uid(sub, 0), *[Fate.NOT_SENT] * 500)

    for _ in range(360):  # an hour of ten-second bells
        _run(house)
        house.advance(seconds=10)

    sends = house.value("SELECT max(send_no) FROM send")
    assert 10 <= sends <= 20
    assert len(house.gateway.asked) == 0
