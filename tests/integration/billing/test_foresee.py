"""What is foreseen is what is then opened, line for line: who, which period, how much, and when."""

from __future__ import annotations

import random
from datetime import date, time, timedelta
from typing import TYPE_CHECKING, Any

from billing.change_quantity import change_quantity
from billing.change_subscription import By, pause
from billing.coupons import CouponTerms, add_coupon, apply_coupon
from billing.foresee import foresee
from billing.stop_subscription import stop_subscription
from domain.billing_period import Calendar, CatchUp
from domain.business_day import Shift
from domain.coupon import Discount
from domain.schedule import parse_every
from domain.stop import Stop
from tests.fakes.gateway import Fate
from tests.support.profiles import is_long

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from tests.support.house import House

BY = By(actor="operator@shop.example", reason="asked by the customer")
#: In a longer run, two years of a thousand.
PEOPLE, DAYS = (1_000, 730) if is_long() else (100, 130)
SEED = 20_261_128
#: Of each interval, dates of its own kind.
PLANS: dict[str, dict[str, Any]] = {
    "month": {"every": "1 month"},
    "month-early": {"every": "1 month", "shift": Shift.PREVIOUS, "charge_time": time(9, 30)},
    "month-late": {"every": "1 month", "shift": Shift.NEXT, "spread_minutes": 240},
    "fortnight": {"every": "2 weeks", "shift": Shift.NEXT},
    "ten-days": {"every": "10 days", "spread_minutes": 60},
    "year": {"every": "1 year"},
    "payday": {"cron": "0 9 25 * *", "shift": Shift.PREVIOUS},
}
ZONES = ("Asia/Seoul", "America/New_York", "Pacific/Apia")

Line = tuple["UUID", int, int, "datetime"]


def _lines(house: House, until: datetime) -> list[Line]:
    with house.database.reading() as tx:
        found = list(foresee(tx, until=until))
    return sorted((each.subscription_id, each.ordinal, each.amount, each.due_at) for each in found)


def _opened(house: House) -> list[Line]:
    rows = house.rows(
        "SELECT subscription_id, ordinal, amount, next_attempt_at FROM invoice WHERE next_attempt_at IS NOT NULL"
    )
    return sorted((row.subscription_id, row.ordinal, row.amount, row.next_attempt_at) for row in rows)


def _people(house: House, drawn: random.Random) -> list[UUID]:
    for code, terms in PLANS.items():
        house.plan(code, amount=drawn.randrange(1_000, 90_000), **terms)
    for code, percent, periods in (("HALF", 50, None), ("START", 30, 3), ("FREE", 100, 1)):
        coupon = CouponTerms(code=code, discount=Discount(percent=percent), periods=periods)
        add_coupon(house.database, coupon, zone_name="Asia/Seoul", by=BY)
    people = [
        house.subscription(
            plan=drawn.choice(list(PLANS)),
            started_on=house.now.date() + timedelta(days=drawn.randrange(0, 60)),
            zone=drawn.choice(ZONES),
        )
        for _ in range(PEOPLE)
    ]
    for one in people:
        if drawn.random() < 0.3:
            change_quantity(house.database, one, drawn.randrange(2, 9), by=BY)
        if drawn.random() < 0.3:
            apply_coupon(house.database, one, drawn.choice(("HALF", "START", "FREE")), by=BY)
    return people


def test_what_is_foreseen_is_what_is_then_charged_line_for_line(house: House) -> None:
    drawn = random.Random(SEED)
    people = _people(house, drawn)
    house.advance(days=5, hours=3)
    house.tick()
    while house.charge().claimed:
        pass
    for one in people[:10]:
        stop_subscription(house.ports, one, Stop.CANCEL, at_period_end=True, by=BY)
    pause(house.ports, people[10], by=BY)
    until = house.now + timedelta(days=DAYS)

    foreseen = _lines(house, until)
    charged: list[Line] = []
    while house.now < until:
        house.to(min(house.now + timedelta(days=1), until))
        house.tick()
        charged += _opened(house)
        while house.charge().claimed:
            pass

    assert len(foreseen) > 3 * PEOPLE
    assert foreseen == sorted(charged)
    # Of the months that were charged, the gateway has each once, to the won.
    known = {house.uid(sub, ordinal): amount for sub, ordinal, amount, _ in charged}
    paid = {record.merchant_uid: record.amount for record in house.gateway.records if record.status == "paid"}
    assert {uid: paid.get(uid) for uid in known} == known
    assert len(house.rows("SELECT id FROM subscription WHERE state = 'ended'")) >= 8
    assert not any(line[0] == people[10] for line in foreseen)


def test_what_catches_up_is_foreseen_on_its_days(house: House) -> None:
    house.plan("all", catch_up=CatchUp.ALL)
    calendar = Calendar(schedule=parse_every("1 month"), anchored_on=date(2025, 9, 15), zone_name="Asia/Seoul")
    arrears = calendar.arrears(now=house.now, catch_up=CatchUp.ALL, max_behind=120)
    house.subscription(
        plan="all", started_on=date(2025, 9, 15), ordinal=arrears.first - 1, catch_up_below=arrears.current
    )

    foreseen = _lines(house, house.now + timedelta(days=20))
    house.tick()
    house.to(house.now + timedelta(days=20))
    house.tick()

    assert foreseen == _opened(house)
    assert len({line[3].date() for line in foreseen}) == len(foreseen) == 6


def test_a_declined_charge_is_foreseen_at_its_next_attempt_and_an_undecided_one_not_at_all(house: House) -> None:
    declined, lost = (house.subscription() for _ in range(2))
    house.gateway.script(house.uid(declined, 0), Fate.DECLINE)
    house.gateway.script(house.uid(lost, 0), Fate.LOSE_ANSWER)
    house.tick()
    house.charge()

    with house.database.reading() as tx:
        found = list(foresee(tx, until=house.now + timedelta(days=7)))

    (only,) = found
    assert (only.subscription_id, only.ordinal, only.attempts) == (declined, 0, 1)
    assert only.due_at == house.value("SELECT next_attempt_at FROM invoice WHERE next_attempt_at IS NOT NULL")
