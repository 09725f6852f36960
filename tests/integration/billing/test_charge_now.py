"""An operator's hand: an invoice is due now, once, and no guard and no ladder is gone round."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest
from sqlalchemy import text

from billing.change_subscription import By
from billing.charge_due import charge_due
from billing.charge_now import charge_now
from billing.claim_due import claim_due
from billing.token_in_hand import token_in_hand
from domain.errors import Conflict
from tests.fakes.gateway import Fate
from tests.support.mortal import settle_fast
from tests.support.racing import race

if TYPE_CHECKING:
    from tests.support.house import House

pytestmark = pytest.mark.at_both_gateways

BY: Final = By(actor="operator@shop.example", reason="a customer called")


@pytest.mark.parametrize("fate", [Fate.LOSE_ANSWER, None])
def test_charge_now_on_an_undecided_attempt_changes_nothing_and_stops_no_other_claim(
    house: House, fate: Fate | None
) -> None:
    if fate is None:  # in flight
        house.subscription()
        house.tick()
        claim_due(house.ports, token_in_hand(house.ports), at_most=1)
        invoice = house.value("SELECT id FROM invoice")
    else:
        sub = house.subscription()
        house.gateway.script(house.uid(sub, 0), fate)
        house.tick()
        house.charge()
        invoice = house.value("SELECT id FROM invoice")
    before = house.rows("SELECT * FROM invoice")

    with pytest.raises(Conflict):
        charge_now(house.ports, invoice, by=BY)

    assert house.rows("SELECT * FROM invoice") == before
    assert house.value("SELECT count(*) FROM audit_entry") == 0
    for _ in range(3):
        house.subscription()
    house.tick()
    assert house.charge().claimed == 3


def test_a_double_click_and_two_operators_charge_once(house: House) -> None:
    sub = house.subscription()
    house.gateway.script(house.uid(sub, 0), Fate.DECLINE)
    house.tick()
    house.charge()
    invoice = house.value("SELECT id FROM invoice")
    house.advance(minutes=10)

    race(*[lambda: charge_now(house.ports, invoice, by=BY)] * 4, lambda: charge_due(house.ports))
    race(*[lambda: charge_due(house.ports)] * 3)

    assert house.states("invoice") == {"paid": 1}
    assert len(house.gateway.asked) == 2
    assert house.value("SELECT count(*) FROM audit_entry WHERE action = 'invoice.charge_now'") == 4


def test_charge_now_leaves_the_ladder_as_it_was(house: House) -> None:
    sub = house.subscription()
    house.gateway.script(house.uid(sub, 0, 1), Fate.DECLINE)
    house.gateway.script(house.uid(sub, 0, 2), Fate.DECLINE)
    house.tick()
    house.charge()
    planned = house.value("SELECT next_attempt_at FROM invoice")
    invoice = house.value("SELECT id FROM invoice")
    house.advance(minutes=10)

    charge_now(house.ports, invoice, by=BY)
    charge_now(house.ports, invoice, by=BY)
    house.charge()

    ladder = house.rows("SELECT ladder_step, next_attempt_at FROM invoice")[0]
    assert ladder.ladder_step == 1
    assert ladder.next_attempt_at == max(planned, house.now + timedelta(days=1))


def test_charge_now_on_a_first_attempt_that_is_declined_still_climbs_the_ladder(house: House) -> None:
    sub = house.subscription()
    house.gateway.script(house.uid(sub, 0, 1), Fate.DECLINE)
    house.tick()

    charge_now(house.ports, house.value("SELECT id FROM invoice"), by=BY)
    settle_fast(house, days=6)

    assert house.states("invoice") == {"paid": 1}


def test_charge_now_refuses_an_invoice_whose_card_was_revoked(house: House) -> None:
    house.subscription()
    house.tick()
    with house.database.transaction() as tx:
        tx.connection.execute(text("UPDATE billing_key SET revoked_at = :now"), {"now": house.now})

    with pytest.raises(Conflict, match="revoked"):
        charge_now(house.ports, house.value("SELECT id FROM invoice"), by=BY)
