"""Changes that meet others: what is pinned for the next period, moved, adopted, bound or given back already."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from billing.change_plan import change_plan
from billing.change_prices import add_price
from billing.change_quantity import change_quantity
from billing.change_subscription import By
from billing.coupons import CouponTerms, add_coupon, apply_coupon
from billing.give_back import GiveBack
from billing.move_billing_day import move_billing_day
from billing.move_price import move_named
from billing.refund import Wanted, request_refund
from billing.stop_subscription import stop_subscription
from domain.coupon import Discount
from domain.errors import Conflict
from domain.stop import Stop
from tests.support.consents import broken
from tests.support.imports import bring_in

if TYPE_CHECKING:
    from uuid import UUID

    from tests.support.house import House

BY = By(actor="mina", reason="wants more")
CONTACT = {"email": "a@shop.example", "tel": "010-0000-0000"}


@pytest.fixture
def house(house: House) -> House:
    house.plan("basic", amount=31_000)
    house.plan("more", amount=62_000)
    house.plan("year", amount=365_000, every="1 year")
    return house


def paid_one(house: House, *, plan: str = "basic", started_on: date = date(2026, 3, 1), seats: int = 1) -> UUID:
    """It pays 31,000 won for March, a thousand a day and seat."""
    sub = house.subscription(plan=plan, started_on=started_on, customer_ref="c1")
    tamper(house, f"UPDATE subscription SET quantity = {seats}")
    house.to(datetime(2026, 3, started_on.day, 1, tzinfo=UTC))
    run(house)
    return sub


def run(house: House) -> None:
    house.tick()
    house.charge()


def tamper(house: House, statement: str) -> None:
    with house.database.transaction() as tx:
        tx.connection.execute(text(statement))


def test_what_the_next_period_is_to_cost_is_not_what_the_running_one_does(house: House) -> None:
    sub = paid_one(house)
    house.advance(days=10)  # 21 of 31 days are left
    change_plan(house.database, sub, "year", by=BY)
    with pytest.raises(Conflict, match="gets plan 'year' with its next period already"):
        change_plan(house.database, sub, "more", now=True, by=BY)

    seats = change_quantity(house.database, sub, 2, now=True, by=BY).settled

    assert seats is not None
    assert (seats.charged, seats.periods[0].new_won) == (21_000, 62_000)
    run(house)
    assert broken(house) == []


def test_a_cheaper_price_of_the_next_period_makes_no_seat_of_this_one_free(house: House) -> None:
    sub = paid_one(house)
    add_price(house.database, "basic", {"amount": 15_500}, on=date(2026, 3, 2), zone_name="Asia/Seoul", by=BY)
    house.advance(days=12)  # 19 days are left
    move_named(house.database, [sub], to_version=2, by=BY)

    seats = change_quantity(house.database, sub, 2, now=True, by=BY).settled

    assert seats is not None
    assert seats.charged == 19_000


def test_a_plan_that_bills_otherwise_begins_where_the_moved_day_does(house: House) -> None:
    sub = paid_one(house, started_on=date(2026, 3, 20))
    house.advance(days=21)
    move_billing_day(house.database, sub, 5, by=BY)

    told = change_plan(house.database, sub, "year", by=BY)

    assert (told.ordinal, told.due_at) == (1, datetime(2026, 4, 20, 1, tzinfo=UTC))
    house.to(told.due_at)
    run(house)
    rows = house.rows("SELECT ordinal, amount, period_end FROM invoice ORDER BY ordinal")
    assert [(row.ordinal, row.amount) for row in rows] == [(0, 31_000), (1, 15_000)]  # fifteen days of a year
    assert rows[1].period_end == datetime(2026, 5, 5, 1, tzinfo=UTC)
    assert broken(house) == []


def test_a_plan_had_on_the_way_is_not_brought_in_again(house: House) -> None:
    sub = paid_one(house)
    house.advance(days=1)
    for plan in ("more", "year"):
        change_plan(house.database, sub, plan, by=BY)

    for plan in ("more", "year"):
        (refused,) = bring_in(house, {"customer_ref": "c1", "started_on": "2026-03-01", "plan": plan, **CONTACT})
        assert "was changed to that plan" in str(refused)
    assert house.value("SELECT count(*) FROM subscription") == 1


def test_what_ties_a_subscription_to_its_plan_is_refused(house: House) -> None:
    sub = paid_one(house)
    house.plan("first", cron="0 10 1 * *", every=None)
    house.advance(days=10)
    with pytest.raises(Conflict, match="begins its periods on days of its own, 2026-04-01 the next"):
        change_plan(house.database, sub, "first", now=True, by=BY)
    tamper(house, "UPDATE subscription SET minimum_periods = 12")
    with pytest.raises(Conflict, match="is bound for 12 periods"):
        change_plan(house.database, sub, "year", by=BY)
    tamper(house, "UPDATE subscription SET minimum_periods = NULL")
    terms = CouponTerms(code="FREE", discount=Discount(percent=100), plans=("basic",))
    add_coupon(house.database, terms, zone_name="Asia/Seoul", by=BY)
    apply_coupon(house.database, sub, "FREE", by=BY)
    with pytest.raises(Conflict, match="is not for plan 'more'"):
        change_plan(house.database, sub, "more", by=BY)
    tamper(
        house,
        "INSERT INTO adoption (subscription_id, channel, billing_key_id, state, actor, began_at)"
        " SELECT id, 'default', billing_key_id, 'created', 'kim', '2026-01-01' FROM subscription",
    )
    with pytest.raises(Conflict, match="schedules for subscription"):
        change_plan(house.database, sub, "more", by=BY)


def test_nothing_is_given_back_twice(house: House) -> None:
    sub = paid_one(house, seats=2)
    change_quantity(house.database, sub, 1, now=True, by=BY)  # 31,000 won of credit
    (payment,) = house.rows("SELECT id FROM payment")
    request_refund(house.database, payment.id, Wanted(amount=31_000), by=BY)

    offer = stop_subscription(house.ports, sub, Stop.CANCEL, by=BY, dry_run=True).offer
    assert offer is not None
    assert (offer.pro_rata.refunded, offer.withdrawal.refunded) == (0, 0)
    with pytest.raises(Conflict, match="is left to give back"):
        stop_subscription(house.ports, sub, Stop.CANCEL, give_back=GiveBack.PRO_RATA, by=BY)


def test_a_charge_that_nobody_knows_of_puts_a_refund_off_whatever_its_invoice_is(house: House) -> None:
    sub = paid_one(house)
    tamper(house, "UPDATE charge_attempt SET state = 'unknown', next_look_up_at = now()")

    with pytest.raises(Conflict, match="is under way"):
        stop_subscription(house.ports, sub, Stop.CANCEL, give_back=GiveBack.PRO_RATA, by=BY)
    assert stop_subscription(house.ports, sub, Stop.CANCEL, by=BY).made == "after_outcome"
    assert house.value("SELECT count(*) FROM refund") == 0
