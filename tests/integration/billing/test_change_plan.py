"""Another plan, from the next period on or from today: charged once, and what was paid is not paid again."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest

from billing.change_plan import change_plan
from billing.change_quantity import change_quantity
from billing.change_subscription import By, pause
from billing.coupons import CouponTerms, add_coupon, apply_coupon
from billing.foresee import foresee
from billing.give_back import GiveBack, Giving
from billing.stop_subscription import stop_subscription
from domain.coupon import Discount
from domain.errors import BadInput, Conflict, NotFound
from domain.stop import Stop
from tests.support.consents import broken

if TYPE_CHECKING:
    from uuid import UUID

    from tests.support.house import House

BY = By(actor="mina", reason="wants more")


@pytest.fixture
def house(house: House) -> House:
    house.plan("basic", amount=31_000)
    house.plan("more", amount=62_000)
    house.plan("year", amount=300_000, every="1 year")
    return house


def paid_one(house: House, *, started_on: date = date(2026, 3, 1)) -> UUID:
    sub = house.subscription(plan="basic", started_on=started_on, customer_ref="c1")
    house.to(datetime(2026, 3, 1, 1, tzinfo=UTC))
    run(house)
    return sub


def run(house: House) -> None:
    house.tick()
    house.charge()


def charged(house: House) -> list[int]:
    return [record.amount for record in house.gateway.records]


def periods(house: House) -> list[tuple[str, int, str, int]]:
    rows = house.rows(
        "SELECT purpose, ordinal, (period_start AT TIME ZONE 'Asia/Seoul')::date::text AS day, amount FROM invoice"
        " ORDER BY opened_at, purpose DESC"
    )
    return [tuple(row) for row in rows]


def test_from_the_next_period_on_it_costs_what_the_other_plan_does(house: House) -> None:
    sub = paid_one(house)
    house.advance(days=10)
    told = change_plan(house.database, sub, "more", by=BY, dry_run=True)
    assert change_plan(house.database, sub, "more", by=BY) == told
    with house.database.reading() as tx:
        foreseen = [(each.due_at, each.amount) for each in foresee(tx, until=told.due_at)]
    run(house)
    house.to(told.due_at)
    run(house)

    assert charged(house) == [31_000, 62_000]
    assert foreseen == [(told.due_at, 62_000)]
    assert (told.ordinal, told.due_at) == (1, datetime(2026, 4, 1, 1, tzinfo=UTC))
    with pytest.raises(Conflict, match="has plan 'more' already"):
        change_plan(house.database, sub, "more", by=BY)
    assert broken(house) == []


def test_from_today_on_the_days_left_are_charged_at_the_difference_and_given_back_by_a_cancel(house: House) -> None:
    sub = paid_one(house)
    house.advance(days=10)  # 21 of 31 days are left
    settled = change_plan(house.database, sub, "more", quantity=2, now=True, by=BY).settled
    assert settled is not None
    assert settled.charged == 21 * (2 * 2_000 - 1_000)
    run(house)
    assert charged(house) == [31_000, 63_000]

    house.advance(days=10)  # 11 days are left, at 4,000 won each
    back = stop_subscription(house.ports, sub, Stop.CANCEL, give_back=GiveBack.PRO_RATA, by=BY).given_back
    assert back == Giving(refunded=44_000)
    house.refund()

    assert [record.cancel_amount for record in house.gateway.records] == [0, 44_000]
    assert broken(house) == []


def test_a_plan_that_bills_otherwise_begins_today_and_what_was_paid_ahead_lowers_it(house: House) -> None:
    sub = paid_one(house)
    house.advance(days=10, hours=2)
    told = change_plan(house.database, sub, "year", now=True, by=BY)
    assert told.settled is not None
    assert (told.settled.credited, told.due_at) == (21_000, datetime(2026, 3, 11, 1, tzinfo=UTC))
    run(house)
    assert charged(house) == [31_000, 279_000]

    # And again within the year: what was paid by credit is worth as much as what was paid by money.
    house.advance(days=100)
    seats = change_quantity(house.database, sub, 2, now=True, by=BY).settled
    assert seats is not None
    assert seats.charged == 300_000 * 265 // 365
    run(house)
    house.to(datetime(2027, 3, 11, 1, tzinfo=UTC))
    run(house)

    assert charged(house)[2:] == [seats.charged, 600_000]
    assert periods(house) == [
        ("period", 0, "2026-03-01", 31_000),
        ("period", 1, "2026-03-11", 279_000),
        ("change", 1, "2026-06-19", seats.charged),
        ("period", 2, "2027-03-11", 600_000),
    ]
    assert broken(house) == []


def test_a_plan_that_bills_otherwise_from_the_next_period_on_keeps_the_day_of_the_month(house: House) -> None:
    sub = paid_one(house, started_on=date(2026, 1, 31))
    change_plan(house.database, sub, "year", by=BY)
    change_plan(house.database, sub, "more", by=BY)
    for _ in range(60):
        house.advance(days=1)
        run(house)

    assert periods(house)[-2:] == [("period", 2, "2026-03-31", 62_000), ("period", 3, "2026-04-30", 62_000)]
    assert broken(house) == []


def test_a_coupon_goes_on_with_the_other_plan_and_its_end_is_asked_for_anew(house: House) -> None:
    add_coupon(
        house.database,
        CouponTerms(code="HALF", discount=Discount(percent=50), periods=2),
        zone_name="Asia/Seoul",
        by=BY,
    )
    sub = house.subscription(plan="basic", started_on=date(2026, 3, 1))
    apply_coupon(house.database, sub, "HALF", by=BY)
    house.to(datetime(2026, 3, 1, 1, tzinfo=UTC))
    run(house)
    house.advance(days=10)

    settled = change_plan(house.database, sub, "more", now=True, by=BY).settled
    assert settled is not None
    assert settled.charged == 21 * 500
    rows = house.rows("SELECT state, from_ordinal, old_won, new_won FROM price_change ORDER BY planned_at")
    assert [tuple(row) for row in rows] == [("withdrawn", 2, 15_500, 31_000), ("planned", 2, 31_000, 62_000)]
    for _ in range(3):
        run(house)
        house.advance(days=31)

    assert charged(house) == [15_500, 10_500, 31_000, 31_000]  # nobody agreed to its end
    assert broken(house) == []


def test_what_cannot_be_is_refused_and_changes_nothing(house: House) -> None:
    sub = paid_one(house)
    house.plan("lessons", amount=1_000, periods=12)
    house.subscription(plan="year", started_on=date(2026, 3, 1), customer_ref="c1")
    for plan, quantity, error, told in (
        ("gone", 1, NotFound, "there is no plan 'gone'"),
        ("basic", 1, Conflict, "has plan 'basic' already"),
        ("lessons", 1, Conflict, "is for a fixed term"),
        ("year", 1, Conflict, "has a subscription of plan 'year' from that day already"),
        ("more", 20_000, BadInput, "is more than 1,000,000,000 won a period"),
    ):
        with pytest.raises(error, match=told):
            change_plan(house.database, sub, plan, quantity=quantity, by=BY)
    stop_subscription(house.ports, sub, Stop.CANCEL, at_period_end=True, by=BY)
    with pytest.raises(Conflict, match="has a cancel ahead"):
        change_plan(house.database, sub, "more", by=BY)
    pause(house.ports, sub, by=BY)
    with pytest.raises(Conflict, match="is paused"):
        change_plan(house.database, sub, "more", by=BY)
    assert house.value("SELECT count(*) FROM subscription s JOIN plan p ON p.id = s.plan_id WHERE code = 'basic'") == 1
