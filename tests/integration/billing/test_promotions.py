"""A coupon of some periods ends as a price rises: by its customer's consent and a notice, or not at all."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from billing.change_subscription import cancel, pause, resume
from billing.coupons import Applied, CouponTerms, add_coupon, apply_coupon
from billing.export_evidence import export_evidence
from billing.foresee import foresee
from billing.make_what_has_come import make_what_has_come
from billing.move_price import move_named, move_version, withdraw_changes
from billing.open_period import open_due_periods
from billing.promotions import plan_missing_ends
from domain.consent import Answer
from domain.coupon import Discount
from domain.errors import BadInput, Conflict
from tests.support.consents import BY, amounts, broken, live, rise, say, tell, without_consent
from tests.support.imports import bring_in, subscription_of
from tests.support.racing import race

if TYPE_CHECKING:
    from uuid import UUID

    from tests.support.house import House

SEOUL = ZoneInfo("Asia/Seoul")
FEBRUARY = datetime(2026, 2, 28, 10, tzinfo=SEOUL)  # periods 1 and 2 of who began on 31 January
MARCH = datetime(2026, 3, 31, 10, tzinfo=SEOUL)
HALF, WHOLE = 4_950, 9_900


@pytest.fixture
def house(house: House) -> House:
    house.plan()
    return house


def promote(house: House, sub: UUID, *, periods: int | None = 1, code: str = "HALF") -> Applied:
    terms = CouponTerms(code=code, discount=Discount(percent=50), periods=periods)
    if house.value("SELECT count(*) FROM coupon WHERE code = :code", code=code) == 0:
        add_coupon(house.database, terms, zone_name="Asia/Seoul", by=BY)
    return apply_coupon(house.database, sub, code, by=BY)


def agree(house: House, sub: UUID, *, at: datetime) -> None:
    """Told and agreed at once, before an end that is at least 7 days off."""
    house.to(at)
    tell(house, sub, at)
    say(house, sub, at)


def ahead(house: House, sub: UUID) -> tuple[int, datetime] | None:
    """The period, and the instant, of what is to be decided next of a subscription."""
    (row,) = house.rows("SELECT changes_from, changes_at FROM subscription WHERE id = :id", id=sub)
    return None if row.changes_from is None else (row.changes_from, row.changes_at)


def foreseen(house: House, sub: UUID, *, until: datetime) -> list[int]:
    with house.database.reading() as tx:
        lines = [(one.ordinal, one.amount) for one in foresee(tx, until=until) if one.subscription_id == sub]
    return [won for _, won in sorted(lines)]


@pytest.mark.parametrize(
    ("consented", "noticed", "ends"),
    [
        (timedelta(days=30), timedelta(days=7), True),
        (timedelta(days=10), None, False),
        (None, timedelta(days=20), False),
    ],
)
@pytest.mark.parametrize("otherwise", ["stay", "end"])
def test_a_coupon_ends_with_consent_and_notice_in_time_and_never_without(
    house: House, consented: timedelta | None, noticed: timedelta | None, ends: bool, otherwise: str
) -> None:
    without_consent(house, otherwise)
    sub = house.subscription()
    applied = promote(house, sub, periods=2)
    assert (applied.ordinal, applied.amount, applied.lowered, applied.ends_at) == (0, WHOLE, HALF, MARCH)
    house.tick()
    for before, write in ((noticed, tell), (consented, say)):
        if before is not None:
            house.to(max(house.now, MARCH - before))
            write(house, sub, MARCH - before)
    until = MARCH + timedelta(days=40)
    expected = foreseen(house, sub, until=until)
    live(house, until=until)

    then = [WHOLE, WHOLE] if ends else [HALF, HALF] if otherwise == "stay" else []
    assert amounts(house, sub) == expected == [HALF, HALF, *then]
    state = house.value("SELECT state || coalesce(' ' || ended_reason, '') FROM subscription")
    assert state == ("active" if then else "ended no_consent")
    assert sorted(charge.amount for charge in house.gateway.asked) == [HALF, HALF, *then]
    kinds = {row.kind for row in house.rows("SELECT kind FROM outbox_event")}
    assert ("subscription.promotion_ended" in kinds) is ends
    assert ("subscription.promotion_goes_on" in kinds) is (not ends and otherwise == "stay")
    assert (house.value("SELECT ended_at FROM redemption") is not None) is ends
    assert broken(house) == []


def test_who_did_not_agree_is_asked_again_and_the_newest_answer_counts(house: House) -> None:
    sub = house.subscription()
    promote(house, sub)
    live(house, until=FEBRUARY + timedelta(days=1))
    assert ahead(house, sub) == (2, MARCH)
    agree(house, sub, at=MARCH - timedelta(days=20))
    house.advance(hours=1)
    say(house, sub, house.now, Answer.REFUSED)
    live(house, until=MARCH + timedelta(days=1))
    agree(house, sub, at=MARCH + timedelta(days=10))
    live(house, until=MARCH + timedelta(days=40))

    assert amounts(house, sub) == [HALF, HALF, HALF, WHOLE]
    assert house.states("price_change") == {"lapsed": 2, "made": 1}
    with house.database.reading() as tx:
        evidence = export_evidence(tx, house.value("SELECT customer_ref FROM customer"))
    assert [each["kind"] for each in evidence["price_changes"]] == ["promotion"] * 3
    assert [(each["code"], each["used"]) for each in evidence["coupons"]] == [("HALF", 3)]
    assert broken(house) == []


def test_periods_that_a_pause_skips_are_not_used_and_the_end_is_planned_anew(house: House) -> None:
    sub = house.subscription()
    promote(house, sub, periods=3)
    live(house, until=FEBRUARY - timedelta(days=1))
    pause(house.ports, sub, by=BY)
    live(house, until=datetime(2026, 6, 20, tzinfo=UTC))
    resume(house.ports, sub, by=BY)
    live(house, until=datetime(2026, 6, 21, tzinfo=UTC))

    rows = house.rows("SELECT ordinal FROM invoice ORDER BY ordinal")
    assert [row.ordinal for row in rows] == [0, 3, 4]  # the latest that had ended, and the one that runs
    assert ahead(house, sub) == (5, datetime(2026, 6, 30, 10, tzinfo=SEOUL))
    live(house, until=datetime(2026, 8, 1, tzinfo=UTC))
    assert amounts(house, sub) == [HALF] * 5
    assert house.value("SELECT used FROM redemption") == 5
    assert broken(house) == []


def test_a_trial_becomes_paid_with_its_coupon_and_that_ends_by_another_answer(house: House) -> None:
    without_consent(house, "stay", trial_days=30)
    bring_in(house, {"customer_ref": "c1", "started_on": "2026-01-31"})
    sub = subscription_of(house, "c1")
    assert promote(house, sub).ends_at is None
    pays_at = house.value("SELECT changes_at FROM subscription")
    agree(house, sub, at=pays_at - timedelta(days=8))
    live(house, until=pays_at + timedelta(days=1))

    assert amounts(house, sub) == [HALF]
    ordinal, at = ahead(house, sub) or (0, pays_at)
    assert ordinal == 1
    agree(house, sub, at=at - timedelta(days=8))
    assert foreseen(house, sub, until=at + timedelta(days=1)) == [WHOLE]
    live(house, until=at + timedelta(days=1))

    assert amounts(house, sub) == [HALF, WHOLE]
    assert broken(house) == []


def test_an_end_is_planned_no_sooner_than_a_notice_can_be_in_time_and_never_past_the_term(house: House) -> None:
    """Of a plan that bills every day nobody can be told a week before the second day."""
    house.plan("daily", every="1 day")
    daily = house.subscription(plan="daily")
    term = house.subscription()
    with house.database.transaction() as tx:
        tx.connection.execute(
            text("UPDATE subscription SET periods = 2, term_ends_at = :at WHERE id = :id"), {"id": term, "at": MARCH}
        )
    promote(house, daily)
    assert promote(house, term, periods=2, code="TWO").ends_at is None
    house.tick()
    ordinal, at = ahead(house, daily) or (0, house.now)
    assert (ordinal, ahead(house, term)) == (8, None)
    agree(house, daily, at=at - timedelta(days=7))
    live(house, until=at + timedelta(days=1))

    assert amounts(house, daily) == [HALF] * 8 + [WHOLE]
    cancel(house.ports, daily, by=BY)
    live(house, until=MARCH + timedelta(days=1))
    assert amounts(house, term) == [HALF, HALF]
    assert house.value("SELECT state FROM subscription WHERE id = :id", id=term) == "ended"
    assert broken(house) == []


def test_nothing_takes_the_end_away_so_that_it_comes_undecided(house: House) -> None:
    subs = [house.subscription() for _ in range(3)]
    named, of_version, leaves = subs
    for sub in subs:
        promote(house, sub)
    house.tick()
    cancel(house.ports, leaves, by=BY)
    with pytest.raises(Conflict, match="no change of price is ahead"):
        withdraw_changes(house.database, ids=[named], by=BY)
    assert withdraw_changes(house.database, plan="basic", by=BY) == 0
    rise(house)
    moved = move_version(house.database, "basic", from_version=1, to_version=2, by=BY)
    assert (moved.moved, moved.left) == (0, 2)
    assert move_named(house.database, [named], to_version=2, by=BY).planned == 1
    agree(house, of_version, at=FEBRUARY - timedelta(days=10))
    live(house, until=FEBRUARY + timedelta(days=1))
    assert ahead(house, named) == (2, MARCH)
    agree(house, named, at=MARCH - timedelta(days=10))
    live(house, until=MARCH + timedelta(days=1))

    # The coupon went on beside the move, and its end is planned again.
    assert amounts(house, named) == [HALF, HALF, 12_900 - 6_450]
    assert amounts(house, of_version) == [HALF, WHOLE, WHOLE]
    assert amounts(house, leaves) == [HALF]
    assert ahead(house, named) == (3, datetime(2026, 4, 30, 10, tzinfo=SEOUL))
    assert broken(house) == []


def test_a_coupon_waits_for_another_price_that_is_ahead_and_for_the_coupon_before_it(house: House) -> None:
    sub, other = house.subscription(), house.subscription()
    house.tick()
    rise(house)
    move_named(house.database, [sub], to_version=2, by=BY)
    with pytest.raises(Conflict, match="a change of price is ahead of subscription"):
        promote(house, sub)
    assert house.value("SELECT count(*) FROM redemption") == 0
    promote(house, sub, periods=None, code="EVER")  # it has no end that could meet the move
    promote(house, other)
    live(house, until=FEBRUARY + timedelta(days=1))
    with pytest.raises(Conflict, match="has coupon HALF: one at a time, another once it has ended"):
        promote(house, other, code="MORE")
    house.to(MARCH - timedelta(days=1))
    with pytest.raises(BadInput, match="less than 7 days before"):
        tell(house, other, house.now)

    assert withdraw_changes(house.database, ids=[sub], by=BY) == 1
    assert ahead(house, sub) is None
    assert broken(house) == []


def test_whoever_decides_and_opens_and_dies_between_ends_it_once(house: House) -> None:
    ends, stays = house.subscription(), house.subscription()
    for sub in (ends, stays):
        promote(house, sub)
    house.tick()
    agree(house, ends, at=FEBRUARY - timedelta(days=10))
    house.to(FEBRUARY + timedelta(minutes=1))
    assert open_due_periods(house.ports).invoices == 0  # nobody opens what is to be decided
    race(*(partial(make_what_has_come, house.ports) for _ in range(3)))
    assert [ahead(house, sub) for sub in (ends, stays)] == [None, (2, MARCH)]
    assert broken(house) == []  # and here everything died
    race(*(partial(open_due_periods, house.ports) for _ in range(3)))

    assert (amounts(house, ends), amounts(house, stays)) == ([HALF, WHOLE], [HALF, HALF])
    assert house.states("price_change") == {"made": 1, "lapsed": 1, "planned": 1}
    assert broken(house) == []


@pytest.mark.parametrize(("otherwise", "after_outage"), [("stay", "all"), ("end", "latest")])
def test_an_engine_that_was_down_does_what_was_foreseen_and_raises_nobody_unasked(
    house: House, otherwise: str, after_outage: str
) -> None:
    without_consent(house, otherwise, after_outage=after_outage)
    agrees, silent, longer = (house.subscription() for _ in range(3))
    promote(house, agrees)
    promote(house, silent)
    promote(house, longer, periods=4, code="LONG")
    house.tick()
    house.charge()
    agree(house, agrees, at=FEBRUARY - timedelta(days=10))
    until = datetime(2026, 6, 10, 1, tzinfo=UTC)
    house.to(until - timedelta(days=1))
    expected = {sub: foreseen(house, sub, until=until + timedelta(days=80)) for sub in (agrees, silent, longer)}
    live(house, until=until + timedelta(days=80))

    for sub in (agrees, silent, longer):
        assert amounts(house, sub)[1:] == expected[sub], sub
    assert set(amounts(house, agrees)[1:]) == {WHOLE}
    assert set(amounts(house, silent)) | set(amounts(house, longer)) == {HALF}
    assert broken(house) == []


def test_a_coupon_that_a_release_before_left_without_an_end_goes_on_until_that_is_decided(house: House) -> None:
    """As a database is after the migration: nothing is planned, and one is used up that had lowered what was last."""
    planned, opened = house.subscription(), house.subscription()
    for sub in (planned, opened):
        promote(house, sub)
    house.tick()
    house.charge()
    with house.database.transaction() as tx:
        tx.connection.execute(text("UPDATE price_change SET state = 'withdrawn', decided_at = planned_at"))
        tx.connection.execute(text("UPDATE subscription SET changes_from = NULL, changes_at = NULL"))
    assert [str(each).split(":")[0] for each in broken(house)] == ["promotion_end_is_decided"] * 2
    assert foreseen(house, opened, until=MARCH) == [HALF, HALF]
    house.to(FEBRUARY + timedelta(minutes=1))
    house.tick()
    assert (amounts(house, opened), ahead(house, opened)) == ([HALF, HALF], (2, MARCH))

    with house.database.transaction() as tx:
        tx.connection.execute(text("UPDATE price_change SET state = 'withdrawn', decided_at = planned_at"
                                   " WHERE state = 'planned'"))  # fmt: skip
        tx.connection.execute(text("UPDATE subscription SET changes_from = NULL, changes_at = NULL"))
    assert [plan_missing_ends(house.database) for _ in range(2)] == [2, 0]
    assert ahead(house, planned) == ahead(house, opened) == (2, MARCH)
    assert broken(house) == []


def test_a_day_that_is_forecast_finds_the_end_of_a_coupon_no_surprise(house: House) -> None:
    sub = house.subscription(started_on=date(2026, 1, 31))
    promote(house, sub)
    live(house, until=FEBRUARY - timedelta(days=10))
    agree(house, sub, at=FEBRUARY - timedelta(days=9))
    live(house, until=FEBRUARY + timedelta(hours=1))

    expected = house.value("SELECT expected_won FROM charge_envelope WHERE day = '2026-02-28'")
    assert (expected, amounts(house, sub)[-1]) == (WHOLE, WHOLE)
    assert house.states("invoice") == {"paid": 2}
