"""Billing days: a partial period first, whole ones after it, and moves; as foreseen, and by the gateway's list."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from billing.add_ons import add_add_on
from billing.change_prices import add_price
from billing.change_subscription import By, pause, resume
from billing.check_invariants import check_invariants
from billing.coupons import CouponTerms, add_coupon, apply_coupon
from billing.foresee import foresee
from billing.keep_forecast import compare_forecast, keep_forecast
from billing.move_billing_day import move_billing_day
from billing.move_price import move_named
from billing.stop_subscription import stop_subscription
from domain.billing_period import CatchUp
from domain.breaker import BreakerTerms
from domain.coupon import Discount
from domain.envelope import EnvelopeTerms, Volume
from domain.errors import BadInput, Conflict, NotFound
from domain.invoice_line import LineKind
from domain.one_off import read_item
from domain.stop import Stop
from gateway.tokens import boottime
from models.ids import new_id
from tests.contract.gateway.asking import client
from tests.support.consents import amounts, broken, live, say, tell
from tests.support.house import NO_BRAKES, START, House
from tests.support.imports import bring_in, subscription_of
from tests.support.simulator import IMP_KEY, IMP_SECRET

if TYPE_CHECKING:
    from uuid import UUID

    from tests.support.simulator import RunningSimulator

BY = By(actor="mina", reason="pays on payday")
EXACT = EnvelopeTerms(factor=1.0, floor=Volume())
_STARTS = [(plan, day) for plan in ("any-day", "first", "quarter") for day in (2, 28)]


def _foreseen(house: House, *, days: int) -> list[tuple[UUID, int, int]]:
    with house.database.reading() as tx:
        found = list(foresee(tx, until=house.now + timedelta(days=days)))
    return sorted((each.subscription_id, each.ordinal, each.amount) for each in found)


def _opened(house: House, *, after: datetime) -> list[tuple[UUID, int, int]]:
    rows = house.rows(
        "SELECT subscription_id, ordinal, amount FROM invoice WHERE opened_at > :after AND amount > 0", after=after
    )
    return sorted((row.subscription_id, row.ordinal, row.amount) for row in rows)


def _lines(house: House, sub: UUID, ordinal: int) -> list[tuple[Any, ...]]:
    rows = house.rows(
        "SELECT n.kind, n.description, n.quantity, n.amount FROM invoice_line n JOIN invoice i ON i.id = n.invoice_id"
        " WHERE i.subscription_id = :id AND i.ordinal = :ordinal ORDER BY n.line_no",
        id=sub,
        ordinal=ordinal,
    )
    return [tuple(row) for row in rows]


def test_who_comes_within_a_month_pays_its_share_and_everybody_is_charged_on_the_first(house: House) -> None:
    house.plan(amount=31_000, billing_day=1)
    house.plan("cheap", amount=100, billing_day=1)
    with house.database.transaction() as tx:
        tx.connection.execute(text("UPDATE plan_price SET setup_fee = 5000, tax_free = 1000 WHERE amount = 31000"))
    assert not bring_in(
        house,
        {"customer_ref": "last-day", "started_on": "2026-01-31"},
        {"customer_ref": "on-the-day", "started_on": "2026-02-01"},
        {"customer_ref": "half", "started_on": "2026-02-15", "quantity": 3},
        {"customer_ref": "long-ago", "started_on": "2025-03-10", "paid_through": "2026-01-31"},
        {"customer_ref": "trial", "started_on": "2026-02-05", "trial_until": "2026-02-20"},
        {"customer_ref": "nearly-nothing", "started_on": "2026-01-31", "plan": "cheap"},
    )
    subs = {ref: subscription_of(house, ref) for ref in ("last-day", "half", "long-ago", "trial", "nearly-nothing")}
    storage = read_item(description="storage", quantity=3, unit_amount=1_001, tax_free=7, kind=LineKind.ADD_ON)
    add_add_on(house.database, subs["half"], storage, periods=None, by=BY)
    terms = CouponTerms(code="HALF", discount=Discount(percent=50), periods=1)
    add_coupon(house.database, terms, zone_name="Asia/Seoul", by=BY)
    apply_coupon(house.database, subs["half"], "HALF", by=BY)
    tell(house, subs["trial"], house.now)
    say(house, subs["trial"], house.now)
    foreseen = _foreseen(house, days=70)

    live(house, until=START + timedelta(days=70))

    assert foreseen == _opened(house, after=START - timedelta(days=1))
    assert _lines(house, subs["last-day"], 0) == [
        ("base", "plan basic (1 of 31 days)", 1, 1_000),
        ("setup", "setup fee", 1, 5_000),
    ]
    assert _lines(house, subs["half"], 0) == [
        ("base", "plan basic (14 of 28 days)", 1, 46_500),
        ("setup", "setup fee", 1, 5_000),
        ("add_on", "storage (14 of 28 days)", 1, 1_501),
        ("coupon", "HALF: 50 % off", 1, -23_250),
    ]
    assert amounts(house, subs["half"])[1:] == [49_503, 49_503]  # nobody agreed to the coupon's end
    assert _lines(house, subs["trial"], 0)[0] == ("base", "plan basic (9 of 28 days)", 1, 9_964)
    assert amounts(house, subs["long-ago"]) == [31_000] * 3
    assert amounts(house, subs["nearly-nothing"]) == [0, 103, 100, 100]
    whole = (
        "SELECT DISTINCT extract(day FROM period_start AT TIME ZONE 'Asia/Seoul') FROM invoice WHERE share_days IS NULL"
    )
    assert [tuple(row) for row in house.rows(whole)] == [(1,)]
    tax = "SELECT tax_free FROM invoice WHERE subscription_id = :id ORDER BY ordinal"
    assert [row.tax_free for row in house.rows(tax, id=subs["last-day"])][:2] == [32, 1_000]
    assert house.gateway.paid_won() == house.value("SELECT sum(amount) FROM invoice")
    assert broken(house) == []


def test_a_partial_period_is_charged_at_the_simulator(database_url: str, simulator: RunningSimulator) -> None:
    with closing(House(database_url)) as house, client(simulator.url, imp_key=IMP_KEY, imp_secret=IMP_SECRET) as real:
        house.ports = replace(house.ports, gateway=real, boottime=boottime)
        house.plan(amount=31_000, billing_day=15)
        card = house.card_of(house.subscription(started_on=date(2026, 1, 31)))
        live(house, until=START + timedelta(days=16))

        with closing(sqlite3.connect(f"file:{simulator.ledger}?mode=ro", uri=True)) as ledger:
            charged = ledger.execute("SELECT amount, status FROM payment WHERE customer_uid = ?", (card,)).fetchall()
        assert sorted(charged) == [(15_000, "paid"), (31_000, "paid")]
        assert check_invariants(house.ports, progress=lambda _: None) == []


def test_what_a_move_says_is_what_is_then_opened_however_often_days_are_moved(house: House) -> None:
    """Months of days that are moved about, with no room in the day's envelope: nothing is a surprise to it."""
    house.limit(brakes=replace(NO_BRAKES, envelope=EXACT, breaker=BreakerTerms(trouble_run=10**6)))
    drawn = random.Random(20_261_129)
    house.plan("any-day", amount=9_900)
    house.plan("first", amount=31_000, billing_day=1)
    house.plan("quarter", amount=88_888, every="3 months", billing_day=31)
    subs = [house.subscription(plan=plan, started_on=date(2026, 2, day)) for plan, day in _STARTS]
    said: dict[tuple[UUID, int], int] = {}
    foreseen, since, moves = _foreseen(house, days=0), house.now, 0
    for day in range(85):
        house.to(START + timedelta(days=day))
        house.tick()
        if house.value("SELECT EXISTS (SELECT FROM invoice WHERE next_attempt_at <= :now)", now=house.now):
            house.charge()
        assert house.value("SELECT halt_reason FROM channel_state") is None
        for sub in drawn.sample(subs, 1) if 3 < day < 48 else ():
            stands = house.value("SELECT coalesce(billing_day, extract(day FROM anchored_on)) FROM subscription"
                                 " WHERE id = :id", id=sub)  # fmt: skip
            to = drawn.choice([each for each in range(1, 32) if each != stands])
            told = move_billing_day(house.database, sub, to, by=BY, dry_run=True)
            assert move_billing_day(house.database, sub, to, by=BY) == told
            said |= {(sub, each.ordinal): each.won for each in told.periods}
            moves += 1
        if day == 48:
            foreseen, since = _foreseen(house, days=36), house.now

    assert (moves, len(foreseen) > 3) == (44, True)
    opened = {(sub, ordinal): won for sub, ordinal, won in _opened(house, after=START - timedelta(days=1))}
    assert opened.items() >= {key: won for key, won in said.items() if key in opened and won}.items()
    assert foreseen == _opened(house, after=since)
    rows = house.rows(
        "SELECT i.*, s.timezone, pp.amount AS whole FROM invoice i JOIN subscription s ON s.id = i.subscription_id"
        " JOIN plan_price pp ON pp.id = s.plan_price_id ORDER BY i.ordinal"
    )
    assert any(row.share_days for row in rows)
    for row in rows:
        days = (row.period_end - row.period_start).days
        expected = row.whole if row.share_days is None else row.whole * days // row.share_of_days
        assert (row.amount, row.share_days or days) == (expected, days)
    assert house.gateway.paid_won() == sum(row.amount for row in rows)
    assert broken(house) == []


