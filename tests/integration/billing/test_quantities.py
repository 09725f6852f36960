"""A quantity is changed from the next period on; what is told before is what is then opened."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from billing.change_quantity import change_quantity
from billing.change_subscription import By, cancel
from billing.foresee import foresee
from billing.stop_subscription import stop_subscription
from domain.errors import BadInput, Conflict, NotFound
from domain.stop import Stop
from models.ids import new_id
from tests.support.consents import amounts, broken

if TYPE_CHECKING:
    from tests.support.house import House

BY = By(actor="mina", reason="two more people")


def test_what_is_told_before_is_what_is_opened_from_the_next_period_on(house: House) -> None:
    sub = house.subscription(started_on=date(2026, 1, 31))
    house.tick()
    house.charge()

    told = change_quantity(house.database, sub, 3, by=BY, dry_run=True)
    assert house.value("SELECT quantity FROM subscription") == 1
    assert change_quantity(house.database, sub, 3, by=BY) == told
    assert (told.old_won, told.new_won, told.ordinal) == (9_900, 29_700, 1)
    with house.database.reading() as tx:
        foreseen = {each.ordinal: each.amount for each in foresee(tx, until=told.due_at or house.now)}
    house.to(told.due_at or house.now)
    house.tick()
    house.charge()
    change_quantity(house.database, sub, 2, by=BY)
    house.advance(days=31)
    house.tick()

    assert amounts(house, sub) == [9_900, 29_700, 19_800]
    assert foreseen == {1: 29_700}
    rows = house.rows("SELECT actor, details FROM audit_entry WHERE action = 'subscription.quantity_changed'")
    assert [(row.actor, row.details["old_quantity"], row.details["new_quantity"]) for row in rows] == [
        ("mina", 1, 3),
        ("mina", 3, 2),
    ]
    assert broken(house) == []


def test_what_cannot_be_is_refused_and_changes_nothing(house: House) -> None:
    sub, gone, leaving = (house.subscription() for _ in range(3))
    house.tick()
    cancel(house.ports, gone, by=BY)
    stop_subscription(house.ports, leaving, Stop.CANCEL, at_period_end=True, by=BY)

    for target, quantity, error, told in (
        (sub, 0, BadInput, "is below 1"),
        (sub, 1, Conflict, "has 1 already"),
        (sub, 200_000, BadInput, "is more than 1,000,000,000 won a period"),
        (gone, 2, Conflict, "has ended"),
        (leaving, 2, Conflict, "no invoice follows"),
        (new_id(house.now), 2, NotFound, "there is no subscription"),
    ):
        with pytest.raises(error, match=told):
            change_quantity(house.database, target, quantity, by=BY)
    assert house.value("SELECT sum(quantity) FROM subscription") == 3
