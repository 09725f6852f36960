"""What holds charges back, and what ends it: breaker, halt, window, slow-down. Nothing that waited is lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest

from billing.change_subscription import By
from billing.charge_due import charge_due
from billing.charge_now import charge_now
from billing.claim_due import claim_due
from billing.halt_channel import halt, resume
from billing.look_at_brakes import look_at_brakes
from billing.refund import Wanted, request_refund
from billing.refund_due import refund_due
from billing.token_in_hand import token_in_hand
from billing.windows import add_window, give_first_windows, remove_window
from domain.breaker import BreakerTerms
from domain.errors import BadInput, NotFound
from domain.instants import zone
from domain.window import NIGHTLY, Window
from models.queries import brake
from scheduler.pace import Bell
from tests.fakes.gateway import Fate
from tests.support.house import NO_BRAKES, START, House
from tests.support.racing import race

if TYPE_CHECKING:
    from uuid import UUID

BY = By(actor="ops", reason="a test")
PAUSE = timedelta(seconds=30)
TERMS = BreakerTerms(trouble_run=3, merchant_run=2, pause=PAUSE, longest_pause=timedelta(seconds=100))
MERCHANT = "[120007] 거래정지 가맹점"
SEOUL = zone("Asia/Seoul")


@pytest.fixture
def house(house: House) -> House:
    house.limit(brakes=replace(NO_BRAKES, breaker=TERMS))
    return house


def sold(house: House, count: int) -> list[UUID]:
    subs = [house.subscription() for _ in range(count)]
    house.tick()
    return subs


def breaker(house: House) -> str:
    return str(house.value("SELECT breaker_state FROM channel_state WHERE name = 'default'"))


def events(house: House, kind: str) -> int:
    return int(house.value("SELECT count(*) FROM outbox_event WHERE kind = :kind", kind=kind))


def told(house: House, name: str) -> str:
    limits = house.ports.limits
    with house.database.reading() as tx:
        seen = look_at_brakes(tx, "default", brakes=limits.brakes, rate=limits.rate, zone=SEOUL)
    return next(each.told for each in seen if each.name == name)


def charge_bells(house: House) -> int:
    before = house.bells[Bell.CHARGE]
    house.tick()
    return house.bells[Bell.CHARGE] - before


def assert_all_paid_once(house: House, count: int) -> None:
    house.gateway.default = Fate.APPROVE
    house.settle(hours=6, step_seconds=300)
    paid = house.paid_at_gateway()
    assert len(paid) == count
    assert set(paid.values()) == {1}
    assert house.states("invoice") == {"paid": count}


# The breaker.


@pytest.mark.parametrize("fate", [Fate.NOT_SENT, Fate.LOSE_REQUEST, Fate.SERVER_ERROR_BEFORE, Fate.SERVER_ERROR_AFTER])
def test_calls_in_trouble_in_a_row_open_the_breaker_and_nothing_is_lost(house: House, fate: Fate) -> None:
    house.limit(claim_size=3)
    sold(house, 8)
    house.gateway.default = fate

    run = house.charge()

    assert run.claimed == 3
    assert breaker(house) == "open"
    assert events(house, "channel.breaker_opened") == 1
    assert charge_bells(house) == 0
    assert house.charge().claimed == 0
    assert "one charge probes" in told(house, "breaker")
    assert_all_paid_once(house, 8)
    assert breaker(house) == "closed"
    assert events(house, "channel.breaker_closed") == 1


def test_an_answer_between_calls_in_trouble_begins_the_count_anew(house: House) -> None:
    for fate in (Fate.NOT_SENT, Fate.LOSE_ANSWER, Fate.DECLINE, Fate.NOT_SENT, Fate.SLOW_DOWN, Fate.SERVER_ERROR_AFTER):
        house.gateway.default = fate
        sold(house, 1)
        assert house.charge().claimed == 1

    assert breaker(house) == "closed"
    assert "2 of 3 calls in trouble in a row" in told(house, "breaker")


def test_half_open_probes_one_charge_over_all_workers(house: House) -> None:
    sold(house, 8)
    house.gateway.default = Fate.NOT_SENT
    house.charge()
    house.advance(seconds=PAUSE.total_seconds())
    token = token_in_hand(house.ports)

    batches = race(*[partial(claim_due, house.ports, token, at_most=20)] * 5)

    assert sum(len(batch.charges) for batch in batches if batch is not None) == 1
    assert breaker(house) == "half_open"
    assert charge_bells(house) == 0


def test_a_probe_that_fails_doubles_the_pause_up_to_the_longest(house: House) -> None:
    sold(house, 4)
    house.gateway.default = Fate.NOT_SENT
    house.charge()
    pauses = []
    for _ in range(4):
        until: datetime = house.value("SELECT breaker_until FROM channel_state")
        pauses.append((until - house.real).total_seconds())
        house.to(until - timedelta(seconds=1))
        assert house.charge().claimed == 0
        house.to(max(until, house.now + timedelta(minutes=6)))  # what was not executed pauses before it is sent again
        assert house.charge().claimed == 1

    assert pauses == [30, 60, 100, 100]
    assert events(house, "channel.breaker_opened") == 5
    assert house.value("SELECT count(*) FROM outbox_event WHERE kind = 'channel.breaker_opened' AND is_incident") == 1
    assert_all_paid_once(house, 4)


def test_a_probe_whose_worker_died_is_followed_by_another(house: House) -> None:
    sold(house, 5)
    house.gateway.default = Fate.NOT_SENT
    house.charge()
    house.advance(seconds=PAUSE.total_seconds())
    house.gateway.default = Fate.APPROVE

    assert claim_due(house.ports, token_in_hand(house.ports), at_most=20) is not None  # and dies

    assert house.charge().claimed == 0
    house.advance(seconds=house.ports.limits.lease_seconds)
    assert house.charge().claimed > 0
    assert breaker(house) == "closed"
    assert_all_paid_once(house, 5)


def test_a_probe_that_finds_nothing_due_leaves_its_turn(house: House) -> None:
    sold(house, 3)
    house.gateway.default = Fate.NOT_SENT
    house.charge()
    house.advance(seconds=1)
    resume(house.database, "default", by=BY)  # at once: what was not executed still pauses

    assert house.charge().claimed == 0

    house.gateway.default = Fate.APPROVE
    house.advance(seconds=60)
    assert charge_bells(house) > 0
    assert house.charge().claimed == 3
    assert_all_paid_once(house, 3)


def test_declines_for_the_merchants_account_in_a_row_halt_the_channel(house: House) -> None:
    house.limit(claim_size=1)
    subs = sold(house, 4)
    for sub in subs:
        house.gateway.script(house.uid(sub, 0), Fate.DECLINE, text=MERCHANT)

    run = house.charge()

    assert run.claimed == 2
    halted = house.rows("SELECT halt_cause, halt_reason FROM channel_state")[0]
    assert halted.halt_cause == "merchant"
    assert "merchant" in halted.halt_reason
    assert house.value("SELECT count(*) FROM outbox_event WHERE kind = 'channel.halted' AND is_incident") == 1
    assert house.charge().claimed == 0
    resume(house.database, "default", by=BY)
    assert house.charge().claimed == 2  # counted anew


def test_an_open_breaker_holds_refunds_until_its_pause_is_over_even_if_nothing_is_due_to_probe(house: House) -> None:
    sold(house, 1)
    house.charge()
    payment: UUID = house.value("SELECT id FROM payment")
    house.gateway.default = Fate.NOT_SENT
    sold(house, 3)
    house.charge()
    assert breaker(house) == "open"
    request_refund(house.database, payment, Wanted(amount=9_900, is_full=True), by=BY)

    refund_due(house.ports)
    assert house.states("refund") == {"requested": 1}
    house.advance(seconds=PAUSE.total_seconds())
    refund_due(house.ports)

    assert breaker(house) == "open"
    assert house.states("refund") == {"succeeded": 1}


# The halt.


def test_a_halted_channel_claims_nothing_rings_nothing_and_loses_nothing(house: House) -> None:
    sold(house, 3)
    assert halt(house.database, "default", by=BY)

    assert house.charge().claimed == 0
    assert charge_bells(house) == 0
    assert "jeonggi channel resume" in told(house, "halt")
    house.advance(days=2)
    assert resume(house.database, "default", by=BY)
    assert_all_paid_once(house, 3)


# Slow-down.


def test_each_burst_of_429_halves_the_rate_and_time_gives_it_back(house: House) -> None:
    house.limit(rate=64, claim_size=2)
    sold(house, 6)
    house.gateway.default = Fate.SLOW_DOWN
    house.charge()
    token = token_in_hand(house.ports)
    house.gateway.default = Fate.APPROVE

    house.subscription()
    house.tick()
    slow = claim_due(house.ports, token, at_most=1)
    assert slow is not None
    assert slow.spacing_seconds == pytest.approx(2 / 64)
    assert "32 of 64 charges a second" in told(house, "rate")
    assert events(house, "channel.slowed") == 1
    house.advance(seconds=61)
    house.subscription()
    house.tick()
    again = claim_due(house.ports, token, at_most=1)
    assert again is not None
    assert again.spacing_seconds == pytest.approx(1 / 64)
    assert_all_paid_once(house, 8)


# Windows. A house begins at ten in the morning in Seoul.

MORNING = Window(begins=time(9, 30), ends=time(11), zone_name="Asia/Seoul")


def test_a_window_holds_automatic_charges_until_it_is_over(house: House) -> None:
    add_window(house.database, MORNING, channel=None, by=BY)
    sold(house, 3)

    assert charge_bells(house) == 0
    assert house.charge().claimed == 0
    assert "until 2026-01-31 11:00:00" in told(house, "window")
    house.to(datetime(2026, 1, 31, 2, 0, tzinfo=UTC))
    assert charge_bells(house) == 1
    assert house.charge().claimed == 3
    assert_all_paid_once(house, 3)


def test_what_a_person_asks_for_goes_through_a_window_and_its_dunning_does_not(house: House) -> None:
    sub = sold(house, 1)[0]
    sold(house, 1)
    add_window(house.database, replace(MORNING, ends=time(9)), channel="default", by=BY)  # all day but half an hour
    house.gateway.script(house.uid(sub, 0), Fate.NOT_SENT, Fate.DECLINE)

    invoice: UUID = house.value("SELECT id FROM invoice WHERE subscription_id = :id", id=sub)
    charge_now(house.ports, invoice, by=BY)

    assert charge_bells(house) == 1
    assert house.charge().claimed == 1
    house.advance(seconds=30)
    assert house.charge().claimed == 1  # the same attempt, sent again: still asked for
    assert house.states("invoice") == {"open": 1, "past_due": 1}
    house.advance(days=1)
    assert charge_bells(house) == 0
    assert house.charge().claimed == 0
    house.to(datetime(2026, 2, 2, 0, 5, tzinfo=UTC))  # five past nine
    assert_all_paid_once(house, 2)


def test_an_issuers_window_holds_only_its_cards_once_they_are_known(house: House) -> None:
    house.plan("weekly", every="1 week")
    subs = [house.subscription(plan="weekly") for _ in range(3)]
    house.gateway.issuers = {house.card_of(subs[0]): "366", house.card_of(subs[1]): "381"}
    house.tick()
    assert house.charge().claimed == 3
    assert house.states("invoice") == {"paid": 3}
    add_window(house.database, replace(MORNING, issuer_code="366"), channel=None, by=BY)
    house.subscription()  # its card never paid: nobody knows whose it is

    house.to(START + timedelta(days=7))
    house.tick()

    assert house.charge().claimed == 3
    assert "366" in {row.issuer_code for row in house.rows("SELECT issuer_code FROM billing_key")}
    assert house.states("invoice") == {"paid": 6, "open": 1}
    assert "cards of issuer 366 wait until 2026-02-07 11:00:00" in told(house, "window of issuer 366")
    assert charge_bells(house) == 0
    house.to(datetime(2026, 2, 7, 2, 0, tzinfo=UTC))  # eleven
    assert_all_paid_once(house, 7)


def test_another_channels_window_holds_nothing_here(house: House) -> None:
    with house.database.transaction() as tx:
        tx.connection.exec_driver_sql(
            "INSERT INTO channel_state (name, rate_used_until) VALUES ('other', clock_timestamp())"
        )
    add_window(house.database, MORNING, channel="other", by=BY)
    sold(house, 1)

    assert house.charge().claimed == 1


def test_windows_that_leave_no_time_are_refused_and_removing_one_ends_it(house: House) -> None:
    first = add_window(house.database, replace(MORNING, ends=time(9)), channel=None, by=BY)
    with pytest.raises(BadInput, match="no time to charge"):
        add_window(house.database, replace(MORNING, begins=time(8), ends=time(12)), channel="default", by=BY)
    with pytest.raises(BadInput, match="no channel 'nowhere'"):
        add_window(house.database, MORNING, channel="nowhere", by=BY)
    sold(house, 1)
    assert house.charge().claimed == 0

    remove_window(house.database, first, by=BY, dry_run=True)
    assert house.charge().claimed == 0
    remove_window(house.database, first, by=BY)

    assert house.charge().claimed == 1
    with pytest.raises(NotFound):
        remove_window(house.database, first, by=BY)
    assert {row.action for row in house.rows("SELECT action FROM audit_entry")} == {"window.added", "window.removed"}


def test_the_nightly_window_is_given_once(house: House) -> None:
    for _ in range(2):
        with house.database.transaction() as tx:
            give_first_windows(tx, ["default"])
    with house.database.reading() as tx:
        assert brake.windows_of(tx, "default") == [NIGHTLY]
        (row,) = brake.list_windows(tx)
    remove_window(house.database, row.id, by=BY)

    with house.database.transaction() as tx:
        give_first_windows(tx, ["default"])

    assert not house.rows("SELECT id FROM maintenance_window")


# All runs of a breaker's trouble share one permission.


def test_a_run_that_is_out_when_the_breaker_opens_starts_nothing_more(house: House) -> None:
    house.limit(claim_size=3, concurrency=3)
    sold(house, 9)
    house.gateway.default = Fate.NOT_SENT

    runs = race(*[partial(charge_due, house.ports)] * 3)

    assert sum(run.claimed for run in runs) <= 9
    assert breaker(house) == "open"
    assert_all_paid_once(house, 9)
