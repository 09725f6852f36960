"""Channels side by side: whose card is charged where, who looks where, and how many runs each has."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from billing.change_subscription import By, Made, change_card
from billing.charge_due import charge_due
from billing.compare_gateway import compare_due
from billing.follow_hints import follow_hints
from billing.halt_channel import halt, resume
from billing.refund import Wanted, reject_refund, request_refund
from billing.refund_due import refund_due
from billing.resolve_unknown import resolve_unknown
from billing.take_turn import taken_turn
from models.queries import installation, invariants, listing, turn
from models.session import RowsRefused
from scheduler.pace import Bell
from scheduler.tick import tick
from tests.fakes.gateway import Fate
from tests.support.hooks import true_hook

if TYPE_CHECKING:
    from billing.ports import Ports
    from domain.evidence import Record
    from tests.fakes.gateway import FakeGateway
    from tests.support.house import House

pytestmark = pytest.mark.at_both_gateways

BY = By(actor="ops", reason="a test")


def _tick(*channels: Ports) -> Counter[tuple[Bell, str]]:
    rung: Counter[tuple[Bell, str]] = Counter()

    def ring(bell: Bell, channel: str) -> None:
        rung[bell, channel] += 1

    tick(channels, ring, open_for_seconds=60)
    return rung


def test_a_card_is_charged_through_its_own_channel_alone(house: House) -> None:
    other, gateway = house.beside("other")
    subs = [house.subscription() for _ in range(4)]
    for sub in subs[:2]:
        # Each account has names of its own.
        assert change_card(other, sub, customer_uid=house.card_of(sub), by=BY) is Made.AT_ONCE

    rung = _tick(house.ports, other)
    assert (rung[Bell.CHARGE, "default"], rung[Bell.CHARGE, "other"]) == (1, 1)
    halt(house.database, "default", by=BY)
    assert charge_due(house.ports).claimed == 0
    assert charge_due(other).claimed == 2
    assert {charge.merchant_uid for charge in gateway.asked} == {house.uid(sub, 0) for sub in subs[:2]}
    assert _tick(house.ports, other)[Bell.CHARGE, "default"] == 0
    resume(house.database, "default", by=BY)
    charge_due(house.ports)

    assert {charge.merchant_uid for charge in house.gateway.asked} == {house.uid(sub, 0) for sub in subs[2:]}
    assert house.states("invoice") == {"paid": 4}


def test_a_card_never_moves_to_another_channel(house: House) -> None:
    house.beside("other")
    house.subscription()

    with pytest.raises(RowsRefused, match="billing_key_has_one_channel"), house.database.transaction() as tx:
        tx.connection.exec_driver_sql("UPDATE billing_key SET channel = 'other'")


def test_what_was_lost_at_one_account_is_proven_there_before_it_is_sent_through_another(house: House) -> None:
    other, gateway = house.beside("other")
    sub = house.subscription()
    house.gateway.script(house.uid(sub, 0), Fate.LOSE_REQUEST)
    house.tick()
    house.charge()

    assert change_card(other, sub, customer_uid="card-over-there", by=BY) is Made.AFTER_OUTCOME
    for _ in range(12):  # the other account has no record of it, which proves nothing of the first
        house.advance(minutes=5)
        assert resolve_unknown(other) == Counter()
    assert charge_due(other).claimed == 0
    house.settle(hours=3, step_seconds=300)
    house.advance(minutes=10)
    assert house.value("SELECT requested_change FROM subscription") is None
    assert charge_due(house.ports).claimed == 0
    assert charge_due(other).claimed == 1

    assert [record.merchant_uid for record in gateway.records] == [house.uid(sub, 0)]
    assert house.gateway.records == []
    assert house.states("invoice") == {"paid": 1}


def _late_at_the_first(house: House, then: Fate) -> tuple[Ports, FakeGateway, Record]:
    """Lost at one account, proven absent, sent again through another with a fate; then it is paid at the first."""
    other, gateway = house.beside("other")
    sub = house.subscription()
    house.gateway.script(house.uid(sub, 0), Fate.LOSE_REQUEST)
    house.tick()
    house.charge()
    (lost,) = house.gateway.asked
    for _ in range(12):
        house.advance(minutes=10)
        house.resolve()
    assert house.states("charge_attempt") == {"not_executed": 1}
    change_card(other, sub, customer_uid="card-over-there", by=BY)
    gateway.script(house.uid(sub, 0), then)
    assert charge_due(other).claimed == 1
    assert len(gateway.records) == 1
    late = house.gateway.record_payment(lost)
    house.advance(hours=2)
    _compare_twice(house, other)
    return other, gateway, late


def _compare_twice(house: House, other: Ports) -> None:
    for _ in range(2):
        for ports in (house.ports, other):
            compare_due(ports, for_seconds=600)
        house.advance(hours=2)


def test_money_that_comes_late_at_an_account_that_had_none_is_found_there_though_another_one_was_paid(
    house: House,
) -> None:
    _, gateway, late = _late_at_the_first(house, Fate.APPROVE)

    surplus = house.rows("SELECT imp_uid, counts, channel FROM payment ORDER BY counts")
    assert [tuple(row) for row in surplus] == [
        (late.imp_uid, False, "default"),
        (gateway.records[0].imp_uid, True, "other"),
    ]
    assert house.rows("SELECT state, channel FROM refund") == [("proposed", "default")]
    assert house.value("SELECT count(*) FROM outbox_event WHERE kind = 'payment.missing_there'") == 0


def test_what_was_paid_late_at_an_earlier_account_is_given_back_there(house: House) -> None:
    other, _, late = _late_at_the_first(house, Fate.DECLINE)
    (payment,) = house.rows("SELECT id, imp_uid, counts FROM payment")
    assert (payment.imp_uid, payment.counts) == (late.imp_uid, True)
    reject_refund(house.database, house.value("SELECT id FROM refund"), by=BY)  # it stays: it pays what is owed

    refund_id = request_refund(house.database, payment.id, Wanted(amount=9_900, is_full=True), by=BY).refund_id
    for _ in range(3):
        refund_due(other)
        refund_due(house.ports)
        house.advance(minutes=2)

    assert house.rows("SELECT channel, state FROM refund WHERE id = :id", id=refund_id) == [("default", "succeeded")]
    assert house.gateway.cancels.given_back(late.imp_uid) == 9_900


def test_what_was_paid_late_at_an_earlier_account_is_missed_and_asked_about_there(house: House) -> None:
    other, _, late = _late_at_the_first(house, Fate.DECLINE)
    with house.database.reading() as tx:
        assert listing.newest_payment(tx, channel="default") == late.imp_uid
        assert listing.newest_payment(tx, channel="other") is None
        found = {
            name: [row.imp_uid for row in invariants.payments_before(tx, UUID(int=2**128 - 1), channels=[name])]
            for name in ("default", "other")
        }
    assert found == {"default": [late.imp_uid], "other": []}
    house.gateway.cancels.elsewhere(late.imp_uid, 9_900)
    true_hook(house, replace(late, status="cancelled"))

    assert follow_hints(other) == Counter()
    assert follow_hints(house.ports) == {"cancellation": 1}

    assert house.value("SELECT cancelled_amount FROM payment") == 9_900


def test_a_reattempt_through_another_account_waits_for_a_look_at_the_first_one_even_if_that_is_halted(
    house: House,
) -> None:
    other, gateway = house.beside("other")
    sub = house.subscription()
    house.gateway.script(house.uid(sub, 0), Fate.DECLINE)
    house.tick()
    house.charge()
    house.gateway.records.clear()
    (asked,) = house.gateway.asked
    house.gateway.record_payment(asked)  # declined, it was told; it is paid
    halt(house.database, "default", by=BY)

    change_card(other, sub, customer_uid="card-over-there", by=BY)
    rung = _tick(house.ports, other)
    assert rung[Bell.CHARGE, "default"] == 1, "it must be looked up where it was sent"
    assert charge_due(other).claimed == 0
    charge_due(house.ports)

    assert charge_due(other).claimed == 0
    assert gateway.records == []
    assert house.states("invoice") == {"paid": 1}
    assert _tick(house.ports, other)[Bell.CHARGE, "default"] == 0


def test_each_channel_has_its_turns_and_those_of_the_dead_are_free_again(house: House) -> None:
    house.limit(turn_seconds=100)
    other = replace(house.ports, channel=replace(house.ports.channel, name="other"))

    with taken_turn(house.ports, "charge", most=2) as first, taken_turn(house.ports, "charge", most=2) as second:
        with taken_turn(house.ports, "charge", most=2) as third:
            assert (first, second, third) == (True, True, False)
        with taken_turn(other, "charge", most=1) as others, taken_turn(house.ports, "pace", most=1) as looks:
            assert (others, looks) == (True, True)
        with taken_turn(house.ports, "charge", most=None) as unbounded:
            assert unbounded
    assert house.value("SELECT count(*) FROM channel_turn") == 0

    with house.database.transaction() as tx:  # a run that dies
        dead = turn.take(tx, channel="default", queue="charge", most=1, seconds=100)
    assert dead is not None
    house.advance(seconds=99)
    with taken_turn(house.ports, "charge", most=1) as has_turn:
        assert not has_turn
    house.advance(seconds=1)
    with taken_turn(house.ports, "charge", most=1) as has_turn:
        assert has_turn
        with house.database.transaction() as tx:  # it was not dead, only late
            turn.give_back(tx, dead, channel="default")
        with taken_turn(house.ports, "charge", most=1) as another:
            assert not another


def test_bells_are_rung_for_no_more_runs_than_a_channel_has(house: House) -> None:
    house.limit(claim_size=1, charge_runs=2)
    for _ in range(6):
        house.subscription()

    assert _tick(house.ports)[Bell.CHARGE, "default"] == 2


def test_cards_of_a_channel_that_is_not_configured_any_more_are_told_once(house: House) -> None:
    other, _ = house.beside("other")
    for sub in [house.subscription(), house.subscription()]:
        change_card(other, sub, customer_uid=f"theirs-{house.card_of(sub)}", by=BY)
    house.beside("never-used")

    def told() -> list[dict[str, object]]:
        return [row.data for row in house.rows("SELECT data FROM outbox_event WHERE kind = 'channel.missing'")]

    for _ in range(3):
        _tick(house.ports)
    assert told() == [{"channel": "other", "cards": 2}]
    _tick(house.ports, other)  # it is back
    assert house.value("SELECT missing_since FROM channel_state WHERE name = 'other'") is None
    _tick(house.ports)
    assert len(told()) == 2
    with house.database.reading() as tx:
        assert set(installation.known_channels(tx)) == {"default", "other", "never-used"}