def test_a_difference_that_a_move_makes_to_a_kept_day_is_explained(house: House) -> None:
    sub = house.subscription(started_on=date(2026, 2, 1))
    house.to(datetime(2026, 1, 31, 13, 30, tzinfo=UTC))
    house.tick()
    assert keep_forecast(house.database, zone_name="Asia/Seoul") == 1
    move_billing_day(house.database, sub, 2, by=BY)
    live(house, until=datetime(2026, 2, 2, 16, 30, tzinfo=UTC))

    assert compare_forecast(house.database) == 0

    assert amounts(house, sub) == [319, 9_900]
    (found,) = house.rows("SELECT foreseen, opened, cause FROM forecast_difference")
    assert tuple(found) == (9_900, 319, "subscription.billing_day_moved")


def test_the_last_day_is_kept_and_a_move_may_be_taken_back_by_another(house: House) -> None:
    sub = house.subscription(started_on=date(2026, 1, 30))
    live(house, until=START + timedelta(days=1))
    with pytest.raises(Conflict, match="bills on day 30 already"):
        move_billing_day(house.database, sub, 30, by=BY)
    # Its next period begins on 28 February, which is the last day of the month, too: nothing is partial.
    told = move_billing_day(house.database, sub, 31, by=BY)
    assert [(each.days, each.won, each.end.day) for each in told.periods] == [(None, 9_900, 31), (None, 9_900, 30)]
    move_billing_day(house.database, sub, 5, by=BY)
    with pytest.raises(Conflict, match="bills on day 5 already"):
        move_billing_day(house.database, sub, 5, by=BY)
    move_billing_day(house.database, sub, 31, by=BY)

    live(house, until=START + timedelta(days=100))

    rows = house.rows("SELECT period_start AT TIME ZONE 'Asia/Seoul' AS at, share_days FROM invoice ORDER BY ordinal")
    assert [(row.at.day, row.share_days) for row in rows] == [(30, None), (28, None), (31, None), (30, None)]
    events = "SELECT count(*) FROM outbox_event WHERE kind = 'subscription.billing_day_moved'"
    assert (
        house.value(events) == house.value(events.replace("outbox_event WHERE kind", "audit_entry WHERE action")) == 3
    )
    assert broken(house) == []


