"""A day holds so many charges and so much money; more stops before the next call and asks a person."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from billing.allow_more import allow_more
from billing.change_subscription import By
from billing.charge_now import charge_now
from billing.halt_channel import halt, resume
from domain.billing_period import CatchUp
from domain.breaker import BreakerTerms
from domain.envelope import EnvelopeTerms, Volume
from tests.fakes.gateway import Fate
from tests.support.house import NO_BRAKES, START, House

BY = By(actor="ops", reason="a test")
#: Nothing beyond the forecast: whatever it forgets stops.
EXACT = EnvelopeTerms(factor=1.0, floor=Volume())
TIGHT = EnvelopeTerms(factor=1.0, floor=Volume(charges=3, won=10**9))


@pytest.fixture
def house(house: House) -> House:
    house.limit(brakes=replace(NO_BRAKES, envelope=TIGHT))
    return house


def halt_cause(house: House) -> str | None:
    row = house.rows("SELECT halted_at, halt_cause FROM channel_state WHERE name = 'default'")[0]
    return None if row.halted_at is None else str(row.halt_cause)


def sell_unseen(house: House, count: int) -> None:
    """Something makes subscriptions due that no forecast and no person knows of."""
    for _ in range(count):
        house.subscription()
    house.tick()


def test_more_charges_than_the_day_may_hold_stop_before_any_of_them_and_are_made_once_they_are_allowed(
    house: House,
) -> None:
    house.limit(claim_size=2, concurrency=2)
    house.subscription()
    house.tick()
    assert house.charge().claimed == 1
    sell_unseen(house, 7)

    run = house.charge()

    assert run.claimed == 2  # 1 expected and 3 beyond: the claim that would make 5 is not made
    assert len(house.gateway.asked) == 3
    assert house.value("SELECT count(*) FROM charge_attempt") == 3
    assert halt_cause(house) == "envelope"
    assert house.value("SELECT count(*) FROM outbox_event WHERE kind = 'channel.halted' AND is_incident") == 1
    assert house.charge().claimed == 0

    brakes = house.ports.limits.brakes
    told = allow_more(house.database, "default", brakes=brakes, more=None, by=BY, dry_run=True)
    assert (told.due.charges, told.more.charges, told.was_resumed) == (5, 4, False)
    assert halt_cause(house) == "envelope"
    allowed = allow_more(house.database, "default", brakes=brakes, more=None, by=BY)

    assert allowed.was_resumed
    house.settle()
    assert set(house.paid_at_gateway().values()) == {1}
    assert house.states("invoice") == {"paid": 8}


def test_a_persons_halt_of_a_channel_that_its_envelope_halted_is_not_ended_by_allowing_more(house: House) -> None:
    house.tick()
    sell_unseen(house, 7)
    house.charge()
    assert halt_cause(house) == "envelope"
    assert halt(house.database, "default", by=BY)
    assert not halt(house.database, "default", by=BY)

    allowed = allow_more(house.database, "default", brakes=house.ports.limits.brakes, more=None, by=BY)

    assert not allowed.was_resumed
    assert house.charge().claimed == 0
    assert halt_cause(house) == "person"
    resume(house.database, "default", by=BY)
    house.charge()
    assert house.states("invoice") == {"paid": 7}


def test_what_is_allowed_leaves_room_for_what_the_day_expects_later(house: House) -> None:
    house.limit(claim_size=2, concurrency=2)
    house.plan("tonight", cron="0 22 * * *")
    for _ in range(6):
        house.subscription(plan="tonight")
    house.tick()
    sell_unseen(house, 12)
    house.charge()
    assert halt_cause(house) == "envelope"

    allow_more(house.database, "default", brakes=house.ports.limits.brakes, more=None, by=BY)
    house.charge()
    house.advance(hours=13)
    house.tick()
    house.charge()

    assert halt_cause(house) is None
    assert house.states("invoice") == {"paid": 18}


def test_a_price_that_went_wrong_stops(house: House) -> None:
    house.limit(brakes=replace(NO_BRAKES, envelope=EnvelopeTerms(factor=2.0, floor=Volume(charges=100, won=20_000))))
    house.plan("daily", every="1 day")
    for _ in range(3):
        house.subscription(plan="daily")
    house.tick()
    house.charge()
    house.advance(days=1)
    house.tick()
    with house.database.transaction() as tx:
        tx.connection.execute(text("UPDATE invoice SET amount = 990000 WHERE state = 'open'"))

    house.charge()

    assert halt_cause(house) == "envelope"
    assert len(house.gateway.asked) == 3
    assert "2,970,000 won" in house.value("SELECT halt_reason FROM channel_state")


def test_what_a_person_makes_due_is_expected(house: House) -> None:
    house.limit(brakes=replace(NO_BRAKES, envelope=EXACT))
    sub = house.subscription()
    house.gateway.default = Fate.DECLINE
    house.tick()
    house.charge()
    assert house.states("invoice") == {"past_due": 1}

    invoice = house.value("SELECT id FROM invoice WHERE subscription_id = :id", id=sub)
    charge_now(house.ports, invoice, by=BY)
    house.gateway.default = Fate.APPROVE
    house.advance(seconds=200)
    house.charge()
    house.charge()

    assert halt_cause(house) is None
    assert house.states("invoice") == {"paid": 1}


@pytest.mark.parametrize("fate", [Fate.NOT_SENT, Fate.LOSE_REQUEST])
def test_sending_the_same_attempt_again_takes_nothing_of_the_day(house: House, fate: Fate) -> None:
    house.limit(brakes=replace(NO_BRAKES, envelope=EXACT))
    sub = house.subscription()
    house.gateway.script(house.uid(sub, 0), fate, fate)

    house.settle(hours=4, step_seconds=120)

    assert halt_cause(house) is None
    assert house.value("SELECT sum(claimed_charges) FROM charge_envelope") == 1
    assert house.states("invoice") == {"paid": 1}


def test_the_forecast_knows_all_of_an_ordinary_life(house: House) -> None:
    """Weeks of periods, declines, catching up, a night of halt and two days without a worker: nothing is a surprise."""
    house.limit(brakes=replace(NO_BRAKES, envelope=EXACT, breaker=BreakerTerms(trouble_run=10**6)))
    house.plan("daily", every="1 day", amount=1_000)
    house.plan("weekly", every="1 week", amount=7_000, catch_up=CatchUp.ALL)
    house.plan("monthly", every="1 month", amount=30_000)
    started = (START - timedelta(days=20)).date()
    for plan in ("daily", "weekly", "monthly"):
        for _ in range(2):
            house.subscription(plan=plan)
    house.subscription(plan="weekly", started_on=started, ordinal=-1, catch_up_below=3)

    for day in range(18):
        for hour in (0, 11) if day not in {6, 7} else ():
            house.to(START + timedelta(days=day, hours=hour))
            house.gateway.default = Fate.DECLINE if day in {2, 9} else Fate.APPROVE
            house.tick()
            house.charge()
            house.charge()
            house.resolve()
            reason = house.value("SELECT halt_reason FROM channel_state WHERE halted_at IS NOT NULL")
            assert reason is None, (day, hour, reason)

    assert house.value("SELECT sum(claimed_charges) FROM charge_envelope") > 40
