"""Periods are opened and charged at their due times: of day, on business days, after the period, spread."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from billing.change_subscription import By
from billing.check_invariants import check_invariants
from billing.refresh_due_times import refresh_due_times
from billing.stop_subscription import stop_subscription
from domain.billing_period import CatchUp
from domain.business_day import Shift
from domain.stop import Stop

if TYPE_CHECKING:
    from uuid import UUID

    from tests.support.house import House

BY = By(actor="operator@shop.example", reason="holidays")
START_DAY = date(2026, 1, 31)  # a Saturday; Monday is 2 February


def _at(year: int, month: int, day: int, hour: int, minute: int = 0) -> datetime:
    """A civil time in Seoul."""
    return datetime(year, month, day, hour, minute, tzinfo=UTC) - timedelta(hours=9)


def _broken(house: House) -> list[str]:
    return [each.subject for each in check_invariants(house.ports, progress=lambda _: None)]


def _invoices(house: House) -> int:
    return int(house.value("SELECT count(*) FROM invoice"))


def _next_billing(house: House, sub: UUID) -> datetime:
    found: datetime = house.value(f"SELECT next_billing_at FROM subscription WHERE id = '{sub}'")
    return found


@pytest.mark.parametrize(
    ("dates", "due_at"),
    [
        ({}, _at(2026, 1, 31, 10)),
        ({"charge_time": time(14, 30)}, _at(2026, 1, 31, 14, 30)),
        ({"shift": Shift.NEXT}, _at(2026, 2, 2, 10)),
        ({"shift": Shift.NEXT, "charge_time": time(9, 0)}, _at(2026, 2, 2, 9)),
    ],
)
def test_a_period_is_opened_at_its_due_time_and_not_a_second_before(
    house: House, dates: dict[str, Any], due_at: datetime
) -> None:
    house.plan("dated", **dates)
    house.subscription(plan="dated", started_on=START_DAY)

    house.to(due_at - timedelta(seconds=1))
    house.tick()
    assert _invoices(house) == 0
    house.to(due_at)
    house.tick()
    house.charge()

    row = house.rows("SELECT period_start, period_end, state FROM invoice")[0]
    at = dates.get("charge_time", time(10, 0))
    assert isinstance(at, time)
    assert row.period_start == _at(2026, 1, 31, at.hour, at.minute)
    assert row.period_end == _at(2026, 2, 28, at.hour, at.minute)
    assert row.state == "paid"
    assert _broken(house) == []


def test_a_charge_of_a_holiday_is_made_before_it_where_the_plan_says_so(house: House) -> None:
    house.plan("early", shift=Shift.PREVIOUS)
    sub = house.subscription(plan="early", started_on=date(2026, 2, 17))  # Korean New Year: 16 to 18

    assert _next_billing(house, sub) == _at(2026, 2, 13, 10)
    house.to(_at(2026, 2, 13, 10))
    house.tick()

    assert house.rows("SELECT period_start FROM invoice")[0].period_start == _at(2026, 2, 17, 10)
    assert _next_billing(house, sub) == _at(2026, 3, 17, 10)


def test_a_spread_plan_is_charged_within_its_window_each_subscription_at_its_own_second(house: House) -> None:
    house.plan("crowd", spread_minutes=120)
    subs = [house.subscription(plan="crowd", started_on=START_DAY) for _ in range(40)]
    due = {_next_billing(house, sub) for sub in subs}
    begin = _at(2026, 1, 31, 10)

    assert len(due) > 30
    assert all(begin <= each < begin + timedelta(hours=2) for each in due)
    opened = []
    for minute in range(0, 121, 10):
        house.to(begin + timedelta(minutes=minute))
        house.tick()
        opened.append(_invoices(house))
        assert opened[-1] == len([sub for sub in subs if _was_due(house, sub)])
    assert opened[-1] == 40
    assert opened[6] < 40
    house.charge()
    assert house.states("invoice") == {"paid": 40}
    assert _broken(house) == []


def _was_due(house: House, sub: UUID) -> bool:
    own = sub.int % (120 * 60)
    return _at(2026, 1, 31, 10) + timedelta(seconds=own) <= house.now


@pytest.mark.parametrize("catch_up", CatchUp)
def test_an_outage_owes_what_fell_due_whatever_the_plan_catches_up(house: House, catch_up: CatchUp) -> None:
    house.plan("monthly", catch_up=catch_up, shift=Shift.NEXT)
    house.subscription(plan="monthly", started_on=START_DAY)

    house.to(_at(2026, 5, 10, 12))
    for _ in range(4):
        house.tick()
        house.charge()
        house.advance(days=1)

    assert house.states("invoice") == {"paid": 4}
    assert _broken(house) == []


def test_a_day_that_became_a_holiday_is_charged_later_and_one_that_is_none_any_more_sooner(house: House) -> None:
    house.plan("shifting", shift=Shift.NEXT)
    later, sooner = (house.subscription(plan="shifting", started_on=START_DAY) for _ in range(2))
    known = _at(2026, 2, 2, 10)
    # As a version that knew other holidays left them.
    for sub, stored in ((later, known - timedelta(days=2)), (sooner, known + timedelta(days=1))):
        with house.database.transaction() as tx:
            tx.connection.execute(
                text("UPDATE subscription SET next_billing_at = :at WHERE id = :id"), {"at": stored, "id": sub}
            )
    assert sorted(_broken(house)) == sorted(map(str, (later, sooner)))

    house.tick()

    assert _invoices(house) == 0
    assert _next_billing(house, later) == known
    assert refresh_due_times(house.database) == 1
    assert refresh_due_times(house.database) == 0
    assert _next_billing(house, sooner) == known
    assert _broken(house) == []
    moved = house.rows("SELECT subscription_id, data FROM outbox_event WHERE kind = 'subscription.due_time_moved'")
    assert [row.subscription_id for row in moved] == [sooner]


def test_an_end_with_the_period_is_neither_charged_ahead_nor_early(house: House) -> None:
    """The next period would be charged on Friday, before the paid one is over on Saturday."""
    house.plan("early", shift=Shift.PREVIOUS)
    sub = house.subscription(plan="early", started_on=START_DAY)
    house.tick()
    house.charge()

    told = stop_subscription(house.ports, sub, Stop.CANCEL, at_period_end=True, by=BY)
    assert told.begins_at == _at(2026, 2, 28, 10)
    house.to(_at(2026, 2, 27, 12))
    house.tick()
    assert (_invoices(house), house.states("subscription")) == (1, {"active": 1})
    house.to(_at(2026, 2, 28, 10))
    house.tick()

    assert (_invoices(house), house.states("subscription")) == (1, {"ended": 1})
    assert _broken(house) == []


def test_a_period_that_was_charged_ahead_is_the_last_one(house: House) -> None:
    house.plan("early", shift=Shift.PREVIOUS)
    sub = house.subscription(plan="early", started_on=START_DAY)
    house.to(_at(2026, 2, 27, 12))
    house.tick()
    house.charge()
    assert house.states("invoice") == {"paid": 2}

    told = stop_subscription(house.ports, sub, Stop.CANCEL, at_period_end=True, by=BY)

    assert told.begins_at == _at(2026, 3, 31, 10)
    house.to(_at(2026, 3, 31, 10))
    house.tick()
    assert (_invoices(house), house.states("subscription")) == (2, {"ended": 1})
    assert _broken(house) == []