def test_a_term_has_as_many_periods_as_before_and_ends_by_the_new_days(house: House) -> None:
    house.plan("term", periods=4, minimum_periods=3)
    sub = house.subscription(plan="term", started_on=date(2026, 1, 31))
    live(house, until=START + timedelta(days=1))

    told = move_billing_day(house.database, sub, 10, by=BY)

    assert told.term_ended_at == datetime(2026, 5, 31, 1, tzinfo=UTC)
    assert told.term_ends_at == datetime(2026, 5, 10, 1, tzinfo=UTC)
    with pytest.raises(Conflict, match="bound for 3 periods, until 2026-04-10"):
        stop_subscription(house.ports, sub, Stop.CANCEL, by=BY)
    live(house, until=START + timedelta(days=90))
    with pytest.raises(Conflict, match="completes with its last period"):
        move_billing_day(house.database, sub, 1, by=BY)
    live(house, until=START + timedelta(days=110))
    assert amounts(house, sub) == [9_900, 3_535, 9_900, 9_900]
    assert house.states("subscription") == {"ended": 1}
    assert broken(house) == []


def test_a_whole_period_after_a_partial_one_is_no_rise_and_a_planned_rise_is_not_moved(house: House) -> None:
    house.plan(billing_day=1)
    sub = house.subscription(started_on=date(2026, 1, 31))
    live(house, until=START + timedelta(hours=1))
    add_price(house.database, "basic", {"amount": 12_900}, on=date(2026, 3, 1), zone_name="Asia/Seoul", by=BY)
    move_named(house.database, [sub], to_version=2, by=BY)
    with pytest.raises(Conflict, match="has a change of price ahead, from 2026-03-01"):
        move_billing_day(house.database, sub, 20, by=BY)
    live(house, until=datetime(2026, 3, 2, tzinfo=UTC))  # nobody agreed to it
    move_billing_day(house.database, sub, 20, by=BY)
    live(house, until=datetime(2026, 5, 1, tzinfo=UTC))

    # 1 of 31 days, February, March, 19 of 31 days from 1 April on, then from 20 April on.
    assert amounts(house, sub) == [319, 9_900, 9_900, 6_067, 9_900]
    assert broken(house) == []


