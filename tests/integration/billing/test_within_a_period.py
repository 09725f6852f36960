"""Seats from today on, and a customer who leaves: what is charged and given back is what the days are worth."""

from __future__ import annotations

import random
from contextlib import suppress
from datetime import date, timedelta
from math import lcm
from typing import TYPE_CHECKING

import pytest

from billing.change_quantity import change_quantity
from billing.change_subscription import By
from billing.coupons import CouponTerms, add_coupon, apply_coupon
from billing.customer_credit import grant_credit
from billing.give_back import GiveBack, Giving
from billing.refund import Wanted, request_refund
from billing.stop_subscription import stop_subscription
from domain.coupon import Discount
from domain.errors import BadInput, Conflict
from domain.instants import civil_date
from domain.stop import Stop
from tests.fakes.gateway import Fate
from tests.support.consents import broken

if TYPE_CHECKING:
    from uuid import UUID

    from tests.support.house import House

BY = By(actor="mina", reason="two more people")
ZONE = "Asia/Seoul"
PARTS = lcm(*range(1, 32))


def paid_one(house: House, *, amount: int = 31_000, ref: str = "c1") -> UUID:
    """It pays 31,000 won for March, a thousand a day."""
    house.plan("seat", amount=amount)
    sub = house.subscription(plan="seat", started_on=date(2026, 3, 1), customer_ref=ref)
    house.advance(days=29)
    run(house)
    return sub


def run(house: House) -> None:
    house.tick()
    house.charge()


def leave(house: House, sub: UUID, give_back: GiveBack | None, *, dry_run: bool = False) -> Giving | None:
    return stop_subscription(house.ports, sub, Stop.CANCEL, give_back=give_back, by=BY, dry_run=dry_run).given_back


def kept(house: House) -> int:
    """Won at the gateway that were paid and not given back."""
    return sum(record.amount - record.cancel_amount for record in house.gateway.records if record.status != "failed")


def balance(house: House) -> int:
    return int(house.value("SELECT coalesce(sum(balance), 0) FROM credit_account"))


def test_more_seats_from_today_on_are_charged_for_the_days_left_and_no_more(house: House) -> None:
    sub = paid_one(house)
    house.advance(days=10)  # the 11th: 21 of 31 days are left
    told = change_quantity(house.database, sub, 3, now=True, by=BY, dry_run=True)

    assert change_quantity(house.database, sub, 3, now=True, by=BY) == told
    assert told.settled is not None
    assert told.settled.charged == 2 * 21_000
    run(house)
    assert [record.amount for record in house.gateway.records] == [31_000, 42_000]
    with pytest.raises(Conflict, match="has 3 already"):
        change_quantity(house.database, sub, 3, now=True, by=BY)

    house.advance(days=10)  # the 21st: 11 days are left
    less = change_quantity(house.database, sub, 1, now=True, by=BY)
    assert less.settled is not None
    assert less.settled.credited == 2 * 11_000
    run(house)
    house.advance(days=11)
    run(house)

    assert [record.amount for record in house.gateway.records] == [31_000, 42_000, 9_000]
    rows = house.rows("SELECT purpose, ordinal, amount, state FROM invoice ORDER BY opened_at")
    assert [tuple(row) for row in rows] == [
        ("period", 0, 31_000, "paid"),
        ("change", 0, 42_000, "paid"),
        ("period", 1, 9_000, "paid"),
    ]
    assert broken(house) == []


def test_a_little_is_put_on_the_next_invoice(house: House) -> None:
    sub = paid_one(house, amount=310)
    house.advance(days=25)  # the 26th: six days of ten won

    told = change_quantity(house.database, sub, 2, now=True, by=BY).settled
    assert told is not None
    assert (told.charged, told.on_next_invoice) == (0, 60)
    house.advance(days=6)
    run(house)

    assert [record.amount for record in house.gateway.records] == [310, 680]
    assert broken(house) == []


