"""An adopted schedule is revoked in the very moment in which it runs: its period is paid by it, or by us, once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from billing.finish_adoption import Stands, finish_adoption
from gateway.port import ScheduleState
from tests.fakes.schedules import RevokeFate
from tests.support.other_hands import (
    MONTHS,
    PERIODS,
    Instead,
    Subscriber,
    begun,
    go_on,
    payments,
    schedule_all,
    somebodys,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from gateway.port import AccessToken, Schedule
    from tests.support.house import House

HOURS_AHEAD = Subscriber(ref="a", first_in=2 * 3_600 + 30)


@pytest.fixture
def house(house: House) -> House:
    house.plan()
    return house


def revoke_all(house: House) -> None:
    """Somebody revokes them at the console."""
    for period in range(PERIODS):
        house.gateway.book.put(f"old-a-{period}", ScheduleState.REVOKED)


def forget_all(house: House) -> None:
    """The gateway knows them no more."""
    for period in range(PERIODS):
        house.gateway.book.forget(f"old-a-{period}")


def ran_all_the_same(house: House) -> None:
    """What was under way is written down a minute later, which the gateway's longest time allows."""
    house.advance(seconds=60)
    somebodys(house, HOURS_AHEAD.card, name="old-a-0")


def asked_in_vain(house: House, someone: Subscriber) -> UUID:
    """That it is asked to revoke is written down, hours before the schedule's time; no request comes there."""
    schedule_all(house, [someone])
    offer = begun(house, someone)
    house.gateway.book.fates.extend([RevokeFate.LOST_NOT_DONE] * 4)
    assert not finish_adoption(house.ports, offer.subscription_id).is_done
    return offer.subscription_id


@pytest.mark.parametrize("first_in", [30, 2 * 3_600 + 30], ids=["asked just before", "asked hours before"])
def test_a_request_to_revoke_that_comes_as_its_schedule_runs_does_not_charge_its_period_twice(
    house: House, first_in: int
) -> None:
    someone = replace(HOURS_AHEAD, first_in=first_in)
    schedule_all(house, [someone])
    offer = begun(house, someone)

    def late(*, customer_uid: str, merchant_uids: Sequence[str], token: AccessToken) -> Sequence[Schedule]:
        del token
        house.to(someone.at(0) - timedelta(seconds=1))
        found = house.gateway.book.revoke(customer_uid, merchant_uids)
        house.to(someone.at(0) + timedelta(seconds=5))
        return found

    ports = replace(house.ports, gateway=Instead(house, unschedule=late))
    assert not finish_adoption(ports, offer.subscription_id).is_done
    ran_all_the_same(house)

    go_on(house, *MONTHS[:2])

    assert house.states("adoption") == {"done": 1}
    assert payments(house, [someone]) == {"a": {0: 1}}


@pytest.mark.parametrize("end", [revoke_all, forget_all])
@pytest.mark.parametrize("ran", [True, False])
def test_what_ends_in_its_moment_is_looked_up_for_money_however_long_ago_we_asked(
    house: House, end: Callable[[House], None], ran: bool
) -> None:
    subscription = asked_in_vain(house, HOURS_AHEAD)
    house.to(HOURS_AHEAD.at(0) - timedelta(seconds=1))
    end(house)
    house.advance(seconds=6)
    early = finish_adoption(house.ports, subscription)
    assert early.waits_until is not None
    if ran:
        ran_all_the_same(house)
    house.to(early.waits_until)

    stands = finish_adoption(house.ports, subscription)

    assert (early.is_done, stands.is_done, stands.paid_elsewhere) == (False, True, int(ran))
    assert house.value("SELECT count(*) FROM foreign_payment WHERE accepted_at IS NOT NULL") == int(ran)
    go_on(house, *MONTHS[:2])
    assert payments(house, [HOURS_AHEAD]) == {"a": {0: 1}}


def test_what_was_revoked_in_its_moment_and_is_looked_at_an_hour_later_is_looked_up_for_money(house: House) -> None:
    subscription = asked_in_vain(house, HOURS_AHEAD)
    house.to(HOURS_AHEAD.at(0) - timedelta(seconds=1))
    revoke_all(house)
    ran_all_the_same(house)
    house.advance(hours=1)

    stands = finish_adoption(house.ports, subscription)

    assert (stands.is_done, stands.paid_elsewhere) == (True, 1)
    go_on(house, *MONTHS[:2])
    assert payments(house, [HOURS_AHEAD]) == {"a": {0: 1}}


def test_a_look_that_froze_until_the_schedule_ran_is_no_look_from_before(house: House) -> None:
    subscription = asked_in_vain(house, HOURS_AHEAD)

    def frozen(*, merchant_uid: str, token: AccessToken) -> Schedule | None:
        if merchant_uid == "old-a-0":
            house.to(HOURS_AHEAD.at(0) - timedelta(seconds=1))
            revoke_all(house)
            house.advance(seconds=6)
        return house.gateway.schedule(merchant_uid=merchant_uid, token=token)

    stands = looked(house, subscription, schedule=frozen)
    ran_all_the_same(house)

    assert not stands.is_done
    go_on(house, *MONTHS[:2])
    assert payments(house, [HOURS_AHEAD]) == {"a": {0: 1}}


def looked(house: House, subscription: UUID, **calls: Any) -> Stands:  # noqa: ANN401 - calls of the gateway
    """One more look, for which some calls of the gateway are others."""
    ports = replace(house.ports, gateway=Instead(house, **calls))
    return finish_adoption(ports, subscription)


def test_a_payment_that_is_not_decided_yet_is_waited_for(house: House) -> None:
    subscription = asked_in_vain(house, HOURS_AHEAD)
    house.to(HOURS_AHEAD.at(0) - timedelta(seconds=1))
    revoke_all(house)
    ready = somebodys(house, HOURS_AHEAD.card, name="old-a-0", status="ready")
    house.advance(hours=1)

    assert not finish_adoption(house.ports, subscription).is_done

    house.gateway.records[:] = [replace(ready, status="failed", failed_at=house.real)]
    assert finish_adoption(house.ports, subscription).is_done
    go_on(house, *MONTHS[:2])
    assert payments(house, [HOURS_AHEAD]) == {"a": {0: 1}}
