"""What a period used is billed with the next one, once; whoever cannot tell holds his own customers' charges alone."""

from __future__ import annotations

import math
import random
import threading
from dataclasses import replace
from datetime import UTC, date, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from billing.change_subscription import By, cancel, pause, resume
from billing.foresee import foresee
from billing.keep_forecast import compare_forecast, keep_forecast
from billing.resolve_usage import resolve_usage, set_usage
from domain.billing_period import AfterOutage, CatchUp
from domain.envelope import EnvelopeTerms, Volume
from domain.errors import BadInput, Conflict
from domain.invoice_line import Item, LineKind
from domain.usage import Usage, UsagePeriod
from models.queries import invariants
from models.queries import usage as queries
from tests.support.house import NO_BRAKES, House
from tests.support.imports import bring_in
from tests.support.racing import race
from tests.support.usages import Shop

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from uuid import UUID

BY = By(actor="mina", reason="a test")
SEOUL = ZoneInfo("Asia/Seoul")


def sent(count: int) -> list[Usage]:
    return [Usage(description="메시지", quantity=count, unit_amount=11)]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    made = Shop(tmp_path, monkeypatch, name="messages")
    made.does[None] = lambda period: sent(100 + period.ordinal)
    return made


def by_use(house: House, code: str = "by-use", **terms: Any) -> str:  # noqa: ANN401 - a plan's columns
    house.plan(code, usage="messages", **terms)
    return code


def lines(house: House, sub: UUID) -> dict[int, list[tuple[str, int]]]:
    found: dict[int, list[tuple[str, int]]] = {}
    for row in house.rows(
        "SELECT i.ordinal, l.kind, l.amount FROM invoice i JOIN invoice_line l ON l.invoice_id = i.id"
        " WHERE i.subscription_id = :id AND i.state <> 'void' ORDER BY i.ordinal, l.line_no",
        id=sub,
    ):
        found.setdefault(row.ordinal, []).append((row.kind, row.amount))
    return found


def usage_in(invoice: Sequence[tuple[str, int]]) -> int:
    return sum(won for kind, won in invoice if kind == "usage")


def nothing_is_broken(house: House) -> None:
    """But for the periods before the first one of who came with some of them paid: no row of theirs says so here."""
    with house.database.reading() as tx:
        for name, statement in invariants.BROKEN.items():
            if name != "every_period_has_an_invoice_or_a_skip":
                assert not invariants.found(tx, statement, leeway=timedelta(0)), name


def attention(house: House) -> dict[str, str]:
    with house.database.reading() as tx:
        found = invariants.found(tx, invariants.ATTENTION["usage_not_resolved"], leeway=timedelta(minutes=5))
    return dict(found)


def test_an_invoice_has_what_the_period_before_used(house: House, shop: Shop) -> None:
    house.plan()
    sub, plain = house.subscription(plan=by_use(house)), house.subscription()
    house.tick()
    assert shop.asked == []  # before the first period nothing was used
    first_end = house.value("SELECT period_end FROM invoice WHERE subscription_id = :id", id=sub)
    house.charge()
    house.advance(days=60)
    house.tick()
    house.charge()

    assert lines(house, sub) == {
        0: [("base", 9_900)],
        1: [("base", 9_900), ("usage", 1_100)],
        2: [("base", 9_900), ("usage", 1_111)],
    }
    assert {len(each) for each in lines(house, plain).values()} == {1}
    asked = {each.ordinal: each for each in shop.asked}
    assert sorted(asked) == [0, 1]
    assert asked[0] == UsagePeriod(
        subscription_id=sub,
        customer_ref="c00001",
        plan="by-use",
        quantity=1,
        ordinal=0,
        start=house.value("SELECT min(period_start) FROM invoice WHERE subscription_id = :id", id=sub),
        end=first_end,
    )
    assert asked[0].end == asked[1].start
    nothing_is_broken(house)


