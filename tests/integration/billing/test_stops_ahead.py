"""Cancel with the end of the period, and keep: what happens at that instant, whether anybody is awake or not."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from billing.change_subscription import Made, cancel, change_card, pause
from billing.charge_now import charge_now
from billing.make_what_has_come import make_what_has_come
from billing.open_period import open_due_periods
from billing.stop_subscription import keep_subscription, stop_subscription
from domain.errors import Conflict
from domain.stop import Stop
from models.queries import envelope
from tests.fakes.gateway import Fate
from tests.support.stops import BY, at_the_end, declined, nothing_is_broken, paid

if TYPE_CHECKING:
    from tests.support.house import House

FEBRUARY = datetime(2026, 2, 28, 1, 0, tzinfo=UTC)  # the second period of a subscription since 31 January begins
MARCH = datetime(2026, 3, 31, 1, 0, tzinfo=UTC)
APRIL = datetime(2026, 4, 30, 1, 0, tzinfo=UTC)


def events(house: House, prefix: str = "subscription.") -> list[str]:
    rows = house.rows("SELECT kind FROM outbox_event WHERE kind LIKE :like ORDER BY id", like=f"{prefix}%")
    return [row.kind for row in rows]


def test_a_cancel_with_the_end_of_the_period_ends_it_then_and_opens_nothing_more(house: House) -> None:
    sub = paid(house)

    foretold = at_the_end(house, sub)
    assert (foretold.made, foretold.begins_at, foretold.debts) == (Made.LATER, FEBRUARY, 0)
    house.to(FEBRUARY - timedelta(seconds=1))
    house.tick()
    assert house.states("subscription") == {"active": 1}

    house.to(FEBRUARY)
    house.tick()
    house.charge()

    assert house.states("subscription") == {"ended": 1}
    assert house.states("invoice") == {"paid": 1}
    assert len(house.gateway.asked) == 1
    assert events(house) == ["subscription.cancel_planned", "subscription.cancel"]
    assert [row.actor for row in house.rows("SELECT actor FROM audit_entry ORDER BY id")] == ["kim", "kim"]
    nothing_is_broken(house)


@pytest.mark.parametrize("first", ["opening", "stopping"])
def test_an_end_and_a_renewal_at_the_same_instant_are_an_end(house: House, first: str) -> None:
    """An expiry that raced the renewal made a second order elsewhere: here both compare with one instant."""
    sub = paid(house)
    at_the_end(house, sub)
    house.to(FEBRUARY)

    steps = [open_due_periods, make_what_has_come]
    for step in steps if first == "opening" else steps[::-1]:
        step(house.ports)
    open_due_periods(house.ports)
    house.charge()

    assert house.states("subscription") == {"ended": 1}
    assert house.states("invoice") == {"paid": 1}
    assert len(house.gateway.asked) == 1


def test_a_cancel_asked_for_as_a_period_begins_ends_that_period_once(house: House) -> None:
    """Asked for at the instant of the renewal, before any tick: that period has begun, is owed, and is the last."""
    sub = paid(house)
    house.to(FEBRUARY)

    assert at_the_end(house, sub).begins_at == MARCH
    house.tick()
    house.charge()
    house.to(APRIL)
    house.tick()
    house.charge()

    assert house.states("invoice") == {"paid": 2}
    assert house.states("subscription") == {"ended": 1}


def test_once_an_end_has_come_no_call_follows_though_nobody_has_made_it(house: House) -> None:
    """A reattempt is due at that instant, the tick that would make the end is lost: the claim compares for itself."""
    sub = declined(house)
    at_the_end(house, sub)
    house.tick()
    asked = len(house.gateway.asked)
    with house.database.transaction() as tx:
        tx.connection.exec_driver_sql(f"UPDATE invoice SET next_attempt_at = '{FEBRUARY.isoformat()}'")

    for late in (timedelta(), timedelta(seconds=1), timedelta(days=3)):
        house.to(FEBRUARY + late)
        house.charge()
        with pytest.raises(Conflict, match="stopped"):
            charge_now(house.ports, house.value("SELECT id FROM invoice"), by=BY)
    assert len(house.gateway.asked) == asked

    house.tick()
    house.charge()
    assert len(house.gateway.asked) == asked
    assert house.states("invoice") == {"void": 1}
    nothing_is_broken(house)


def test_a_cancel_that_is_committed_before_an_instant_lets_no_call_begin_after_it(house: House) -> None:
    """With a reattempt due, and with a first attempt due: neither is made after a cancel, whatever was waiting."""
    waits, fresh = declined(house), house.subscription(plan="other")
    house.tick()
    house.advance(days=1)
    for sub in (waits, fresh):
        assert stop_subscription(house.ports, sub, Stop.CANCEL, by=BY).made is Made.AT_ONCE
    asked = len(house.gateway.asked)

    for _ in range(30):
        house.advance(days=2)
        house.tick()
        house.charge()
        house.resolve()

    assert len(house.gateway.asked) == asked == 1
    assert house.states("invoice") == {"void": 2}


def test_a_debt_is_dunned_until_the_end_and_void_then(house: House) -> None:
    sub = declined(house, times=2)
    foretold = at_the_end(house, sub)
    assert (foretold.debts, foretold.debts_won, foretold.debts_become) == (1, 9_900, "void")

    house.advance(days=1)
    house.tick()
    house.charge()
    assert len(house.gateway.asked) == 2  # the ladder goes on
    with house.database.transaction() as tx:
        tx.connection.exec_driver_sql("UPDATE invoice SET next_attempt_at = '2026-03-05T00:00:00Z'")
    house.to(FEBRUARY)
    house.tick()

    assert house.states("invoice") == {"void": 1}
    assert house.states("subscription") == {"ended": 1}


def test_a_debt_that_is_paid_before_the_end_stays_paid(house: House) -> None:
    sub = declined(house)
    at_the_end(house, sub)
    house.advance(days=1)
    house.tick()
    house.charge()
    house.to(FEBRUARY)
    house.tick()

    assert house.states("invoice") == {"paid": 1}
    assert house.states("subscription") == {"ended": 1}


def test_an_end_that_comes_while_a_charge_is_undecided_waits_for_its_outcome(house: House) -> None:
    sub = house.subscription()
    house.gateway.script(house.uid(sub, 0), Fate.LOSE_ANSWER)
    at_the_end(house, sub)
    house.to(FEBRUARY - timedelta(minutes=1))
    house.tick()
    house.charge()
    house.to(FEBRUARY)
    house.tick()

    assert house.value("SELECT requested_change FROM subscription") == "cancel"
    with pytest.raises(Conflict, match="waits for the outcome"):
        keep_subscription(house.ports, sub, by=BY)
    for _ in range(10):
        house.advance(minutes=10)
        house.tick()
        house.resolve()

    assert house.states("subscription") == {"ended": 1}
    assert house.states("invoice") == {"paid": 1}
    nothing_is_broken(house)


def test_a_bill_job_that_is_queued_when_it_ends_makes_no_second_invoice(house: House) -> None:
    """Ended while bells are in the queue: each finds the row as it is, and the period's key is one."""
    sub = house.subscription()
    house.tick()
    at_the_end(house, sub)
    house.charge()
    house.to(FEBRUARY)
    house.tick()

    for bell in (house.charge, house.tick, house.charge, house.tick):
        bell()
    with pytest.raises(Conflict):
        cancel(house.ports, sub, by=BY)

    assert house.rows("SELECT ordinal, state FROM invoice") == [(0, "paid")]


