"""What waited behind a brake goes on from what is known then, not from what was known when it began to wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from billing.change_subscription import By
from billing.halt_channel import halt, resume
from tests.fakes.gateway import Fate

if TYPE_CHECKING:
    from tests.support.house import House

pytestmark = pytest.mark.at_both_gateways

BY = By(actor="ops", reason="a test")


@pytest.mark.parametrize("fate", [Fate.NOT_SENT, Fate.LOSE_REQUEST])
def test_a_reattempt_that_waited_behind_a_halt_is_not_sent_again_before_a_look_at_what_came_before_it(
    house: House, fate: Fate
) -> None:
    sub = house.subscription()
    house.tick()
    house.gateway.script(house.uid(sub, 0), Fate.DECLINE)
    house.charge()
    (first,) = house.gateway.asked
    house.advance(days=1, hours=1)
    house.tick()
    house.gateway.script(house.uid(sub, 0, 2), fate)
    house.charge()
    halt(house.database, "default", by=BY)
    for _ in range(30):  # an unknown is proven absent meanwhile
        house.advance(minutes=10)
        house.resolve()
    assert house.states("charge_attempt") == {"declined": 1, "not_executed": 1}
    house.gateway.records.clear()
    house.gateway.record_payment(first)  # declined, it was told; it is paid
    house.advance(days=3)
    resume(house.database, "default", by=BY)

    for _ in range(3):
        house.tick()
        house.charge()
        house.advance(minutes=1)

    assert house.paid_at_gateway() == {house.uid(sub, 0)[:-3]: 1}
    assert house.states("invoice") == {"paid": 1}
    assert house.states("charge_attempt") == {"approved": 1, "abandoned": 1}