def test_whoever_cannot_tell_holds_their_own_alone_and_is_asked_again_ever_later(house: House, shop: Shop) -> None:
    ends = threading.Event()
    house.limit(usage_timeout_seconds=2)
    house.plan()
    by_use(house)
    house.plan("lost", usage="nobodys")

    def raises(period: UsagePeriod) -> list[Usage]:
        raise ValueError(f"{period.customer_ref} 010-1234-5678")

    def says(answer: object) -> Any:  # noqa: ANN401 - whatever the merchant's code gives
        return lambda _: answer

    bad = {
        "it raised ValueError": raises,
        "it raised SystemExit": lambda _: (_ for _ in ()).throw(SystemExit(1)),
        "it gave no answer within 2 seconds": lambda _: ends.wait(),
        "it gave no list of Usage": says(None),
        "line 1 of what it gave is no Usage": says([{"quantity": 1}]),
        "line 1 of what it gave has a quantity outside 0 to 2,147,483,647": says(sent(-1)),
        "line 1 of what it gave has a quantity that is no whole number": says([replace(sent(1)[0], quantity=True)]),
        "its lines come to more than 1,000,000,000 won": says(sent(100_000_000)),
    }
    subs = {reason: house.subscription(plan="by-use", ordinal=0) for reason in bad}
    for reason, does in bad.items():
        shop.does[subs[reason]] = does
    lost = house.subscription(plan="lost", ordinal=0)
    well, plain = house.subscription(plan="by-use", ordinal=0), house.subscription(ordinal=0)
    house.advance(days=29)
    try:
        house.tick()  # the tick that meets the one that hangs asks for nobody else
        assert house.value("SELECT count(*) FROM outbox_event WHERE data ->> 'reason' LIKE 'it gave no answer%'") == 1
        house.tick()
        opened = {row.subscription_id for row in house.rows("SELECT subscription_id FROM invoice")}
        assert opened == {well, plain}
        told = house.rows("SELECT subscription_id, data FROM outbox_event WHERE kind = 'usage.failed' AND is_incident")
        reasons = {row.subscription_id: row.data["reason"] for row in told}
        assert reasons == {
            **{sub: reason for reason, sub in subs.items()},
            lost: "'nobodys' is not installed; installed are messages",
        }
        house.advance(minutes=6)
        assert set(attention(house)) == {*map(str, subs.values()), str(lost)}
        nothing_is_broken(house)
        asked = []
        del shop.does[subs["it gave no answer within 2 seconds"]]
        house.tick()  # the one that hung is answered
        assert house.value("SELECT count(*) FROM invoice") == 3
        one = subs["it raised ValueError"]
        for minutes in (4, 1, 14, 1, 59, 1, 59, 1):  # the second time five, then fifteen, then every sixty
            before = sum(period.subscription_id == one for period in shop.asked)
            house.advance(minutes=minutes)
            house.tick()
            asked.append(sum(period.subscription_id == one for period in shop.asked) - before)
        assert asked == [0, 1, 0, 1, 0, 1, 0, 1]
        assert house.value("SELECT count(*) FROM outbox_event WHERE kind = 'usage.failed'") == len(bad) + 1
        shop.does.clear()
        shop.does[None] = lambda _: sent(1)
        house.advance(minutes=60)
        house.tick()
        assert {row.subscription_id for row in house.rows("SELECT subscription_id FROM invoice")} == {
            *subs.values(),
            well,
            plain,
        }
    finally:
        ends.set()


def test_what_was_written_first_stands_whoever_dies_or_answers_meanwhile(house: House, shop: Shop) -> None:
    by_use(house)
    sub, dies, other = (house.subscription(plan="by-use", ordinal=0) for _ in range(3))
    house.advance(days=29)

    def a_person_is_first(period: UsagePeriod) -> list[Usage]:
        item = Item(kind=LineKind.USAGE, description="by hand", quantity=1, unit_amount=5_000)
        set_usage(house.database, period.subscription_id, period.ordinal, [item], by=BY)
        return sent(7)

    shop.does[sub] = a_person_is_first
    assert resolve_usage(house.ports, leave_at=math.inf) == 3  # and then it dies, before anything is opened
    assert house.value("SELECT count(*) FROM invoice") == 0
    shop.does[None] = lambda _: sent(99)
    house.tick()

    assert lines(house, sub) == {1: [("base", 9_900), ("usage", 5_000)]}
    assert lines(house, dies) == lines(house, other) == {1: [("base", 9_900), ("usage", 1_100)]}
    assert len(shop.asked) == 3
    with pytest.raises(Conflict, match=r"no period of subscription .* waits"):
        set_usage(house.database, sub, 0, [], by=BY)

    # Who asked and died is not waited for longer than its calls may take.
    house.advance(days=31)
    with house.database.transaction() as tx:
        for row in queries.lock_askable(tx, limit=1):
            queries.ask(tx, row.id, 1, until=tx.real + timedelta(seconds=260))
    house.tick()
    assert house.value("SELECT count(*) FROM invoice WHERE ordinal = 2") == 2
    house.advance(seconds=261)
    house.tick()
    assert house.value("SELECT count(*) FROM invoice WHERE ordinal = 2") == 3
    nothing_is_broken(house)


