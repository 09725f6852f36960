"""Holds: nothing held is claimed, nothing held is lost, and an end needs nobody."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from billing.change_subscription import By
from billing.charge_held import charge_held
from billing.charge_now import charge_now
from billing.claim_due import claim_due
from billing.hold_charges import place_hold, release_hold
from billing.token_in_hand import token_in_hand
from domain.billing_period import CatchUp
from domain.envelope import EnvelopeTerms, Volume
from domain.errors import BadInput, Conflict, NotFound
from domain.hold import HoldKind
from models.queries import hold, invariants, progress
from tests.fakes.gateway import Fate
from tests.support.house import NO_BRAKES

if TYPE_CHECKING:
    from uuid import UUID

    from billing.hold_charges import Placed
    from tests.support.house import House

BY = By(actor="kim", reason="the bank asked")
FEBRUARY = datetime(2026, 2, 28, 1, 0, tzinfo=UTC)
UNTIL = date(2026, 3, 10)
ENDS = datetime(2026, 3, 10, 1, 0, tzinfo=UTC)


def held(house: House, sub: UUID, *, until: date | None = None, **terms: Any) -> Placed:  # noqa: ANN401 - options
    return place_hold(house.ports, subscription_id=sub, kind=HoldKind.DISPUTE, until=until, by=BY, **terms)


def held_customer(house: House, ref: str, *, until: date | None = None, **terms: Any) -> Placed:  # noqa: ANN401 - options
    return place_hold(house.ports, customer_ref=ref, kind=HoldKind.FRAUD, until=until, by=BY, **terms)


def nothing_is_broken(house: House) -> None:
    with house.database.reading() as tx:
        for name, statement in invariants.BROKEN.items():
            assert not invariants.found(tx, statement, leeway=timedelta(0)), name


def test_periods_are_opened_and_wait_while_a_hold_stands_and_are_due_after_it(house: House) -> None:
    sub, free = house.subscription(), house.subscription()
    placed = held(house, sub)
    for day in (house.now, FEBRUARY):
        house.to(day)
        house.tick()
        house.charge()
    assert house.states("invoice") == {"open": 2, "paid": 2}
    assert {charge.merchant_uid[:-3] for charge in house.gateway.asked} == {
        house.uid(free, ordinal)[:-3] for ordinal in (0, 1)
    }
    with house.database.reading() as tx:
        assert tuple(hold.standing(tx)) == (1, 1, 2, 19_800)
        assert progress.progress(tx, since_event=0).is_idle
    nothing_is_broken(house)

    told = release_hold(house.ports, placed.hold_id, by=BY, dry_run=True)
    assert (told.due, told.won, told.still_held) == (2, 19_800, 0)
    assert house.charge().claimed == 0
    assert release_hold(house.ports, placed.hold_id, by=BY) == told
    house.charge()

    assert house.states("invoice") == {"paid": 4}
    with pytest.raises(Conflict, match="released already"):
        release_hold(house.ports, placed.hold_id, by=BY)
    nothing_is_broken(house)


def test_a_hold_ends_at_its_instant_though_no_process_was_there(house: House) -> None:
    sub = house.subscription()
    house.tick()
    assert held(house, sub, until=UNTIL).until == ENDS
    house.to(ENDS - timedelta(seconds=1))
    assert house.charge().claimed == 0

    house.to(ENDS)
    assert house.charge().claimed == 1  # no tick since

    house.tick()
    house.tick()
    rows = house.rows("SELECT kind FROM outbox_event WHERE kind LIKE 'hold.%' ORDER BY id")
    assert [row.kind for row in rows] == ["hold.placed", "hold.expired"]
    assert house.rows("SELECT state, ended_at, ended_by FROM hold") == [("expired", ENDS, "engine")]
    nothing_is_broken(house)


def test_a_hold_of_a_customer_holds_all_they_have_and_what_is_yet_to_come(house: House) -> None:
    house.subscription(customer_ref="lee", plan="one")
    house.subscription(customer_ref="park", plan="one")
    house.tick()
    placed = held_customer(house, "lee", until=UNTIL)
    assert (placed.subscriptions, placed.due, placed.won, placed.until) == (1, 1, 9_900, ENDS)
    house.subscription(customer_ref="lee", plan="two")
    house.tick()

    assert house.charge().claimed == 1
    assert house.states("invoice") == {"open": 2, "paid": 1}
    with pytest.raises(NotFound, match="no customer 'kang'"):
        held_customer(house, "kang")


def test_two_holds_hold_until_both_are_over(house: House) -> None:
    sub = house.subscription(customer_ref="lee")
    house.tick()
    own, customers = held(house, sub), held_customer(house, "lee", until=UNTIL)

    assert release_hold(house.ports, own.hold_id, by=BY).still_held == 1
    assert house.charge().claimed == 0
    with pytest.raises(Conflict, match="its customer is held"):
        charge_now(house.ports, house.value("SELECT id FROM invoice"), by=BY)
    release_hold(house.ports, customers.hold_id, by=BY)

    assert house.charge().claimed == 1


def test_what_was_claimed_before_a_hold_is_under_way_and_a_resend_is_not(house: House) -> None:
    sub = house.subscription()
    house.gateway.script(house.uid(sub, 0), Fate.NOT_SENT)
    house.tick()
    house.charge()
    other = house.subscription(plan="other")
    house.tick()
    batch = claim_due(house.ports, token_in_hand(house.ports), at_most=10)
    assert batch is not None
    house.advance(seconds=5)

    assert [held(house, each).under_way for each in (sub, other)] == [0, 1]
    house.gateway.carry_out(batch.charges[0], batch.token)
    house.advance(minutes=10)

    assert house.states("charge_attempt") == {"not_executed": 1, "in_flight": 1}
    assert house.charge().claimed == 0
    assert [charge.merchant_uid for charge in house.gateway.asked] == [house.uid(other, 0)]


def test_charging_by_hand_what_is_held_is_refused_in_a_sentence(house: House) -> None:
    sub = house.subscription()
    house.gateway.script(house.uid(sub, 0), Fate.DECLINE)
    house.tick()
    house.charge()
    placed = held(house, sub, until=UNTIL)
    invoice_id = house.value("SELECT id FROM invoice")
    before = house.rows("SELECT next_attempt_at, next_trigger FROM invoice")

    with pytest.raises(Conflict, match=f"held .dispute: the bank asked. until 2026-03-10.*{placed.hold_id}"):
        charge_now(house.ports, invoice_id, by=BY)

    assert house.rows("SELECT next_attempt_at, next_trigger FROM invoice") == before
    assert charge_held(house.ports, decline_code=None, by=BY).invoices == 0


def test_the_ladder_of_what_is_held_goes_on_after_it(house: House) -> None:
    """A hold moves no due time: what was declined before it is attempted once, when it is over, and by its ladder."""
    sub = house.subscription()
    house.gateway.script(house.uid(sub, 0, 1), Fate.DECLINE)
    house.gateway.script(house.uid(sub, 0, 2), Fate.DECLINE)
    house.tick()
    house.charge()
    held(house, sub, until=date(2026, 2, 20))
    for _ in range(25):
        house.advance(days=1)
        house.tick()
        house.charge()

    assert house.states("invoice") == {"paid": 1}
    assert len(house.gateway.asked) == 3


def test_what_a_hold_kept_back_for_days_fits_into_the_day_of_its_end(house: House) -> None:
    """Neither a release nor an expiry may look like a loop that makes everything due."""
    strict = replace(NO_BRAKES, envelope=EnvelopeTerms(factor=1, floor=Volume(charges=0, won=0)))
    house.limit(brakes=strict)
    released, expiring = house.subscription(plan="one"), house.subscription(plan="two")
    house.subscription(plan="three")
    house.tick()
    ours = held(house, released)
    held(house, expiring, until=UNTIL)
    while house.now < ENDS:
        house.tick()
        house.charge()
        house.advance(days=1)
    house.to(ENDS)
    house.tick()
    house.charge()
    assert house.states("invoice") == {"paid": 4, "open": 2}
    release_hold(house.ports, ours.hold_id, by=BY)
    house.charge()

    assert house.states("invoice") == {"paid": 6}
    assert house.value("SELECT halt_reason FROM channel_state WHERE name = 'default'") is None


def test_what_is_held_keeps_no_day_from_the_customers_other_charges(house: House) -> None:
    """One charge a day of what is caught up: a held one is not charged that day, nor any other."""
    house.plan("weekly", every="1 week", catch_up=CatchUp.ALL)
    stuck = house.subscription(customer_ref="lee", plan="monthly")
    house.subscription(customer_ref="lee", plan="weekly", started_on=date(2026, 1, 9), ordinal=-1, catch_up_below=3)
    held(house, stuck)
    for _ in range(6):
        house.tick()
        house.charge()
        house.advance(days=1)

    rows = house.rows("SELECT state, count(*) AS n FROM invoice WHERE is_catch_up GROUP BY 1")
    assert {row.state: row.n for row in rows} == {"paid": 3}


def test_a_hold_that_can_hold_nothing_is_refused(house: House) -> None:
    sub = house.subscription()
    with pytest.raises(BadInput, match="is over"):
        held(house, sub, until=date(2026, 1, 31))
    with pytest.raises(BadInput, match="either"):
        place_hold(house.ports, kind=HoldKind.OTHER, until=None, by=BY)
    placed = held(house, sub, until=UNTIL)
    house.to(ENDS)
    with pytest.raises(Conflict, match="over since"):
        release_hold(house.ports, placed.hold_id, by=BY)
    with house.database.transaction() as tx:
        tx.connection.exec_driver_sql(
            "UPDATE subscription SET state = 'ended', ended_reason = 'cancelled', next_billing_at = NULL"
        )
    with pytest.raises(Conflict, match="has ended"):
        held(house, sub)


def test_a_preview_of_a_hold_writes_nothing(house: House) -> None:
    sub = house.subscription()
    house.tick()
    told = held(house, sub, dry_run=True)

    assert (told.due, told.won, told.under_way, told.subscriptions) == (1, 9_900, 0, 1)
    assert house.value("SELECT count(*) FROM hold") == 0
    assert house.charge().claimed == 1


def test_what_waits_behind_a_hold_without_an_end_is_before_a_person(house: House) -> None:
    sub = house.subscription()
    house.tick()
    held(house, sub)
    house.advance(days=1)
    with house.database.reading() as tx:
        found = invariants.found(tx, invariants.ATTENTION["hold_has_no_end"], leeway=timedelta(0))

    assert [told for _, told in found] == ["dispute: 1 charges of 9900 won wait for its release"]