def test_who_leaves_gets_back_the_days_left_and_within_a_week_may_have_all(house: House) -> None:
    sub = paid_one(house)
    other, stays = (house.subscription(plan="seat", started_on=date(2026, 3, 1)) for _ in range(2))
    run(house)
    house.advance(days=7)  # the last day
    offer = stop_subscription(house.ports, sub, Stop.CANCEL, by=BY, dry_run=True).offer
    assert offer is not None
    assert (offer.pro_rata, offer.withdrawal) == (Giving(refunded=24_000), Giving(refunded=31_000))

    assert leave(house, sub, GiveBack.WITHDRAWAL, dry_run=True) == Giving(refunded=31_000)
    assert leave(house, sub, GiveBack.WITHDRAWAL) == Giving(refunded=31_000)
    house.advance(days=1)
    with pytest.raises(Conflict, match="the right of withdrawal is over"):
        leave(house, other, GiveBack.WITHDRAWAL)
    assert leave(house, other, GiveBack.PRO_RATA) == Giving(refunded=23_000)
    with pytest.raises(BadInput, match="--refund goes with a cancel now"):
        stop_subscription(house.ports, stays, Stop.CANCEL, at_period_end=True, give_back=GiveBack.PRO_RATA, by=BY)
    house.refund()

    assert sorted(record.cancel_amount for record in house.gateway.records) == [0, 23_000, 31_000]
    house.advance(days=60)
    run(house)
    assert kept(house) == 8_000 + 2 * 31_000
    assert broken(house) == []


def test_what_credit_paid_comes_back_as_credit(house: House) -> None:
    house.plan("seat", amount=31_000)
    sub = house.subscription(plan="seat", started_on=date(2026, 3, 1), customer_ref="c1")
    grant_credit(house.database, "c1", 25_000, by=BY)
    house.advance(days=29)
    run(house)
    house.advance(days=10)

    assert leave(house, sub, GiveBack.PRO_RATA) == Giving(refunded=6_000, credited=15_000)
    house.refund()

    assert (kept(house), balance(house)) == (0, 15_000)
    assert broken(house) == []


def test_what_is_owed_for_a_change_is_taken_off_what_goes_back(house: House) -> None:
    sub = paid_one(house)
    house.advance(days=10)
    change_quantity(house.database, sub, 2, now=True, by=BY)  # 21,000 won, which are not paid

    assert leave(house, sub, GiveBack.PRO_RATA) == Giving(refunded=21_000)
    house.refund()
    run(house)

    assert kept(house) == 10_000
    assert house.states("invoice") == {"paid": 1, "void": 1}
    assert broken(house) == []


def test_what_was_given_as_credit_is_not_given_back_again(house: House) -> None:
    sub = paid_one(house)
    house.advance(days=1)  # the second: 30 of 31 days are left
    change_quantity(house.database, sub, 2, now=True, by=BY)
    run(house)
    change_quantity(house.database, sub, 1, now=True, by=BY)
    assert balance(house) == 30_000

    offer = stop_subscription(house.ports, sub, Stop.CANCEL, by=BY, dry_run=True).offer
    assert offer is not None
    assert (offer.pro_rata.refunded, offer.withdrawal.refunded) == (30_000, 31_000)
    assert leave(house, sub, GiveBack.PRO_RATA) == Giving(refunded=30_000)
    house.refund()

    assert (kept(house), balance(house)) == (31_000, 30_000)
    assert broken(house) == []


def test_what_a_person_gave_back_is_not_given_as_credit_too(house: House) -> None:
    sub = paid_one(house)
    change_quantity(house.database, sub, 2, now=True, by=BY)
    run(house)
    for row in house.rows("SELECT id, amount FROM payment"):
        request_refund(house.database, row.id, Wanted(amount=row.amount, is_full=True), by=BY)

    with pytest.raises(Conflict, match="of what was paid only 0 won are left"):
        change_quantity(house.database, sub, 1, now=True, by=BY)
    with pytest.raises(Conflict, match="nothing that was paid"):
        leave(house, sub, GiveBack.PRO_RATA)
    assert balance(house) == 0


def test_nothing_within_a_period_changes_while_something_is_owed_or_unknown(house: House) -> None:
    house.plan("seat", amount=31_000)
    sub = house.subscription(plan="seat", started_on=date(2026, 3, 1))
    with pytest.raises(Conflict, match="that was charged here"):
        change_quantity(house.database, sub, 2, now=True, by=BY)
    house.advance(days=29)
    with pytest.raises(Conflict, match="is due and not opened yet"):
        change_quantity(house.database, sub, 2, now=True, by=BY)
    house.gateway.script(house.uid(sub, 0), Fate.LOSE_ANSWER)
    run(house)
    with pytest.raises(Conflict, match="owes 31,000 won"):
        change_quantity(house.database, sub, 2, now=True, by=BY)
    with pytest.raises(Conflict, match="is under way"):
        leave(house, sub, GiveBack.PRO_RATA)
    house.settle()

    change_quantity(house.database, sub, 2, now=True, by=BY)
    assert house.value("SELECT quantity FROM subscription") == 2