def test_several_at_once_open_each_period_once_with_its_usage_once(house: House, shop: Shop) -> None:
    by_use(house)
    subs = [house.subscription(plan="by-use", ordinal=0) for _ in range(60)]
    house.advance(days=29)

    race(*[house.tick] * 3)
    house.tick()

    assert {sub: lines(house, sub) for sub in subs} == {sub: {1: [("base", 9_900), ("usage", 1_100)]} for sub in subs}
    assert len(shop.asked) == len({period.subscription_id for period in shop.asked}) == 60
    nothing_is_broken(house)


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("after_outage", AfterOutage)
def test_after_months_without_an_engine_each_opening_has_the_period_before_it(
    house: House, after_outage: AfterOutage
) -> None:
    sub = house.subscription(plan=by_use(house, after_outage=after_outage))
    house.plan("all", usage="messages", catch_up=CatchUp.ALL)
    bring_in(house, {"customer_ref": "behind", "plan": "all", "started_on": "2025-11-30"})
    behind = house.value("SELECT id FROM subscription WHERE id <> :id", id=sub)
    house.advance(days=1)
    house.tick()
    house.advance(days=95)
    while resolve_usage(house.ports, leave_at=math.inf):
        pass
    with house.database.reading() as tx:
        foreseen = sorted((each.subscription_id, each.ordinal, each.amount) for each in foresee(tx, until=tx.now))
        foreseen_later = {
            (each.subscription_id, each.ordinal): (each.amount, each.due_at)
            for each in foresee(tx, until=tx.now + timedelta(days=20))
        }
    house.tick()

    opened = {
        (row.subscription_id, row.ordinal): (row.amount, row.next_attempt_at)
        for row in house.rows("SELECT subscription_id, ordinal, amount, next_attempt_at FROM invoice")
    }
    assert foreseen
    assert opened == foreseen_later
    had = {ordinal: usage_in(each) for ordinal, each in lines(house, sub).items()}
    every = {0: 0, 1: 1_100, 2: 1_111, 3: 1_122}
    assert (
        had
        == {
            AfterOutage.ALL: every,
            # What the last one before the outage used is owed with the first one after it; what was skipped is not.
            AfterOutage.LATEST: {0: 0, 2: 2_211, 3: 1_122},
            AfterOutage.NONE: {0: 0, 3: 2_222},
        }[after_outage]
    )
    late = {ordinal: usage_in(each) for ordinal, each in lines(house, behind).items()}
    assert late == {ordinal: 11 * (99 + ordinal) if ordinal else 0 for ordinal in range(len(late))}
    assert len(late) >= 5
    nothing_is_broken(house)


