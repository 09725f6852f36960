"""No price rises and no trial becomes paid without the customer's consent and a notice, both in time."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from billing.change_subscription import pause, resume
from billing.coupons import CouponTerms, add_coupon, apply_coupon
from billing.export_evidence import export_evidence
from billing.foresee import foresee
from billing.move_price import move_named, move_version, withdraw_changes
from billing.record_consent import record_consents
from domain.consent import Answer
from domain.consent_file import Statement
from domain.coupon import Discount
from domain.errors import BadInput, Conflict, NotFound
from models.session import DatabaseTrouble
from tests.fakes.gateway import Fate
from tests.support.consents import BY, amounts, broken, live, rise, say, tell, without_consent
from tests.support.imports import bring_in, subscription_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from tests.support.house import House

#: Percent off, for so many periods.
COUPONS = {"HALF": (50, 1), "TENTH": (10, 2), "ALL": (100, 1), "THIRD": (33, 3)}
#: Of 44 days, those from this one on without anybody's act.
QUIET_FROM = 30
SEOUL = ZoneInfo("Asia/Seoul")
MARCH = datetime(2026, 3, 31, 10, tzinfo=SEOUL)  # the third period of who began on 31 January


@pytest.fixture
def house(house: House) -> House:
    house.plan()
    return house


@pytest.mark.parametrize(
    ("consented", "noticed", "is_raised"),
    [
        (timedelta(days=30), timedelta(days=7), True),
        (timedelta(seconds=1), timedelta(days=40), True),
        (timedelta(days=10), None, False),
        (None, timedelta(days=20), False),
        (None, None, False),
    ],
)
@pytest.mark.parametrize("otherwise", ["stay", "end"])
def test_a_rise_is_charged_with_consent_and_notice_in_time_and_never_without(
    house: House, consented: timedelta | None, noticed: timedelta | None, is_raised: bool, otherwise: str
) -> None:
    without_consent(house, otherwise)
    sub = house.subscription()
    house.tick()
    rise(house)
    moved = move_version(house.database, "basic", from_version=1, to_version=2, by=BY)
    assert (moved.moved, moved.planned, moved.asks_consent) == (1, 1, 1)
    (one,) = moved.told
    assert (one.ordinal, one.period_start, one.decided_at) == (2, MARCH, MARCH)

    for before, write in ((noticed, tell), (consented, say)):
        if before is not None:
            house.to(max(house.now, MARCH - before))
            write(house, sub, MARCH - before)
    with house.database.reading() as tx:
        foreseen = sorted((each.ordinal, each.amount) for each in foresee(tx, until=MARCH + timedelta(days=40)))
    live(house, until=MARCH + timedelta(days=40))

    then = [12_900, 12_900] if is_raised else [9_900, 9_900] if otherwise == "stay" else []
    assert amounts(house, sub) == [won for _, won in foreseen] == [9_900, 9_900, *then]
    state = house.value("SELECT state || coalesce(' ' || ended_reason, '') FROM subscription")
    assert state == ("active" if then else "ended no_consent")
    assert sorted(charge.amount for charge in house.gateway.asked) == sorted([9_900, 9_900, *then])
    assert broken(house) == []


def test_what_cannot_count_is_not_taken(house: House) -> None:
    sub = house.subscription()
    house.tick()
    with pytest.raises(Conflict, match="no change of price is ahead"):
        say(house, sub, house.now)
    rise(house)
    move_named(house.database, [sub], to_version=2, by=BY)

    with pytest.raises(BadInput, match="more than 30 days before the change"):
        say(house, sub, house.now)
    with pytest.raises(BadInput, match="is yet to come"):
        say(house, sub, MARCH)
    house.to(MARCH - timedelta(days=6))
    with pytest.raises(BadInput, match="less than 7 days before"):
        tell(house, sub, house.now)
    with pytest.raises(NotFound):
        say(house, sub.__class__(int=7), house.now)
    assert house.value("SELECT count(*) FROM consent") == house.value("SELECT count(*) FROM notice") == 0


def test_the_newest_answer_counts_and_a_taken_back_move_raises_nobody(house: House) -> None:
    regrets, returns, spared = (house.subscription() for _ in range(3))
    house.tick()
    rise(house)
    move_version(house.database, "basic", from_version=1, to_version=2, by=BY)
    house.to(MARCH - timedelta(days=20))
    for sub in (regrets, returns, spared):
        tell(house, sub, house.now)
        say(house, sub, house.now)
    house.advance(days=1)
    say(house, regrets, house.now, Answer.REFUSED)
    say(house, returns, house.now, Answer.REFUSED)
    house.advance(days=1)
    say(house, returns, house.now)
    assert withdraw_changes(house.database, ids=[spared], by=BY) == 1
    live(house, until=MARCH + timedelta(days=2))

    assert [amounts(house, sub)[-1] for sub in (regrets, returns, spared)] == [9_900, 12_900, 9_900]
    states = house.rows("SELECT state, count(*) AS n FROM price_change GROUP BY state")
    assert {row.state: row.n for row in states} == {"lapsed": 1, "made": 1, "withdrawn": 1}


def test_a_rise_leaves_room_for_its_notice_and_waits_for_a_pause(house: House) -> None:
    """Its period is due in three days: no notice can be in time for that one."""
    sub = house.subscription(started_on=date(2026, 1, 5), ordinal=0)
    house.to(datetime(2026, 2, 2, 1, tzinfo=UTC))
    rise(house, on=date(2026, 2, 3))
    (one,) = move_named(house.database, [sub], to_version=2, by=BY).told
    assert one.ordinal == 2  # 5 March, not 5 February
    tell(house, sub, house.now)
    live(house, until=datetime(2026, 2, 20, tzinfo=UTC))
    say(house, sub, house.now)
    pause(house.ports, sub, by=BY)
    live(house, until=datetime(2026, 5, 20, tzinfo=UTC))
    resume(house.ports, sub, by=BY)
    live(house, until=datetime(2026, 6, 20, tzinfo=UTC))

    # The consent of February was given for March; what is charged from May on would be too late for it.
    assert set(amounts(house, sub)) == {9_900}
    assert house.value("SELECT state FROM price_change") == "lapsed"


def test_a_move_that_is_made_again_changes_nothing(house: House) -> None:
    sub = house.subscription()
    house.tick()
    rise(house)
    for count in (1, 0):
        moved = move_version(house.database, "basic", from_version=1, to_version=2, by=BY)
        assert (moved.moved, moved.standing) == (count, 1 - count)
    assert move_named(house.database, [sub], to_version=2, by=BY).standing == 1
    assert house.states("price_change") == {"planned": 1}

    assert move_named(house.database, [sub], to_version=1, by=BY).moved == 1  # where it is: what was planned is off
    assert house.states("price_change") == {"withdrawn": 1}
    assert house.value("SELECT changes_at FROM subscription") is None


def test_many_answers_are_taken_row_by_row_and_the_bad_ones_told(house: House) -> None:
    subs = [house.subscription() for _ in range(5)]
    house.tick()
    rise(house)
    move_version(house.database, "basic", from_version=1, to_version=2, by=BY)
    house.to(MARCH - timedelta(days=10))
    rows = [Statement(subscription=str(sub), at=house.now, through="app", line=n + 2) for n, sub in enumerate(subs)]
    rows.append(Statement(subscription="00000000-0000-7000-8000-000000000000", at=house.now, through="app", line=9))

    tried = record_consents(house.database, [rows], by=BY, dry_run=True)
    assert house.value("SELECT count(*) FROM consent") == 0
    taken = record_consents(house.database, [rows], by=BY)

    assert (len(taken.recorded), [line for line, _ in taken.refused]) == (5, [9])
    assert {(one.old_won, one.new_won) for one in taken.recorded} == {(9_900, 12_900)}
    assert tried == taken
    assert house.value("SELECT count(*) FROM audit_entry WHERE action = 'consent.recorded'") == 5
    with house.database.reading() as tx:
        ref = house.value("SELECT customer_ref FROM customer ORDER BY customer_ref LIMIT 1")
        evidence = export_evidence(tx, ref)
        with pytest.raises(NotFound, match="there is no customer"):
            export_evidence(tx, "nobody")
    assert [each["answer"] for each in evidence["consents"]] == ["agreed"]
    assert {"subscriptions", "price_changes", "notices", "invoices", "payments", "audit"} < set(evidence)
    assert "card" not in str({**evidence, "attempts": []})


# All of it, in any order.


class Acts:
    """What people did to each subscription, as the test itself remembers it."""

    def __init__(self, house: House, subs: Sequence[UUID], drawn: random.Random) -> None:
        self.house, self.subs, self.drawn = house, subs, drawn
        self.said: dict[UUID, list[tuple[datetime, Answer, int]]] = {sub: [] for sub in subs}
        self.told: dict[UUID, list[datetime]] = {sub: [] for sub in subs}

    def one(self, sub: UUID) -> None:
        """A random one; it may be refused."""
        act = self.drawn.choice(["say", "say", "tell", "tell", "refuse", "pause", "resume", "coupon"])
        try:
            if act in {"say", "refuse"}:
                answer = Answer.AGREED if act == "say" else Answer.REFUSED
                recorded = say(self.house, sub, self.house.now, answer)
                self.said[sub].append((self.house.now, answer, recorded.new_won))
            elif act == "tell":
                tell(self.house, sub, self.house.now)
                self.told[sub].append(self.house.now)
            elif act == "coupon":
                apply_coupon(self.house.database, sub, self.drawn.choice(list(COUPONS)), by=BY)
            elif self.drawn.random() < 0.2:
                {"pause": pause, "resume": resume}[act](self.house.ports, sub, by=BY)
        except (BadInput, Conflict):
            pass  # it cannot count, or not be done: the house must hold whatever is refused

    def refuse_more_than_agreed(self, sub: UUID, last: int) -> tuple[int, int]:
        """Look at every rise of a subscription that paid ``last`` before; gives how many, and how many conversions."""
        rises = conversions = 0
        for row in self.house.rows(
            "SELECT amount, period_start FROM invoice WHERE subscription_id = :id ORDER BY ordinal", id=sub
        ):
            if row.amount > last:
                at = row.period_start
                answers = [each for each in self.said[sub] if each[0] <= at]
                assert answers, (sub, row)
                assert answers[-1][1] is Answer.AGREED
                assert at - answers[-1][0] <= timedelta(days=30)
                assert any(timedelta(days=7) <= at - each for each in self.told[sub])
                assert row.amount <= answers[-1][2]
                rises, conversions = rises + (last > 0), conversions + (last == 0)
            last = row.amount
        return rises, conversions


def test_no_charge_is_ever_above_what_its_customer_agreed_to(house: House) -> None:
    """Random moves, coupons, answers, notices, pauses over seven months; the oracle is the list of acts that it kept.

    In quiet days between them what is opened is what was foreseen.
    """
    drawn = random.Random(20_261_128)
    house.plan("strict")
    without_consent(house, "stay", trial_days=20)
    with house.database.transaction() as tx:
        tx.connection.execute(text("UPDATE plan SET without_consent = 'end' WHERE code = 'strict'"))
    for code, (percent, periods) in COUPONS.items():
        terms = CouponTerms(code=code, discount=Discount(percent=percent), periods=periods)
        add_coupon(house.database, terms, zone_name="Asia/Seoul", by=BY)
    refs = [f"c{number:02d}" for number in range(16)]
    bring_in(
        house,
        *(
            {
                "customer_ref": ref,
                "started_on": "2026-01-31",
                "plan": "strict" if number % 4 == 1 else "basic",
                **({"last_paid_amount": 9_900} if number % 3 else {}),
            }
            for number, ref in enumerate(refs)
        ),
    )
    subs = [subscription_of(house, ref) for ref in refs]
    acts = Acts(house, subs, drawn)
    versions, quiet_since = 1, house.now
    foreseen: list[tuple[UUID, int, int]] = []
    for day in range(220):
        if day % 44 == 20:
            house.advance(minutes=1)
            versions += 1
            on = (house.now.astimezone(SEOUL) + timedelta(days=3)).date()
            rise(house, to=drawn.choice([7_900, 9_900, 11_900, 14_900]), on=on)
            for version in range(1, versions):
                move_version(house.database, "basic", from_version=version, to_version=versions, by=BY)
        if day % 44 < QUIET_FROM:
            for sub in drawn.sample(subs, 7):
                acts.one(sub)
        elif day % 44 == QUIET_FROM:
            house.tick()  # what the last acts did is done
            foreseen = foreseen_of(house, until=house.now + timedelta(days=43 - QUIET_FROM))
            quiet_since = house.now
        house.tick()
        if day % 44 == 43:
            opened = "SELECT subscription_id, ordinal, amount FROM invoice WHERE opened_at > :since AND amount > 0"
            assert foreseen == sorted(tuple(row) for row in house.rows(opened, since=quiet_since))
        house.advance(days=1)

    found = [acts.refuse_more_than_agreed(sub, 9_900 if number % 3 else 0) for number, sub in enumerate(subs)]
    assert sum(rises for rises, _ in found) > 3
    assert sum(conversions for _, conversions in found) > 2
    ends = {row.state for row in house.rows("SELECT state FROM price_change WHERE kind = 'promotion'")}
    assert {"made", "lapsed", "ended"} <= ends
    assert broken(house) == []


def foreseen_of(house: House, *, until: datetime) -> list[tuple[UUID, int, int]]:
    """What is foreseen and not opened yet."""
    opened = {tuple(row) for row in house.rows("SELECT subscription_id, ordinal FROM invoice")}
    with house.database.reading() as tx:
        lines = [(each.subscription_id, each.ordinal, each.amount) for each in foresee(tx, until=until)]
    return sorted(line for line in lines if line[:2] not in opened)


def test_an_end_for_want_of_consent_waits_for_a_charge_of_which_nobody_knows(house: House) -> None:
    without_consent(house, "end")
    sub = house.subscription()
    house.tick()
    house.charge()
    rise(house)
    move_named(house.database, [sub], to_version=2, by=BY)
    house.gateway.script(house.uid(sub, 1), Fate.LOSE_ANSWER)
    house.to(MARCH - timedelta(days=1))
    house.tick()
    house.charge()
    house.to(MARCH)
    house.tick()

    assert house.value("SELECT requested_change FROM subscription") == "cancel"
    assert broken(house) == []
    house.settle(hours=3)

    assert house.value("SELECT state || ' ' || ended_reason FROM subscription") == "ended no_consent"
    assert amounts(house, sub) == [9_900, 9_900]
    assert sorted(house.paid_at_gateway().values()) == [1, 1]
    assert broken(house) == []


def test_trouble_of_the_database_refuses_nobodys_row(house: House) -> None:
    sub = house.subscription()
    house.tick()
    rise(house)
    move_named(house.database, [sub], to_version=2, by=BY)
    house.to(MARCH - timedelta(days=10))

    said = Statement(subscription=str(sub), at=house.now, through="web", line=2)
    _rename(house, "consent", "away")
    with pytest.raises(DatabaseTrouble):
        record_consents(house.database, [[said]], by=BY)
    _rename(house, "away", "consent")

    assert house.value("SELECT count(*) FROM consent") == 0
    assert len(record_consents(house.database, [[said]], by=BY).recorded) == 1


def _rename(house: House, table: str, name: str) -> None:
    with house.database.transaction() as tx:
        tx.connection.execute(text(f"ALTER TABLE {table} RENAME TO {name}"))
