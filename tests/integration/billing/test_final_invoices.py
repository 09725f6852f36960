"""What is left when a subscription ends is billed once and charged although it has ended; or an end is refused."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from billing.change_plan import change_plan
from billing.change_quantity import change_quantity
from billing.change_subscription import By, change_card, pause, resume
from billing.charge_now import charge_now
from billing.coupons import CouponTerms, add_coupon, apply_coupon
from billing.customer_credit import grant_credit
from billing.give_back import GiveBack
from billing.move_billing_day import move_billing_day
from billing.move_price import move_version
from billing.one_off_items import add_item
from billing.open_final import open_finals
from billing.stop_subscription import stop_subscription
from domain.billing_period import CatchUp
from domain.coupon import Discount
from domain.errors import Conflict
from domain.invoice import Purpose
from domain.invoice_line import Item, LineKind
from domain.stop import Stop
from domain.usage import Usage
from models.queries import invariants
from tests.fakes.gateway import Fate
from tests.support.consents import broken, live, rise, say, tell
from tests.support.imports import bring_in, subscription_of
from tests.support.mortal import Died, Life, empty, live_on, mortal, settle_fast
from tests.support.racing import race
from tests.support.usages import Shop

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from tests.support.house import House

BY = By(actor="mina", reason="a test")
SEOUL = ZoneInfo("Asia/Seoul")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    made = Shop(tmp_path, monkeypatch, name="messages")
    made.does[None] = lambda _: [Usage(description="메시지", quantity=100, unit_amount=11)]
    return made


def in_arrears(house: House, code: str = "arrears", **terms: Any) -> UUID:  # noqa: ANN401 - a plan's columns
    """Since 31 January, of 28 days first: a thousand won each."""
    house.plan(code, **{"amount": 28_000, "billed": "in-arrears", **terms})
    return house.subscription(plan=code)


def leave(house: House, sub: UUID, **options: Any) -> Any:  # noqa: ANN401 - what is foretold
    return stop_subscription(house.ports, sub, Stop.CANCEL, by=BY, **options)


def lines(house: House, sub: UUID) -> dict[tuple[str, int], list[tuple[str, int]]]:
    found: dict[tuple[str, int], list[tuple[str, int]]] = {}
    for row in house.rows(
        "SELECT i.purpose, i.ordinal, l.kind, l.amount FROM invoice i JOIN invoice_line l ON l.invoice_id = i.id"
        " WHERE i.subscription_id = :id ORDER BY i.id, l.line_no",
        id=sub,
    ):
        found.setdefault((row.purpose, row.ordinal), []).append((row.kind, row.amount))
    return found


def events(house: House, sub: UUID) -> list[str]:
    rows = house.rows("SELECT kind FROM outbox_event WHERE subscription_id = :id ORDER BY id", id=sub)
    return [row.kind for row in rows]


def state_of(house: House, sub: UUID) -> str:
    return str(house.value("SELECT state FROM invoice WHERE subscription_id = :id", id=sub))


def seoul(month: int, day: int, hour: int = 12) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=SEOUL).astimezone(UTC)


def test_a_final_invoice_has_its_days_and_all_that_waits_and_is_dunned_as_any_other(house: House, shop: Shop) -> None:
    sub = in_arrears(house, usage="messages")
    house.to(seoul(2, 28))
    house.tick()
    house.charge()
    add_coupon(
        house.database,
        CouponTerms(code="HALF", discount=Discount(percent=50), periods=None),
        zone_name="Asia/Seoul",
        by=BY,
    )
    apply_coupon(house.database, sub, "HALF", by=BY)
    change_quantity(house.database, sub, 3, by=BY)
    item = Item(kind=LineKind.ITEM, description="전화기", quantity=1, unit_amount=5_000)
    add_item(house.database, sub, item, by=BY)
    grant_credit(house.database, "c00001", 2_000, by=BY)
    house.to(seoul(3, 10))
    house.tick()
    assert set(lines(house, sub)) == {("period", 0)}
    house.gateway.script(house.uid(sub, 1, purpose=Purpose.FINAL), Fate.DECLINE)

    foretold = leave(house, sub)
    assert (foretold.final.days, foretold.final.of_days, foretold.debts_become) == (10, 31, "charged")
    assert foretold.final.won == 27_096 - 13_548 + 5_000 - 2_000  # and the use on top, once it is told
    assert house.value("SELECT state FROM subscription") == "ended"
    race(*[house.tick] * 3)
    house.tick()
    assert lines(house, sub) == {
        ("period", 0): [("base", 28_000), ("usage", 1_100)],
        ("final", 1): [("base", 27_096), ("item", 5_000), ("usage", 1_100), ("coupon", -13_548), ("credit", -2_000)],
    }
    first, *others = [(each.start, each.end) for each in shop.asked]
    assert first == (seoul(1, 31, 10), seoul(2, 28, 10))
    assert set(others) == {(seoul(2, 28, 10), seoul(3, 10))}
    house.charge()
    assert house.states("invoice") == {"paid": 1, "past_due": 1}
    settle_fast(house, days=3)

    assert house.states("invoice") == {"paid": 2}
    assert house.value("SELECT sum(amount) FROM payment WHERE counts") == 29_100 + 17_648
    assert house.value("SELECT state || ' ' || ended_reason FROM subscription") == "ended cancelled"
    assert broken(house) == []


def test_a_debt_of_what_was_delivered_outlives_a_cancel_a_pause_and_an_undecided_charge(house: House) -> None:
    left, away, unknown, card = (in_arrears(house) for _ in range(4))
    for sub, fate in ((left, Fate.DECLINE), (away, Fate.DECLINE), (unknown, Fate.LOSE_ANSWER)):
        house.gateway.script(house.uid(sub, 0), fate)
    for attempt in range(1, 5):
        house.gateway.script(house.uid(card, 0, attempt), Fate.DECLINE)
    stop_subscription(house.ports, away, Stop.PAUSE, at_period_end=True, by=BY)
    house.to(seoul(2, 28, 10))
    house.tick()
    house.charge()
    house.advance(hours=1)
    assert leave(house, left).debts_won == 28_000
    assert leave(house, unknown).made == "at_once"
    leave(house, card)
    house.tick()
    assert house.value("SELECT state FROM subscription WHERE id = :id", id=away) == "paused"
    settle_fast(house, days=12)

    assert [state_of(house, sub) for sub in (left, away, unknown, card)] == [*["paid"] * 3, "uncollectible"]
    assert sorted(house.paid_at_gateway().values()) == [1, 1, 1]
    assert house.states("subscription") == {"ended": 3, "paused": 1}
    assert broken(house) == []


def test_another_card_pays_after_the_end_and_a_person_may_ask_for_it_at_once(house: House) -> None:
    sub = in_arrears(house)
    house.to(seoul(2, 10))
    house.tick()
    leave(house, sub)
    house.gateway.script(house.uid(sub, 0, purpose=Purpose.FINAL), Fate.DECLINE)
    house.tick()
    house.charge()
    assert house.states("invoice") == {"past_due": 1}
    change_card(house.ports, sub, customer_uid="another", by=BY)
    with pytest.raises(Conflict, match="is ended, not paused"):
        resume(house.ports, sub, by=BY)
    charge_now(house.ports, house.value("SELECT id FROM invoice"), by=BY)
    settle_fast(house, days=0.5)

    assert house.states("invoice") == {"paid": 1}
    assert (
        house.value(
            "SELECT k.customer_uid FROM send d JOIN billing_key k ON k.id = d.billing_key_id"
            " JOIN charge_attempt a ON a.id = d.attempt_id ORDER BY a.attempt_no DESC LIMIT 1"
        )
        == "another"
    )
    assert house.value("SELECT state || ended_reason FROM subscription") == "endedcancelled"
    with pytest.raises(Conflict, match="has ended"):
        change_card(house.ports, sub, customer_uid="a-third", by=BY)
    assert broken(house) == []


def test_whoever_dies_between_the_end_and_its_invoice_it_is_opened_once(house: House, shop: Shop) -> None:
    def raises(_: object) -> list[Usage]:
        raise OSError

    shop.does[None] = raises
    sub = in_arrears(house, usage="messages")
    house.to(seoul(2, 10))
    leave(house, sub)  # and then it dies
    house.tick()
    house.advance(minutes=6)
    with house.database.reading() as tx:
        waits = invariants.found(tx, invariants.ATTENTION["usage_not_resolved"], leeway=timedelta(minutes=5))
    assert [subject for subject, _ in waits] == [str(sub)]
    assert "its final invoice is not opened: what was used is not known: it raised OSError" in waits[0][1]
    assert broken(house) == []
    shop.does[None] = lambda _: []
    house.advance(minutes=60)
    race(*[lambda: open_finals(house.ports)] * 2, house.tick)
    house.tick()

    assert lines(house, sub) == {("final", 0): [("base", 10_000)]}
    assert events(house, sub).count("invoice.opened_after_the_end") == 1
    assert broken(house) == []


def test_in_advance_the_last_use_is_billed_alone_and_too_little_is_told_once(house: House, shop: Shop) -> None:
    house.plan("advance", usage="messages")
    house.plan("term", usage="messages", periods=1)
    now, end, little, nothing, withdrawn, trial = (house.subscription(plan="advance") for _ in range(6))
    term = house.subscription(plan="term")
    shop.does[little] = lambda _: [Usage(description="메시지", quantity=9, unit_amount=11)]
    shop.does[nothing] = lambda _: []
    house.tick()
    house.charge()
    house.to(seoul(2, 5))
    item = Item(kind=LineKind.ITEM, description="x", quantity=1, unit_amount=5_000)
    add_item(house.database, now, item, by=BY)
    foretold = leave(house, now)
    assert (foretold.final.days, foretold.final.won, foretold.final.waits_for_use) == (None, 0, True)
    leave(house, little)
    leave(house, nothing)
    leave(house, end, at_period_end=True)
    assert leave(house, withdrawn, give_back=GiveBack.WITHDRAWAL).final is None
    for _ in range(3):
        house.tick()
        house.charge()
    house.to(seoul(2, 28))
    for _ in range(3):
        house.tick()
        house.charge()

    finals = {sub: lines(house, sub).get(("final", 0)) for sub in (now, end, term, little, nothing, withdrawn)}
    assert finals == {
        now: [("usage", 1_100)],
        end: [("usage", 1_100)],
        term: [("usage", 1_100)],
        little: [("usage", 99), ("carried", -99)],
        nothing: None,
        withdrawn: None,
    }
    assert house.value("SELECT state FROM subscription WHERE id = :id", id=term) == "ended"
    assert events(house, little).count("invoice.too_little_to_charge") == 1
    assert events(house, nothing).count("subscription.nothing_left_to_bill") == 1
    assert lines(house, trial)[("period", 1)] == [("base", 9_900), ("usage", 1_100)]
    assert house.value("SELECT count(*) FROM payment WHERE counts AND amount = 1100") == 3
    assert house.value("SELECT count(*) FROM invoice WHERE state NOT IN ('paid')") == 0
    assert broken(house) == []


def test_what_does_not_go_together_is_refused_in_a_sentence(house: House) -> None:
    sub = in_arrears(house, spread_minutes=0)
    house.plan("advance")
    house.plan("yearly", every="1 year", billed="in-arrears")
    house.plan("bigger", amount=40_000, billed="in-arrears")
    house.to(seoul(2, 10))
    house.tick()
    ports, database = house.ports, house.database
    for refused, told in (
        (lambda: stop_subscription(ports, sub, Stop.PAUSE, by=BY), "a pause begins once it is over: --at-period-end"),
        (lambda: pause(ports, sub, by=BY), "a pause begins once it is over"),
        (lambda: leave(house, sub, give_back=GiveBack.PRO_RATA), "leave out --refund"),
        (lambda: change_quantity(database, sub, 3, now=True, by=BY), "costs what stands at its end; leave out --now"),
        (lambda: change_plan(database, sub, "bigger", now=True, by=BY), "leave out --now"),
        (lambda: change_plan(database, sub, "advance", by=BY), "is billed in-advance, and subscription"),
        (lambda: change_plan(database, sub, "yearly", by=BY), "would change the days of the period that runs"),
        (lambda: move_billing_day(database, sub, 15, by=BY), "and begin another on the day that is wanted"),
    ):
        before = house.rows("SELECT count(*) FROM outbox_event")
        with pytest.raises(Conflict, match=told):
            refused()
        assert house.rows("SELECT count(*) FROM outbox_event") == before
    change_plan(house.database, sub, "bigger", by=BY)
    # A period that is over and not opened yet is billed first.
    house.to(seoul(2, 28, 11))
    with pytest.raises(Conflict, match=r"period 0 .* is over and not opened yet; ask again once it is, or end"):
        leave(house, sub)
    leave(house, sub, at_period_end=True)
    house.tick()
    house.charge()
    house.to(seoul(3, 31, 11))
    house.tick()
    house.charge()

    assert lines(house, sub) == {("period", 0): [("base", 40_000)], ("period", 1): [("base", 40_000)]}
    assert house.states("subscription") == {"ended": 1}
    assert broken(house) == []


def test_a_rise_is_charged_at_the_end_with_consent_and_notice_before_that_and_never_without(house: House) -> None:
    agrees, silent = in_arrears(house), in_arrears(house)
    rise(house, to=40_000, on=date(2026, 2, 28), plan="arrears")
    charged_at = datetime(2026, 3, 31, 10, tzinfo=SEOUL)
    live(house, until=seoul(2, 1))
    move_version(house.database, "arrears", from_version=1, to_version=2, by=BY)
    live(house, until=charged_at - timedelta(days=20))
    say(house, agrees, house.now)
    tell(house, agrees, house.now)
    live(house, until=charged_at + timedelta(hours=1))

    assert lines(house, agrees) == {("period", 0): [("base", 28_000)], ("period", 1): [("base", 40_000)]}
    assert lines(house, silent) == {("period", 0): [("base", 28_000)], ("period", 1): [("base", 28_000)]}
    assert broken(house) == []


@pytest.mark.parametrize("catch_up", CatchUp)
def test_who_comes_by_a_file_owes_what_is_over_as_catch_up_says_and_what_runs_at_its_end(
    house: House, catch_up: CatchUp
) -> None:
    house.plan("arrears", billed="in-arrears", catch_up=catch_up)
    told = bring_in(house, {"customer_ref": "old", "plan": "arrears", "started_on": "2025-10-15"})
    bring_in(
        house,
        {"customer_ref": "paid", "plan": "arrears", "started_on": "2025-10-15", "paid_through": "2026-01-14"},
        {"customer_ref": "free", "plan": "arrears", "started_on": "2026-01-15", "trial_until": "2026-02-15"},
    )
    assert told == []
    house.tick()
    settle_fast(house, days=16)

    opened = {
        CatchUp.ALL: {0, 1, 2, 3},
        CatchUp.LATEST: {2, 3},
        CatchUp.NONE: {3},
    }[catch_up]
    assert set(lines(house, subscription_of(house, "old"))) == {("period", ordinal) for ordinal in opened}
    assert set(lines(house, subscription_of(house, "paid"))) == {("period", 3)}
    assert house.value("SELECT count(*) FROM customer WHERE customer_ref = 'free'") == 0
    assert house.states("invoice") == {"paid": len(opened) + 1}
    assert broken(house) == []


def _die(house: House, *, dies_at: int | None) -> tuple[dict[tuple[str, str, int], tuple[str, int]], int]:
    """Two leave at once, a third with its period; what stands, by customer, purpose and number, and the boundaries."""
    empty(house)
    today = house.now.astimezone(SEOUL).date() + timedelta(days=1)
    house.to(datetime.combine(today, time(10), tzinfo=SEOUL).astimezone(UTC))
    subs = {name: house.subscription(plan=plan, customer_ref=name, started_on=today) for name, plan in _LEAVE.items()}
    house.tick()
    house.charge()
    house.advance(days=10)
    life = Life(dies_at=dies_at)
    ports = mortal(house, life)
    try:
        stop_subscription(ports, subs["a"], Stop.CANCEL, by=BY)
        stop_subscription(ports, subs["b"], Stop.CANCEL, by=BY)
        stop_subscription(ports, subs["c"], Stop.CANCEL, at_period_end=True, by=BY)
        live_on(house, ports, until=house.now + timedelta(days=25), life=life)
    except Died:
        for name, is_ahead in (("a", False), ("b", False), ("c", True)):  # who was not heard asks again
            with suppress(Conflict):
                stop_subscription(house.ports, subs[name], Stop.CANCEL, at_period_end=is_ahead, by=BY)
        settle_fast(house, days=25)
    finally:
        ports.database.close()
    rows = house.rows(
        "SELECT c.customer_ref, i.purpose, i.ordinal, i.state, i.amount FROM invoice i"
        " JOIN subscription s ON s.id = i.subscription_id JOIN customer c ON c.id = s.customer_id"
    )
    assert set(house.paid_at_gateway().values()) == {1}
    assert house.states("subscription") == {"ended": 3}
    return {tuple(row[:3]): tuple(row[3:]) for row in rows}, len(life.boundaries)


_LEAVE = {"a": "arrears", "b": "advance", "c": "arrears"}


def test_a_process_that_dies_anywhere_on_the_way_out_ends_where_one_ends_that_lives(house: House, shop: Shop) -> None:
    shop.does[None] = lambda _: [Usage(description="메시지", quantity=100, unit_amount=11)]
    house.plan("arrears", amount=28_000, billed="in-arrears", usage="messages", every="4 weeks")
    house.plan("advance", usage="messages", every="4 weeks")

    expected, boundaries = _die(house, dies_at=None)

    assert {key: amount for key, (_, amount) in expected.items()} == {
        ("a", "final", 0): 11_100,
        ("b", "period", 0): 9_900,
        ("b", "final", 0): 1_100,
        ("c", "period", 0): 29_100,
    }
    assert {state for state, _ in expected.values()} == {"paid"}
    for number in (*range(1, 6), boundaries // 2):
        ended, _ = _die(house, dies_at=number)
        assert ended == expected, number