def test_a_file_that_is_imported_again_finds_who_was_moved_as_they_were(house: House) -> None:
    house.plan(billing_day=25)
    row = {"customer_ref": "c", "started_on": "2025-11-07", "paid_through": "2026-01-31"}
    bring_in(house, row)
    sub = subscription_of(house, "c")
    assert house.value("SELECT ordinal FROM subscription") == 3  # what is paid begins before 31 January
    move_billing_day(house.database, sub, 3, by=BY)
    live(house, until=START + timedelta(days=40))

    assert not bring_in(house, row)

    rows = house.rows("SELECT period_start AT TIME ZONE 'Asia/Seoul' AS at, amount FROM invoice ORDER BY ordinal")
    assert [(f"{each.at:%m-%d}", each.amount) for each in rows] == [("02-25", 2_121), ("03-03", 9_900)]
    assert broken(house) == []


def test_a_pause_holds_what_was_moved_and_a_resume_counts_the_partial_period_as_one(house: House) -> None:
    house.plan("all", catch_up=CatchUp.ALL)
    sub = house.subscription(plan="all", started_on=date(2026, 1, 31))
    live(house, until=START + timedelta(days=1))
    pause(house.ports, sub, by=BY)
    told = move_billing_day(house.database, sub, 10, by=BY)
    assert [each.due_at for each in told.periods] == [None, None]
    house.to(START + timedelta(days=60))
    with pytest.raises(Conflict, match=r"period 1 .* has begun and is not opened yet; `jeonggi subscription resume`"):
        move_billing_day(house.database, sub, 1, by=BY)

    resume(house.ports, sub, by=BY)
    live(house, until=START + timedelta(days=66))

    assert amounts(house, sub) == [9_900, 3_535, 9_900]
    assert broken(house) == []


def test_what_cannot_be_moved_is_refused_and_nothing_is_written(house: House) -> None:
    house.plan("weekly", every="1 week")
    house.plan("cron", cron="0 10 1 * *")
    house.plan("once", periods=1)
    plain, leaving, gone, due = (house.subscription() for _ in range(4))
    weekly, cron, once = (house.subscription(plan=plan) for plan in ("weekly", "cron", "once"))
    bring_in(house, {"customer_ref": "trial", "started_on": "2026-01-31", "trial_until": "2026-03-01"})
    live(house, until=START + timedelta(hours=1))
    stop_subscription(house.ports, leaving, Stop.CANCEL, at_period_end=True, by=BY)
    stop_subscription(house.ports, gone, Stop.CANCEL, by=BY)
    with house.database.transaction() as tx:
        tx.connection.execute(text("UPDATE subscription SET set_aside_reason = 'lost' WHERE id = :id"), {"id": due})
    before = house.value("SELECT count(*) FROM audit_entry")

    for target, day, error, told in (
        (plain, 0, BadInput, "day 0 is no day of a month"),
        (plain, 32, BadInput, "day 32 is no day of a month"),
        (plain, 31, Conflict, "bills on day 31 already"),
        (weekly, 5, BadInput, "bills by '1 week': only periods of months or years"),
        (cron, 5, BadInput, "bills by '0 10 1 \\* \\* *'"),
        (once, 5, Conflict, "completes with its last period"),
        (subscription_of(house, "trial"), 5, Conflict, "the trial of subscription .* is decided at 2026-03-01"),
        (leaving, 5, Conflict, "has a cancel ahead, at 2026-02-28"),
        (gone, 5, Conflict, "has ended"),
        (new_id(house.now), 5, NotFound, "there is no subscription"),
    ):
        for dry_run in (True, False):
            with pytest.raises(error, match=told):
                move_billing_day(house.database, target, day, by=BY, dry_run=dry_run)
    house.to(START + timedelta(days=40))
    with pytest.raises(Conflict, match=r"period 1 .* has begun and is not opened yet; ask again once it is opened"):
        move_billing_day(house.database, due, 5, by=BY)
    assert house.value("SELECT count(*) FROM audit_entry") == before
    assert house.value("SELECT count(*) FROM subscription WHERE billing_day IS NOT NULL") == 0


def test_the_end_of_a_coupon_is_asked_for_on_its_new_day(house: House) -> None:
    house.plan(amount=31_000)
    sub = house.subscription(started_on=date(2026, 1, 31))
    terms = CouponTerms(code="HALF", discount=Discount(percent=50), periods=2)
    add_coupon(house.database, terms, zone_name="Asia/Seoul", by=BY)
    apply_coupon(house.database, sub, "HALF", by=BY)
    live(house, until=START + timedelta(days=1))

    move_billing_day(house.database, sub, 10, by=BY)
    rows = house.rows("SELECT state, from_ordinal, effective_at FROM price_change ORDER BY planned_at, state DESC")
    assert [tuple(row) for row in rows] == [
        ("withdrawn", 2, datetime(2026, 3, 31, 1, tzinfo=UTC)),
        ("planned", 2, datetime(2026, 3, 10, 1, tzinfo=UTC)),
    ]
    foreseen = _foreseen(house, days=100)
    live(house, until=START + timedelta(days=101))

    assert foreseen == _opened(house, after=START + timedelta(days=1))
    assert broken(house) == []
