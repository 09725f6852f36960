"""Payments and schedules at the gateway for cards of ours that we did not make: found, told once, and in the way."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest

from billing import compare_gateway
from billing.answer_foreign import accept_payment, ignore_schedule, revoke_schedule
from billing.change_subscription import By
from billing.compare_gateway import compare_due, compare_now
from billing.ports import Channel
from domain.errors import Conflict, GatewayTrouble, GatewayUnreachable, NotFound
from domain.foreign import ForeignState
from gateway.port import ScheduleState
from models.queries import foreign, installation
from scheduler.pace import Bell
from tests.fakes.gateway import Fate
from tests.fakes.schedules import RevokeFate
from tests.support.mortal import Died, Life, mortal
from tests.support.other_hands import somebodys

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    from tests.support.house import House


WHO: Final = By(actor="ops", reason="looked at it")


def compare(house: House) -> Counter[str]:
    """The next round, whole."""
    house.advance(hours=1, seconds=1)
    return compare_due(house.ports, for_seconds=600)


def clock() -> Callable[[], float]:
    """Time for one step, and then no more."""
    told = itertools.chain([0.0, 0.5], itertools.repeat(2.0))
    return lambda: next(told)


def incidents(house: House, kind: str) -> int:
    return int(house.value("SELECT count(*) FROM outbox_event WHERE kind = :kind AND is_incident", kind=kind))


def kinds(house: House, word: str) -> list[str]:
    rows = house.rows("SELECT kind FROM outbox_event WHERE kind LIKE :word ORDER BY occurred_at, id", word=word)
    return [row.kind for row in rows]


# Payments.


def test_money_that_we_did_not_ask_for_is_listed_and_told_once(house: House) -> None:
    sub = house.subscription()
    card = house.card_of(sub)
    record = somebodys(house, card)
    declined = somebodys(house, card, name="old-shop-2", status="failed")
    somebodys(house, "somebody else's card")

    assert compare(house)["foreign"] == 2
    assert compare(house)["foreign"] == 0

    assert incidents(house, "payment.foreign") == 1
    found = house.rows("SELECT merchant_uid, is_money FROM foreign_payment ORDER BY merchant_uid")
    assert [tuple(row) for row in found] == [("old-shop-1", True), ("old-shop-2", False)]
    accept_payment(house.database, record.imp_uid, by=WHO)
    house.tick()
    invoice = house.value("SELECT id FROM invoice WHERE subscription_id = :id", id=sub)
    with pytest.raises(Conflict, match="no money moved"):
        accept_payment(house.database, declined.imp_uid, by=WHO, pays=invoice)
    assert house.value("SELECT count(*) FROM foreign_payment WHERE accepted_at IS NULL AND is_money") == 0
    with pytest.raises(NotFound):
        accept_payment(house.database, "imp_nobody", by=WHO)


def test_money_taken_in_the_second_in_which_a_card_came_to_us_is_listed(house: House) -> None:
    """The gateway tells whole seconds, so that it seems to be older than the card."""
    house.advance(seconds=7.6)
    taken = somebodys(house, house.card_of(house.subscription()))
    house.gateway.records[:] = [replace(taken, paid_at=house.real.replace(microsecond=0))]
    house.advance(minutes=1)
    assert compare(house)["foreign"] == 1


def test_a_foreign_payment_can_pay_an_invoice_of_its_card_and_of_no_other(house: House) -> None:
    mine, other = house.subscription(), house.subscription()
    house.tick()
    record = somebodys(house, house.card_of(mine))
    compare(house)
    invoice = house.value("SELECT id FROM invoice WHERE subscription_id = :id", id=mine)
    others = house.value("SELECT id FROM invoice WHERE subscription_id = :id", id=other)

    with pytest.raises(Conflict, match="another customer"):
        accept_payment(house.database, record.imp_uid, by=WHO, pays=others)
    accept_payment(house.database, record.imp_uid, by=WHO, pays=invoice)
    with pytest.raises(Conflict, match="accepted already"):
        accept_payment(house.database, record.imp_uid, by=WHO, pays=invoice)

    house.charge()
    assert house.states("invoice") == {"void": 1, "paid": 1}
    assert [charge.customer_uid for charge in house.gateway.asked] == [house.card_of(other)]


def test_money_of_ours_that_no_look_up_showed_is_recorded(house: House) -> None:
    sub = house.subscription()
    uid = house.uid(sub, 0)
    house.gateway.script(uid, Fate.DECLINE)
    house.tick()
    house.charge()
    somebodys(house, house.card_of(sub), name=uid)

    assert compare(house)["recorded"] == 1
    assert compare(house)["recorded"] == 0

    assert house.states("invoice") == {"paid": 1}
    assert incidents(house, "attempt.approved_late") == 1


@pytest.mark.parametrize("is_test", [False, True], ids=["live", "a test channel's night"])
def test_a_cancel_at_the_console_is_booked_once(house: House, is_test: bool) -> None:
    house.ports = replace(house.ports, channel=Channel(name="default", is_test=is_test))
    house.subscription()
    house.tick()
    house.charge()
    (record,) = house.gateway.records
    house.gateway.records[:] = [replace(record, sandbox=is_test)]
    house.gateway.cancels.elsewhere(record.imp_uid, 900)

    assert compare(house)["cancelled"] == 1
    assert compare(house)["cancelled"] == 0

    assert house.value("SELECT cancelled_amount FROM payment") == 900
    assert incidents(house, "payment.cancelled_elsewhere") == (0 if is_test else 1)


def test_a_payment_that_the_gateway_lost_is_told_once(house: House) -> None:
    house.subscription()
    house.tick()
    house.charge()
    house.gateway.records.clear()
    house.advance(hours=2)

    assert compare(house)["missing_there"] == 1
    compare(house)

    assert incidents(house, "payment.missing_there") == 1


def test_another_channel_of_the_same_account_is_none_of_this_ones_business(house: House) -> None:
    house.subscription()
    house.tick()
    house.charge()  # on the test channel; its payments are marked sandbox
    with house.database.transaction() as tx:
        installation.know_channels(tx, ["live"])
    live = Channel(name="live", is_test=False)
    house.advance(hours=2)

    found = compare_due(replace(house.ports, channel=live), for_seconds=600)

    assert found["payments"] == 1
    assert house.value("SELECT count(*) FROM foreign_payment") == 0
    assert house.value("SELECT count(*) FROM outbox_event WHERE is_incident") == 0
    assert house.states("invoice") == {"paid": 1}


def test_a_test_payment_on_a_live_channel_is_no_money_and_is_told(house: House) -> None:
    house.subscription()
    house.tick()
    house.charge()
    live = Channel(name="default", is_test=False)
    house.advance(hours=2)

    compare_due(replace(house.ports, channel=live), for_seconds=600)

    assert incidents(house, "payment.sandbox") == 1


# Schedules.


def test_a_foreign_schedule_blocks_the_charge_until_it_is_revoked_over_there(house: House) -> None:
    sub, free = house.subscription(), house.subscription()
    house.gateway.book.add("old-1", customer_uid=house.card_of(sub), at=house.now + timedelta(days=10))
    compare(house)
    house.tick()

    assert house.charge().claimed == 1
    assert [charge.customer_uid for charge in house.gateway.asked] == [house.card_of(free)]
    assert kinds(house, "subscription.schedule%") == ["subscription.schedule_blocks"]
    compare(house)
    assert incidents(house, "subscription.schedule_blocks") == 1

    house.gateway.book.put("old-1", ScheduleState.REVOKED)
    compare(house)
    assert house.charge().claimed == 1
    assert kinds(house, "subscription.schedule%") == ["subscription.schedule_blocks", "subscription.schedule_frees"]


def test_a_schedule_that_has_run_blocks_until_somebody_says_what_it_paid(house: House) -> None:
    sub = house.subscription()
    house.gateway.book.add("old-1", customer_uid=house.card_of(sub), at=house.now + timedelta(hours=3))
    compare(house)
    house.tick()
    house.advance(hours=3)
    compare(house)
    compare(house)  # a round reads what was paid before it began
    assert house.charge().claimed == 0

    (record,) = house.gateway.records
    accept_payment(house.database, record.imp_uid, by=WHO, pays=house.value("SELECT id FROM invoice WHERE ordinal = 0"))

    assert house.charge().claimed == 0
    assert house.states("invoice") == {"void": 1}
    house.advance(days=31)
    house.tick()
    assert house.charge().claimed == 1


def test_a_schedule_that_was_declined_frees_the_card(house: House) -> None:
    sub = house.subscription()
    card = house.card_of(sub)
    house.gateway.book.add("old-1", customer_uid=card, at=house.now + timedelta(hours=3), declined=True)
    compare(house)
    house.tick()
    house.advance(hours=3)
    compare(house)

    assert house.charge().claimed == 1


def test_a_schedule_may_be_ignored_with_a_reason(house: House) -> None:
    sub = house.subscription()
    house.gateway.book.add("old-1", customer_uid=house.card_of(sub), at=house.now + timedelta(days=10))
    compare(house)
    house.tick()

    ignore_schedule(house.database, "default", "old-1", by=WHO)
    compare(house)

    assert house.charge().claimed == 1
    assert house.value("SELECT count(*) FROM audit_entry WHERE action = 'schedule.ignored' AND reason <> ''") == 1


@pytest.mark.parametrize("fate", [RevokeFate.DONE, RevokeFate.LOST_DONE])
def test_a_schedule_is_revoked_by_its_name_and_read_back(house: House, fate: RevokeFate) -> None:
    card = house.card_of(house.subscription())
    for name in ("old-1", "old-2"):
        house.gateway.book.add(name, customer_uid=card, at=house.now + timedelta(days=10))
    compare(house)
    house.gateway.book.fates.append(fate)

    assert revoke_schedule(house.ports, "old-1", by=WHO) is ForeignState.REVOKED

    assert house.gateway.book.revoked == [["old-1"]]
    assert house.gateway.book.waiting() == {"old-2"}
    with pytest.raises(Conflict, match="nothing to revoke"):
        revoke_schedule(house.ports, "old-1", by=WHO)


def test_what_is_said_to_be_revoked_and_is_not_keeps_the_card_blocked(house: House) -> None:
    sub = house.subscription()
    house.gateway.book.add("old-1", customer_uid=house.card_of(sub), at=house.now + timedelta(days=10))
    compare(house)
    house.tick()
    house.gateway.book.fates.append(RevokeFate.SAID_NOT_DONE)

    assert revoke_schedule(house.ports, "old-1", by=WHO) is ForeignState.SCHEDULED

    assert house.charge().claimed == 0


# The round.


def test_a_round_is_rung_hourly_and_only_where_there_are_cards(house: House) -> None:
    house.tick()
    assert house.bells[Bell.COMPARE] == 0
    house.subscription()
    house.tick()
    assert house.bells[Bell.COMPARE] == 1

    assert compare_due(house.ports, for_seconds=600)["payments"] == 0
    house.tick()
    assert house.bells[Bell.COMPARE] == 1
    house.advance(hours=1, seconds=1)
    house.tick()
    assert house.bells[Bell.COMPARE] == 2


def test_a_card_that_comes_during_a_round_is_looked_at_as_soon_as_it_ends(house: House) -> None:
    house.subscription()
    house.advance(hours=2)
    compare_due(replace(house.ports, boottime=clock()), for_seconds=1)  # it has begun, and read the first payments
    with house.database.transaction() as tx:
        foreign.compare_soon(tx)  # as every import of cards does
    house.advance(seconds=1)
    compare_due(house.ports, for_seconds=600)
    house.tick()
    compare_due(house.ports, for_seconds=600)
    house.tick()
    assert house.bells[Bell.COMPARE] == 1, "once more at once, and then every hour again"


def test_a_round_without_time_goes_on_where_it_stood(house: House) -> None:
    sub = house.subscription()
    somebodys(house, house.card_of(sub))
    house.gateway.book.add("old-1", customer_uid=house.card_of(sub), at=house.now + timedelta(days=200))
    house.advance(hours=2)

    def stands() -> list[object]:
        return [tuple(row) for row in house.rows("SELECT payments_until, schedules_from FROM gateway_comparison")]

    seen: list[object] = []
    for number in range(100):
        life = Life(dies_at=None if number % 3 else 6)  # and now and then it dies
        ports = mortal(house, life)
        try:
            compare_due(replace(ports, boottime=clock()), for_seconds=1)
        except Died:
            house.advance(minutes=11)  # whoever took it is taken to be dead
        finally:
            ports.database.close()
        assert stands() not in seen or number % 3 == 0
        seen.append(stands())
        if house.value("SELECT finished_at FROM gateway_comparison") is not None:
            break

    assert house.value("SELECT finished_at FROM gateway_comparison") is not None
    assert house.value("SELECT count(*) FROM foreign_payment") == 1
    assert incidents(house, "payment.foreign") == incidents(house, "subscription.schedule_blocks") == 1


def test_a_list_that_cannot_be_read_stops_the_round_where_it_stands(house: House) -> None:
    house.subscription()

    def broken() -> None:
        raise GatewayUnreachable("away, for a test")

    house.gateway.look_up_trouble = broken
    with pytest.raises(GatewayTrouble):
        compare_due(house.ports, for_seconds=600)
    house.gateway.look_up_trouble = lambda: None

    with house.database.reading() as tx:
        assert foreign.comparison_is_due(tx, "default")
    compare_due(house.ports, for_seconds=600)
    assert house.value("SELECT finished_at FROM gateway_comparison") is not None


def test_a_person_compares_as_far_back_as_wanted(house: House) -> None:
    sub = house.subscription()
    somebodys(house, house.card_of(sub))
    house.advance(days=compare_gateway.FIRST.days + 1)
    told: list[str] = []

    assert compare_now(house.ports, days=9, progress=told.append)["foreign"] == 1
    assert any("schedules" in each for each in told)


def test_calls_of_a_comparison_take_their_share_of_the_rate(house: House) -> None:
    house.subscription()

    compare(house)

    calls = len(house.gateway.look_ups)
    used_until = house.value("SELECT rate_used_until FROM channel_state WHERE name = 'default'")
    share = timedelta(seconds=calls / house.ports.limits.rate)
    assert house.real + share <= used_until <= house.real + 3 * share  # schedules are asked for, too