def test_what_is_kept_goes_on_as_if_nobody_had_asked(house: House) -> None:
    sub = paid(house)
    at_the_end(house, sub)

    told = keep_subscription(house.ports, sub, by=BY, dry_run=True)
    assert (told.stop, told.at, told.next_billing_at) == (Stop.CANCEL, FEBRUARY, FEBRUARY)
    assert house.value("SELECT stops_at FROM subscription") == FEBRUARY
    assert keep_subscription(house.ports, sub, by=BY) == told
    with pytest.raises(Conflict, match="nothing to take back"):
        keep_subscription(house.ports, sub, by=BY)
    house.to(FEBRUARY)
    house.tick()
    house.charge()

    assert house.states("invoice") == {"paid": 2}
    assert "subscription.kept" in events(house)


def test_nothing_is_kept_once_its_end_has_come(house: House) -> None:
    sub = paid(house)
    at_the_end(house, sub)
    house.to(FEBRUARY)

    with pytest.raises(Conflict, match="too late"):
        keep_subscription(house.ports, sub, by=BY)
    house.tick()
    with pytest.raises(Conflict, match="has ended"):
        keep_subscription(house.ports, sub, by=BY)


def test_a_cancel_now_wins_over_an_end_that_waits(house: House) -> None:
    sub = declined(house)
    at_the_end(house, sub)
    with pytest.raises(Conflict, match="keep"):
        at_the_end(house, sub)
    with pytest.raises(Conflict, match="ends at"):
        at_the_end(house, sub, Stop.PAUSE)

    assert stop_subscription(house.ports, sub, Stop.CANCEL, by=BY).made is Made.AT_ONCE

    assert house.rows("SELECT state, stops_at FROM subscription") == [("ended", None)]
    assert house.states("invoice") == {"void": 1}


def test_an_end_takes_the_place_of_a_pause_that_waits(house: House) -> None:
    sub = paid(house)
    at_the_end(house, sub, Stop.PAUSE, until=date(2026, 5, 1))
    at_the_end(house, sub)

    house.to(datetime(2026, 6, 1, tzinfo=UTC))
    house.tick()

    assert house.states("subscription") == {"ended": 1}
    assert house.states("invoice") == {"paid": 1}


def test_what_has_no_running_period_cannot_wait_for_its_end(house: House) -> None:
    sub = paid(house)
    pause(house.ports, sub, by=BY)
    at_the_end(house, sub)  # what was paid for still runs
    keep_subscription(house.ports, sub, by=BY)
    house.to(MARCH)

    with pytest.raises(Conflict, match="no period of it runs"):
        at_the_end(house, sub)


def test_another_card_is_charged_until_the_end(house: House) -> None:
    sub = declined(house)
    at_the_end(house, sub)
    change_card(house.ports, sub, customer_uid="another", by=BY)
    house.charge()

    assert house.states("invoice") == {"paid": 1}
    assert house.value("SELECT stops_at FROM subscription") == FEBRUARY


def test_the_forecast_knows_what_ends_and_what_is_kept(house: House) -> None:
    subs = [paid(house, plan=plan) for plan in ("one", "two", "three")]
    for sub in subs[:2]:
        at_the_end(house, sub)
    house.to(FEBRUARY - timedelta(days=1))
    house.tick()

    def expected() -> int:
        with house.database.reading() as tx:
            row = envelope.read_envelope(tx, "default", date(2026, 2, 28))
            assert row is not None
            return int(row.expected_charges)

    assert expected() == 1
    keep_subscription(house.ports, subs[0], by=BY)
    assert expected() == 2
