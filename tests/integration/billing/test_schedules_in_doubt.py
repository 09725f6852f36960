"""A schedule whose time has come says that it was revoked, or is not known any more: did it charge all the same?"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest

from billing.answer_foreign import accept_payment, ignore_schedule, revoke_schedule
from billing.compare_gateway import compare_due
from domain.errors import GatewayUnreachable
from domain.evidence import Source
from gateway.port import ScheduleState
from tests.support.other_hands import WHO, Instead, somebodys

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from domain.evidence import Record
    from gateway.port import AccessToken, Finding, Schedule
    from tests.support.house import House

IN_AN_HOUR: Final = timedelta(hours=1)


def revoke(house: House) -> None:
    house.gateway.book.put("theirs", ScheduleState.REVOKED)


def forget(house: House) -> None:
    house.gateway.book.forget("theirs")


ENDS: Final = pytest.mark.parametrize("end", [revoke, forget])


def nothing_listed(**_: object) -> Sequence[Record]:
    """The list of payments, which may lag."""
    return []


def rounds(house: House, count: int, **calls: Any) -> None:  # noqa: ANN401 - calls of the gateway
    """Hours go by: each is compared, and what is due is charged."""
    ports = replace(house.ports, gateway=Instead(house, **calls))
    for _ in range(count):
        house.advance(hours=1, minutes=1)
        compare_due(ports, for_seconds=600)
        house.tick()
        house.charge()


def ended_in_its_moment(house: House, end: Callable[[House], None]) -> UUID:
    """A subscription with a schedule that waited until the second in which it ran."""
    sub = house.subscription()
    at = house.now + IN_AN_HOUR
    house.gateway.book.add("theirs", customer_uid=house.card_of(sub), at=at)
    compare_due(house.ports, for_seconds=600)
    house.to(at - timedelta(seconds=1))
    end(house)
    house.advance(seconds=6)
    return sub


def paid(house: House) -> list[str]:
    return [record.merchant_uid for record in house.gateway.records if record.status == "paid"]


def find_alls(house: House) -> int:
    return house.gateway.look_ups.count(Source.FIND_ALL)


@ENDS
@pytest.mark.parametrize("listed", [True, False], ids=["the list shows it", "the list lags"])
def test_a_schedule_that_charged_and_says_otherwise_blocks_until_a_person_answers(
    house: House, end: Callable[[House], None], listed: bool
) -> None:
    sub = ended_in_its_moment(house, end)
    record = somebodys(house, house.card_of(sub), name="theirs")

    rounds(house, 4, **({} if listed else {"all_payments": nothing_listed}))

    assert paid(house) == ["theirs"]
    assert house.value("SELECT count(*) FROM outbox_event WHERE kind = 'payment.foreign' AND is_incident") == 1
    assert find_alls(house) <= 1, "what is known is not looked up again"
    accept_payment(house.database, record.imp_uid, by=WHO, pays=house.value("SELECT id FROM invoice"))
    rounds(house, 2)
    assert paid(house) == ["theirs"]
    assert house.states("invoice") == {"void": 1}
    assert house.value("SELECT foreign_schedule_since FROM billing_key") is None


@ENDS
@pytest.mark.parametrize("status", [None, "failed", "cancelled"])
def test_a_schedule_that_did_not_charge_frees_its_card_once_its_order_number_was_looked_up(
    house: House, end: Callable[[House], None], status: str | None
) -> None:
    sub = ended_in_its_moment(house, end)
    compare_due(house.ports, for_seconds=600)
    assert house.charge().claimed == 0
    if status is not None:
        somebodys(house, house.card_of(sub), name="theirs", status=status)

    rounds(house, 3)

    assert paid(house) == [house.uid(sub, 0)]
    assert find_alls(house) == 1


@ENDS
def test_a_look_that_comes_to_nothing_keeps_the_card_blocked(house: House, end: Callable[[House], None]) -> None:
    ended_in_its_moment(house, end)

    def away(**_: object) -> Finding:
        raise GatewayUnreachable("away, for a test")

    rounds(house, 3, find_all=away)
    assert paid(house) == []
    assert house.value("SELECT count(*) FROM gateway_comparison WHERE round_began_at IS NULL") == 1

    rounds(house, 1)
    assert len(paid(house)) == 1


def test_a_payment_that_is_not_decided_keeps_the_card_blocked_until_somebody_answers(house: House) -> None:
    sub = ended_in_its_moment(house, revoke)
    somebodys(house, house.card_of(sub), name="theirs", status="ready")
    rounds(house, 3)
    assert paid(house) == []

    ignore_schedule(house.database, "default", "theirs", by=WHO)

    rounds(house, 1)
    assert len(paid(house)) == 1


def test_a_schedule_that_ran_late_as_we_revoked_it_is_looked_up_after_that(house: House) -> None:
    sub = house.subscription()
    card = house.card_of(sub)
    house.gateway.book.add("theirs", customer_uid=card, at=house.now + IN_AN_HOUR)
    house.gateway.book.lag("theirs", looks=10**6)
    compare_due(house.ports, for_seconds=600)
    house.gateway.book.put("theirs", ScheduleState.REVOKED)  # as it is read back; until then it waits, overdue
    house.advance(hours=2)

    def overdue(*, merchant_uid: str, token: AccessToken) -> Schedule | None:
        found = house.gateway.schedule(merchant_uid=merchant_uid, token=token)
        house.gateway.book.lag("theirs", looks=0)
        return found

    ports = replace(house.ports, gateway=Instead(house, schedule=overdue))
    revoke_schedule(ports, "theirs", by=WHO)
    compare_due(house.ports, for_seconds=600)
    assert find_alls(house) == 0
    house.advance(seconds=60)
    somebodys(house, card, name="theirs")

    rounds(house, 3, all_payments=nothing_listed)

    assert paid(house) == ["theirs"]


def test_money_of_a_schedule_that_was_revoked_long_before_blocks_all_the_same(house: House) -> None:
    sub = house.subscription()
    card = house.card_of(sub)
    house.gateway.book.add("theirs", customer_uid=card, at=house.now + timedelta(days=10))
    compare_due(house.ports, for_seconds=600)
    revoke(house)
    house.advance(hours=1, minutes=1)
    compare_due(house.ports, for_seconds=600)
    assert house.value("SELECT foreign_schedule_since FROM billing_key") is None
    record = somebodys(house, card, name="theirs")

    rounds(house, 3)

    assert paid(house) == ["theirs"]
    blocked = "SELECT data ->> 'merchant_uid' FROM outbox_event WHERE kind = 'subscription.schedule_blocks'"
    assert [row[0] for row in house.rows(blocked)] == ["theirs", "theirs"]
    accept_payment(house.database, record.imp_uid, by=WHO)
    rounds(house, 1)
    assert paid(house) == ["theirs", house.uid(sub, 0)]


def test_money_of_a_schedule_that_is_ignored_blocks_nothing(house: House) -> None:
    sub = house.subscription()
    house.gateway.book.add("theirs", customer_uid=house.card_of(sub), at=house.now + IN_AN_HOUR)
    compare_due(house.ports, for_seconds=600)
    ignore_schedule(house.database, "default", "theirs", by=WHO)

    rounds(house, 3)

    assert sorted(paid(house)) == sorted(["theirs", house.uid(sub, 0)])


def test_many_schedules_that_are_gone_are_asked_about_once_a_round_each(house: House) -> None:
    card = house.card_of(house.subscription())
    at = house.now + IN_AN_HOUR
    names = {f"theirs-{number:03}" for number in range(201)}  # more than are asked about at once
    for name in names:
        house.gateway.book.add(name, customer_uid=card, at=at)
    compare_due(house.ports, for_seconds=600)
    house.to(at - timedelta(seconds=1))
    for name in names:
        house.gateway.book.forget(name)
    house.advance(seconds=6)
    asked: list[str] = []

    def schedule(*, merchant_uid: str, token: AccessToken) -> Schedule | None:
        asked.append(merchant_uid)
        assert len(asked) <= len(names), "asked again and again"
        return house.gateway.schedule(merchant_uid=merchant_uid, token=token)

    house.advance(minutes=2)
    with house.database.transaction() as tx:
        tx.connection.exec_driver_sql("UPDATE gateway_comparison SET next_at = '2026-01-01'")
    compare_due(replace(house.ports, gateway=Instead(house, schedule=schedule)), for_seconds=600)

    assert set(asked) == names
