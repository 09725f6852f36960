"""A look at what came before a reattempt is as old as its question, however late its answer is written down."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from billing.change_subscription import By
from billing.charge_now import charge_now
from billing.clear_reattempt import clear_reattempts
from billing.token_in_hand import token_in_hand
from tests.fakes.gateway import FakeGateway, Fate

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from gateway.port import AccessToken, Charge, Finding
    from tests.support.house import House

pytestmark = pytest.mark.at_both_gateways

BY = By(actor="ops", reason="a test")


@dataclass(slots=True)
class Freezing(FakeGateway):
    """Whoever looks up next is frozen once it has its answer, while this goes on."""

    meanwhile: Callable[[], None] | None = None

    def find_all(self, *, merchant_uid: str, token: AccessToken) -> Finding:  # type: ignore[explicit-override]  # typing has no @override in 3.11
        found = FakeGateway.find_all(self, merchant_uid=merchant_uid, token=token)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return found


@pytest.fixture
def gateway(house: House) -> Freezing:
    """The gateway of the house."""
    built = Freezing(is_strict=house.gateway.is_strict, now=lambda: house.real, boottime=house.boottime)
    house.gateway = built
    house.ports = replace(house.ports, gateway=built)
    return built


def declined(house: House) -> tuple[UUID, Charge]:
    """A subscription that was declined, and is due again; and what was asked."""
    sub = house.subscription()
    house.tick()
    house.gateway.script(house.uid(sub, 0), Fate.DECLINE)
    house.charge()
    house.advance(days=1, hours=1)
    house.tick()
    (first,) = house.gateway.asked
    return sub, first


def turns_paid(gateway: Freezing, charge: Charge) -> None:
    """What was told as declined is paid now."""
    gateway.records[:] = [each for each in gateway.records if each.merchant_uid != charge.merchant_uid]
    gateway.record_payment(charge)


def look(house: House) -> None:
    clear_reattempts(house.ports, token_in_hand(house.ports))


def test_a_look_whose_process_froze_is_made_again(house: House, gateway: Freezing) -> None:
    sub, first = declined(house)

    def hours_pass() -> None:
        house.advance(hours=2)
        turns_paid(gateway, first)

    gateway.meanwhile = hours_pass
    look(house)
    house.charge()

    assert house.paid_at_gateway() == {house.uid(sub, 0)[:-3]: 1}
    assert house.states("invoice") == {"paid": 1}


def test_an_older_look_that_is_written_later_does_not_take_the_place_of_a_newer_one(
    house: House, gateway: Freezing
) -> None:
    declined(house)

    def another_looks() -> None:
        house.advance(minutes=1)
        look(house)

    gateway.meanwhile = another_looks
    look(house)

    assert house.value("SELECT cleared_at FROM charge_attempt") == house.real


def test_a_look_from_before_a_resend_says_nothing_of_it(house: House, gateway: Freezing) -> None:
    sub, _ = declined(house)
    second = house.uid(sub, 0, 2)
    gateway.script(second, Fate.NOT_SENT, Fate.DECLINE)
    house.charge()
    house.advance(hours=1)
    assert house.states("charge_attempt") == {"declined": 1, "not_executed": 1}

    def another_sends() -> None:
        house.charge()

    gateway.meanwhile = another_sends
    look(house)
    assert house.states("charge_attempt") == {"declined": 2}
    turns_paid(gateway, gateway.asked[-1])
    charge_now(house.ports, house.value("SELECT id FROM invoice"), by=BY)
    house.charge()

    assert house.paid_at_gateway() == {house.uid(sub, 0)[:-3]: 1}
    assert house.states("invoice") == {"paid": 1}
