"""A gateway that is slow to answer questions takes nothing from what is sent, and hides nothing from an operator."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest

from billing.charge_due import charge_due
from billing.refund_due import refund_due
from billing.resolve_unknown import resolve_unknown
from domain.errors import GatewayUnreachable
from tests.fakes.cancels import CancelFate
from tests.fakes.gateway import Fate
from tests.support.other_hands import Instead
from tests.support.refunds import ask, pay, refund, settle_refunds, unlike

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from billing.ports import Ports
    from tests.support.house import House

pytestmark = pytest.mark.at_both_gateways

#: More than a run has time for at ``SLOW_SECONDS`` each, with all that are under way when its time is over.
MANY: Final = 40
SLOW_SECONDS: Final = 0.25


@pytest.fixture
def house(house: House) -> House:
    house.limit(run_seconds=8)
    return house


def slow(house: House, *names: str, seconds: float = SLOW_SECONDS, hangs: bool = False) -> tuple[Ports, list[str]]:
    """The ports of a process whose questions of these names take so long, one after the other; and those asked."""
    asked: list[str] = []
    one_at_a_time = threading.Lock()

    def slowly(name: str) -> Callable[..., Any]:
        def call(**given: Any) -> Any:  # noqa: ANN401 - as the gateway's own
            with one_at_a_time:
                asked.append(name)
                house.advance(seconds=seconds)
                if hangs:
                    raise GatewayUnreachable("no answer in time")
                return getattr(house.gateway, name)(**given)

        return call

    return replace(house.ports, gateway=Instead(house, **{name: slowly(name) for name in names})), asked


def first_charges(house: House, fate: Fate, count: int) -> list[UUID]:
    subs = [house.subscription() for _ in range(count)]
    for sub in subs:
        house.gateway.script(house.uid(sub, 0), fate)
    house.tick()
    house.charge()
    return subs


def test_slow_looks_before_reattempts_leave_a_run_the_time_to_charge(house: House) -> None:
    first_charges(house, Fate.DECLINE, MANY)
    house.advance(days=1, hours=1)
    new = house.subscription()
    house.tick()
    ports, asked = slow(house, "find_all")

    run = charge_due(ports)

    assert 0 < len(asked) < MANY
    assert house.uid(new, 0) in {charge.merchant_uid for charge in house.gateway.asked}
    assert run.claimed == 1 + len(asked)
    for _ in range(3):
        house.tick()
        charge_due(ports)
    assert house.states("invoice") == {"paid": MANY + 1}
    assert set(house.paid_at_gateway().values()) == {1}


def test_a_run_that_spent_its_time_with_looks_claims_nothing(house: House) -> None:
    first_charges(house, Fate.DECLINE, 1)
    house.advance(days=1, hours=1)
    house.tick()
    ports, _ = slow(house, "find_all", seconds=9)

    assert charge_due(ports).claimed == 0
    assert house.charge().claimed == 1

    assert house.states("invoice") == {"paid": 1}


def test_looks_that_hang_end_in_time_and_every_unknown_comes_before_an_operator(house: House) -> None:
    first_charges(house, Fate.LOSE_REQUEST, MANY)
    house.limit(operator_deadline=timedelta(minutes=1))
    house.advance(minutes=5)
    ports, asked = slow(house, "find_all", hangs=True)
    ports = replace(ports, limits=replace(ports.limits, run_seconds=2))

    assert resolve_unknown(ports) == {"unknown": MANY}

    assert len(asked) < MANY
    assert house.value("SELECT count(*) FROM outbox_event WHERE kind = 'attempt.needs_operator'") == MANY
    house.settle(hours=6, step_seconds=300)
    assert house.states("invoice") == {"paid": MANY}
    assert set(house.paid_at_gateway().values()) == {1}


def test_a_refund_run_that_spent_its_time_with_looks_sends_nothing(house: House) -> None:
    (lost, first), (_, second) = pay(house, 2).items()
    ask(house, first, 1_000)
    house.gateway.cancels.script(lost, CancelFate.LOSE_ANSWER)
    house.refund()
    house.advance(minutes=5)
    wanted = ask(house, second, 2_000)
    ports, _ = slow(house, "payment", seconds=9)

    refund_due(ports)

    assert refund(house, wanted).state == "requested"
    settle_refunds(house)
    assert house.states("refund") == {"succeeded": 2}
    assert unlike(house) == []