def test_the_evenings_forecast_and_the_days_bound_know_of_it(house: House, shop: Shop) -> None:
    house.limit(brakes=replace(NO_BRAKES, envelope=EnvelopeTerms(factor=1.0, floor=Volume(charges=1, won=1))))
    by_use(house, after_outage=AfterOutage.LATEST)  # what is late is no catching up
    used, held = (house.subscription(plan="by-use", started_on=date(2026, 1, 1), ordinal=0) for _ in range(2))
    shop.does[None] = lambda _: sent(5_000)

    def raises(_: UsagePeriod) -> list[Usage]:
        raise OSError

    shop.does[held] = raises
    compared = []
    for day in range(3):
        house.to(house.now.astimezone(SEOUL).replace(hour=22, minute=5).astimezone(UTC))
        keep_forecast(house.database, zone_name="Asia/Seoul")
        for step in range(7):
            house.advance(hours=4)
            if (day, step) == (1, 4):
                del shop.does[held]
            house.tick()
            house.charge()
        compared.append(compare_forecast(house.database))

    assert compared[:2] == [0, 0]
    causes = {
        (row.subscription_id, row.foreseen, row.opened): row.cause
        for row in house.rows("SELECT subscription_id, foreseen, opened, cause FROM forecast_difference")
    }
    assert causes == {
        (used, 9_900, 64_900): "usage.resolved",
        (held, 9_900, None): "usage.failed",
        (held, None, 64_900): "usage.resolved",
    }
    assert house.value("SELECT count(*) FROM payment WHERE counts AND amount = 64900") == 2
    assert house.value("SELECT count(*) FROM channel_state WHERE halted_at IS NOT NULL") == 0


def test_any_life_bills_what_was_used_once_and_nothing_else(house: House, shop: Shop) -> None:
    drawn = random.Random(20_261_128)
    by_use(house, every="3 days")
    used: dict[tuple[UUID, int], int] = {}
    broken: set[UUID] = set()

    def resolve(period: UsagePeriod) -> list[Usage]:
        if period.subscription_id in broken:
            raise ConnectionError
        return sent(used.setdefault((period.subscription_id, period.ordinal), drawn.randrange(0, 500)))

    shop.does[None] = resolve
    subs = [house.subscription(plan="by-use", started_on=date(2026, 1, 31) + timedelta(days=n)) for n in range(5)]
    for _ in range(32):
        broken = {sub for sub in subs if drawn.random() < 0.15}
        one = drawn.choice(subs)
        state = house.value("SELECT state FROM subscription WHERE id = :id", id=one)
        chance = drawn.random()
        if state == "active" and chance < 0.1:
            pause(house.ports, one, by=BY)
        elif state == "paused":
            resume(house.ports, one, by=BY)
        elif state == "active" and chance < 0.13:
            cancel(house.ports, one, by=BY)
        house.tick()
        house.charge()
        house.advance(days=1)

    billed = {
        (row.subscription_id, row.ordinal): row.amount
        for row in house.rows("SELECT subscription_id, ordinal, amount FROM usage WHERE invoice_id IS NOT NULL")
    }
    assert len(billed) > 20
    assert billed == {key: 11 * used[key] for key in billed}
    # Of every period that was opened, and after which another one was, it is billed what it used.
    for sub in subs:
        *before, _ = sorted(lines(house, sub))
        assert {ordinal for key, ordinal in billed if key == sub} >= set(before)
    on_lines = house.value(
        "SELECT coalesce(sum(l.amount), 0) FROM invoice_line l JOIN invoice i ON i.id = l.invoice_id"
        " WHERE l.kind = 'usage' AND i.state <> 'void'"
    )
    assert on_lines == sum(billed.values())
    nothing_is_broken(house)


def test_by_hand_it_is_bounded_and_answered_in_order(house: House, shop: Shop) -> None:
    by_use(house)

    def raises(_: UsagePeriod) -> list[Usage]:
        raise OSError

    shop.does[None] = raises
    sub = house.subscription(plan="by-use", ordinal=0)
    house.advance(days=60)
    house.tick()
    much = Item(kind=LineKind.USAGE, description="x", quantity=1, unit_amount=1_000_000_000)
    with pytest.raises(Conflict, match="waits for what its period 1 used, not 0: give --ordinal 1"):
        set_usage(house.database, sub, 0, [], by=BY)
    with pytest.raises(BadInput, match="are more than the 1,000,000,000 of an invoice"):
        set_usage(house.database, sub, 1, [much], by=BY)
    set_usage(house.database, sub, 1, [], by=BY)
    set_usage(house.database, sub, 0, [replace(much, unit_amount=700)], by=BY)
    house.tick()

    assert lines(house, sub) == {1: [("base", 9_900), ("usage", 700)], 2: [("base", 9_900)]}