class Days:
    """The naive reckoning: what each civil day is worth, by the seats that there are on it."""

    def __init__(self, *, unit: int, discount: Discount | None, seats: int) -> None:
        self.unit, self.discount = unit, discount
        self.seats: dict[date, int] = {}
        self.now = self.next = seats

    def worth(self, day: date) -> int:
        base = self.seats[day] * self.unit
        return base - (self.discount.off(base) if self.discount else 0)


def test_any_life_pays_for_each_day_what_it_is_worth(house: House) -> None:
    draw = random.Random(20_260_301)
    add_coupon(house.database, CouponTerms(code="THIRD", discount=Discount(percent=33)), zone_name=ZONE, by=BY)
    add_coupon(house.database, CouponTerms(code="LESS", discount=Discount(won=1_234)), zone_name=ZONE, by=BY)
    lives: dict[UUID, tuple[Days, str]] = {}
    for number in range(16):
        unit = draw.choice([100, 990, 9_900, 33_333])
        every = draw.choice(["1 month", "1 month", "2 weeks", "10 days"])
        plan = f"{every}-{unit}".replace(" ", "")
        house.plan(plan, amount=unit, every=every)
        start = date(2026, 2, 1) + timedelta(days=draw.randrange(20))
        sub = house.subscription(plan=plan, started_on=start, customer_ref=f"life{number}")
        code = draw.choice([None, None, "THIRD", "LESS"]) if unit > 990 else None
        if code:
            apply_coupon(house.database, sub, code, by=BY)
        off = {None: None, "THIRD": Discount(percent=33), "LESS": Discount(won=1_234)}[code]
        lives[sub] = (Days(unit=unit, discount=off, seats=1), f"life{number}")
    gone: set[UUID] = set()
    acts = 0
    while house.now.date() < date(2026, 3, 25):
        run(house)
        for sub in sorted(set(lives) - gone, key=str):
            if draw.random() > 0.12:
                continue
            days, seats = lives[sub][0], draw.randrange(1, 5)
            with suppress(Conflict):
                if draw.random() < 0.15:
                    leave(house, sub, GiveBack.PRO_RATA)
                    gone.add(sub)
                else:
                    change_quantity(house.database, sub, seats, now=True, by=BY)
                    days.seats[civil_date(house.now, ZONE)] = seats
                acts += 1
        run(house)
        house.advance(days=1)
    for _ in range(5):  # what waits for a next invoice is paid with it
        house.advance(days=7)
        run(house)
    house.refund()
    assert acts > 30

    for sub, (days, ref) in lives.items():
        assert_each_day_is_paid(house, sub, days, ref)
    assert broken(house) == []


def assert_each_day_is_paid(house: House, sub: UUID, days: Days, ref: str) -> None:
    """What was paid and not given back is what the days are worth, less a won for each act at the most."""
    ended = house.value(
        "SELECT max(occurred_at) FROM outbox_event WHERE subscription_id = :id AND kind = 'subscription.cancel'", id=sub
    )
    last = None if ended is None else civil_date(ended, ZONE)
    changed_on = dict(days.seats)
    seats, worth = 1, 0  # in parts of a won, of which every period has whole ones a day
    for row in house.rows(
        "SELECT period_start, period_end FROM invoice WHERE subscription_id = :id AND purpose = 'period'"
        " AND state = 'paid' ORDER BY ordinal",
        id=sub,
    ):
        first, end = civil_date(row.period_start, ZONE), civil_date(row.period_end, ZONE)
        for number in range((end - first).days):
            day = first + timedelta(days=number)
            seats = changed_on.get(day, seats)
            days.seats[day] = seats
            if last is None or day < last:
                worth += days.worth(day) * PARTS // (end - first).days
    money = house.value(
        "SELECT coalesce(sum(p.amount - p.cancelled_amount), 0) FROM payment p JOIN invoice i ON i.id = p.invoice_id"
        " WHERE i.subscription_id = :id",
        id=sub,
    )
    credit = house.value(
        "SELECT coalesce(sum(a.balance), 0) FROM credit_account a JOIN customer c ON c.id = a.customer_id"
        " WHERE c.customer_ref = :ref",
        ref=ref,
    )
    acts = house.value("SELECT count(*) FROM proration WHERE subscription_id = :id", id=sub) + (last is not None)
    assert 0 <= worth - int(money - credit) * PARTS <= acts * PARTS, ref
