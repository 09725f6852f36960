"""Pauses that begin with the end of a period, and resumes on a date: made once, as of their instant, however late."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from billing.change_subscription import resume
from billing.stop_subscription import stop_subscription
from domain.billing_period import CatchUp
from domain.errors import BadInput, Conflict
from domain.stop import Stop
from tests.fakes.gateway import Fate
from tests.support.house import START, House
from tests.support.mortal import Died, Life, empty, live_on, mortal
from tests.support.profiles import is_long
from tests.support.stops import BY, at_the_end, declined, nothing_is_broken, paid

if TYPE_CHECKING:
    from uuid import UUID


FEBRUARY = datetime(2026, 2, 28, 1, 0, tzinfo=UTC)  # the second period of a subscription since 31 January begins


def test_a_pause_until_a_date_goes_on_by_itself_at_the_hour_of_billing(house: House) -> None:
    sub = paid(house)
    foretold = stop_subscription(house.ports, sub, Stop.PAUSE, until=date(2026, 4, 10), by=BY)
    resumes_at = datetime(2026, 4, 10, 1, 0, tzinfo=UTC)
    assert (foretold.resumes_at, foretold.next_billing_at, foretold.behind) == (resumes_at, FEBRUARY, 1)

    house.to(resumes_at - timedelta(seconds=1))
    house.tick()
    house.charge()
    assert (house.states("subscription"), len(house.gateway.asked)) == ({"paused": 1}, 1)
    house.to(resumes_at)
    house.tick()
    house.charge()

    # February ended during the pause and the plan's catch_up asks for the latest; March is running.
    assert house.rows("SELECT ordinal, state FROM invoice ORDER BY 1") == [(0, "paid"), (1, "paid"), (2, "paid")]
    assert house.rows("SELECT state, resumes_at, paused_at FROM subscription") == [("active", None, None)]
    nothing_is_broken(house)


@pytest.mark.parametrize("catch_up", list(CatchUp))
def test_an_engine_that_slept_over_the_resume_ends_where_one_ends_that_was_awake(
    house: House, catch_up: CatchUp
) -> None:
    """Due-ness comes from rows: what fell due after the date is charged, what ended before it as the plan says."""
    house.plan("weekly", every="1 week", catch_up=catch_up)
    outcomes = []
    for sleeps in (False, True):
        empty(house)
        sub = paid(house, plan="weekly", started_on=house.now.date())
        at_the_end(house, sub, Stop.PAUSE, until=house.now.date() + timedelta(days=27))
        for day in range(1, 58):
            house.advance(days=1)
            if sleeps and day < 44:
                continue
            for _ in range(3):
                house.tick()
                house.charge()
        rows = house.rows("SELECT ordinal, state FROM invoice ORDER BY 1")
        skips = house.rows("SELECT first_ordinal, last_ordinal, reason FROM skipped_period ORDER BY 1")
        outcomes.append(([tuple(row) for row in rows], [tuple(row) for row in skips], house.states("subscription")))
        nothing_is_broken(house)

    assert outcomes[0] == outcomes[1]
    assert outcomes[0][0]


def test_a_debt_stays_owed_and_is_not_attempted_while_paused(house: House) -> None:
    sub = declined(house, times=1)
    foretold = at_the_end(house, sub, Stop.PAUSE, until=date(2026, 4, 10))
    assert foretold.debts_become == "held"
    with house.database.transaction() as tx:
        tx.connection.exec_driver_sql("UPDATE invoice SET next_attempt_at = '2026-03-05T00:00:00Z'")
    for _ in range(12):
        house.advance(days=5)
        house.tick()
        house.charge()
    assert len(house.gateway.asked) == 1
    assert house.rows("SELECT state FROM invoice") == [("past_due",)]

    house.to(datetime(2026, 4, 10, 1, 0, tzinfo=UTC))
    house.tick()
    house.charge()

    assert house.value("SELECT state FROM invoice WHERE ordinal = 0") == "paid"


def test_a_date_in_the_past_or_before_the_pause_begins_is_refused(house: House) -> None:
    sub = paid(house)
    with pytest.raises(BadInput, match="is over"):
        stop_subscription(house.ports, sub, Stop.PAUSE, until=date(2026, 1, 31), by=BY)
    with pytest.raises(BadInput, match="does not come after"):
        at_the_end(house, sub, Stop.PAUSE, until=date(2026, 2, 28))
    house.plan("daily", every="1 day", catch_up=CatchUp.ALL)
    daily = paid(house, plan="daily")
    with pytest.raises(BadInput, match="to catch up"):
        stop_subscription(house.ports, daily, Stop.PAUSE, until=date(2026, 8, 1), by=BY)

    assert house.states("subscription") == {"active": 2}
    assert house.value("SELECT count(*) FROM audit_entry") == 0


def test_the_date_of_a_pause_is_moved_and_taken_away(house: House) -> None:
    sub = paid(house)
    stop_subscription(house.ports, sub, Stop.PAUSE, until=date(2026, 2, 10), by=BY)
    stop_subscription(house.ports, sub, Stop.PAUSE, until=date(2026, 2, 20), by=BY)
    house.to(datetime(2026, 2, 11, tzinfo=UTC))
    house.tick()
    assert house.states("subscription") == {"paused": 1}

    stop_subscription(house.ports, sub, Stop.PAUSE, until="none", by=BY)
    house.to(datetime(2026, 3, 1, tzinfo=UTC))
    house.tick()

    assert house.states("subscription") == {"paused": 1}
    with pytest.raises(Conflict, match="cannot take pause"):
        stop_subscription(house.ports, sub, Stop.PAUSE, by=BY)


def test_a_pause_that_comes_sooner_keeps_its_date(house: House) -> None:
    sub = paid(house)
    at_the_end(house, sub, Stop.PAUSE, until=date(2026, 4, 10))
    stop_subscription(house.ports, sub, Stop.PAUSE, by=BY)

    assert house.rows("SELECT state, stops_at, resumes_at IS NULL FROM subscription") == [("paused", None, False)]


def test_a_paused_one_ends_with_its_period_and_is_not_resumed_after_it(house: House) -> None:
    sub = paid(house)
    at_the_end(house, sub)
    with pytest.raises(Conflict, match="before it would go on"):
        stop_subscription(house.ports, sub, Stop.PAUSE, until=date(2026, 3, 10), by=BY)
    stop_subscription(house.ports, sub, Stop.PAUSE, until=date(2026, 2, 20), by=BY)
    house.to(FEBRUARY)
    with pytest.raises(Conflict, match="over since"):
        resume(house.ports, sub, by=BY)
    house.tick()
    house.charge()

    assert house.states("subscription") == {"ended": 1}
    assert len(house.gateway.asked) == 1


def test_one_that_cannot_be_made_is_set_aside_and_the_others_are(house: House) -> None:
    house.plan("daily", every="1 day", catch_up=CatchUp.ALL)
    bad = paid(house, plan="daily")
    stop_subscription(house.ports, bad, Stop.PAUSE, until=date(2026, 3, 1), by=BY)
    good = paid(house)
    stop_subscription(house.ports, good, Stop.PAUSE, until=date(2026, 3, 1), by=BY)
    house.limit(max_behind=5)  # somebody changed a setting meanwhile
    house.to(datetime(2026, 3, 1, 1, 0, tzinfo=UTC))

    did = house.tick()

    assert did["set_aside"] == 1
    states = {row.id: row for row in house.rows("SELECT id, state, set_aside_reason FROM subscription")}
    assert states[good].state == "active"
    assert (states[bad].state, "could not be made" in states[bad].set_aside_reason) == ("paused", True)
    assert house.tick()["set_aside"] == 0


def _lives(house: House) -> list[UUID]:
    """One of each kind, on the first day."""
    subs = [house.subscription(customer_ref=f"c{number}") for number in range(4)]
    for sub in (subs[0], subs[3]):
        house.gateway.script(house.uid(sub, 0), Fate.DECLINE)
    house.tick()
    house.charge()
    house.to(FEBRUARY - timedelta(days=3))
    at_the_end(house, subs[0])
    at_the_end(house, subs[1])
    at_the_end(house, subs[2], Stop.PAUSE, until=date(2026, 3, 4))
    stop_subscription(house.ports, subs[3], Stop.PAUSE, until=date(2026, 3, 2), by=BY)
    return subs


def _came_to(house: House, subs: list[UUID]) -> list[tuple[Any, ...]]:
    rows = house.rows(
        "SELECT s.id, s.state, s.ordinal, s.stops_at, s.resumes_at, (SELECT array_agg(i.ordinal || ' ' || i.state"
        " ORDER BY i.ordinal) FROM invoice i WHERE i.subscription_id = s.id) AS invoices FROM subscription s"
    )
    ledger = house.paid_at_gateway()
    found = {row.id: tuple(row)[1:] for row in rows}
    return [(*found[sub], *(ledger[house.uid(sub, ordinal)[:-3]] for ordinal in range(3))) for sub in subs]


def _live(house: House, dies_at: int | None) -> tuple[list[tuple[Any, ...]], Life]:
    empty(house)
    house.to(START)
    house.point_at(house.another_account())
    subs, until = _lives(house), datetime(2026, 3, 5, tzinfo=UTC)
    life = Life(dies_at=dies_at)
    ports = mortal(house, life)
    try:
        live_on(house, ports, until=until, life=life)
    except Died:
        live_on(house, house.ports, until=until)  # another process: nothing of the first one's memory
    finally:
        ports.database.close()
    nothing_is_broken(house)
    return _came_to(house, subs), life


def test_a_process_that_dies_at_any_commit_makes_what_has_come_once(database_url: str) -> None:
    house = House(database_url, is_strict=False)
    house.plan()
    expected, life = _live(house, None)
    assert [row[0] for row in expected] == ["ended", "ended", "active", "active"]
    # Before a commit a death leaves what one after the commit before it left: only a longer run dies there, too.
    commits = [
        number
        for number, name in enumerate(life.boundaries, start=1)
        if name == "after a commit" or (is_long() and "commit" in name)
    ]

    otherwise = {number: came for number in commits if (came := _live(house, number)[0]) != expected}

    assert otherwise == {}
    assert len(commits) > 10
    house.close()
