"""One-off items, credit, coupons and what is carried: opened as foreseen, used once, and never lost."""

from __future__ import annotations

import random
from contextlib import suppress
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event, text

from billing.add_ons import add_add_on, end_add_on
from billing.change_subscription import By, cancel
from billing.coupons import CouponTerms, add_coupon, apply_coupon, close_coupon
from billing.customer_credit import grant_credit, withdraw_credit
from billing.foresee import foresee
from billing.one_off_items import add_item, remove_item
from billing.open_period import open_due_periods
from billing.settle_elsewhere import settle_elsewhere
from domain.coupon import Discount
from domain.errors import BadInput, Conflict, NotFound
from domain.invoice_line import LineKind
from domain.one_off import read_item
from domain.price import MAXIMUM_AMOUNT
from models.queries import change
from tests.support.consents import broken, charge_for
from tests.support.racing import race

if TYPE_CHECKING:
    from uuid import UUID

    from tests.support.house import House

BY = By(actor="mina", reason="agreed by mail")
HALF = Discount(percent=50)


def item(house: House, sub: UUID, amount: int, *, tax_free: int = 0, quantity: int = 1) -> UUID:
    wanted = read_item(description="설치비", quantity=quantity, unit_amount=amount, tax_free=tax_free)
    return add_item(house.database, sub, wanted, by=BY).item_id


def add_on(house: House, sub: UUID, amount: int, *, periods: int | None = None) -> UUID:
    wanted = read_item(description="저장", quantity=1, unit_amount=amount, tax_free=0, kind=LineKind.ADD_ON)
    return add_add_on(house.database, sub, wanted, periods=periods, by=BY).add_on_id


def coupon(house: House, code: str, discount: Discount = HALF, **terms: Any) -> None:  # noqa: ANN401 - terms
    add_coupon(house.database, CouponTerms(code=code, discount=discount, **terms), zone_name="Asia/Seoul", by=BY)


def lines(house: House, sub: UUID) -> list[list[tuple[str, int]]]:
    """Of each invoice, in order: the kinds and won of its lines."""
    rows = house.rows(
        "SELECT i.ordinal, l.kind, l.amount FROM invoice_line l JOIN invoice i ON i.id = l.invoice_id"
        " WHERE i.subscription_id = :id ORDER BY i.ordinal, l.line_no",
        id=sub,
    )
    found: dict[int, list[tuple[str, int]]] = {}
    for row in rows:
        found.setdefault(row.ordinal, []).append((row.kind, row.amount))
    return list(found.values())


def months(house: House, count: int) -> None:
    """Charge what is due, and go on to the next month, so many times."""
    for _ in range(count):
        house.tick()
        house.charge()
        house.advance(days=31)


def test_items_and_credit_are_on_the_next_invoice_and_only_there(house: House) -> None:
    sub = house.subscription(customer_ref="c1")
    item(house, sub, 10_000, quantity=3)
    gone = item(house, sub, 5_000)
    remove_item(house.database, gone, by=BY)
    assert grant_credit(house.database, "c1", 45_000, by=BY).balance == 45_000

    months(house, 3)

    assert lines(house, sub) == [
        [("base", 9_900), ("item", 30_000), ("credit", -39_900)],
        [("base", 9_900), ("credit", -5_100)],
        [("base", 9_900)],
    ]
    # What owes nothing is paid from the beginning, without a charge.
    assert house.states("invoice") == {"paid": 3}
    assert [record.amount for record in house.gateway.records] == [4_800, 9_900]
    assert house.value("SELECT count(*) FROM outbox_event WHERE kind = 'invoice.owes_nothing'") == 1
    assert broken(house) == []


def test_what_is_too_little_to_be_charged_is_carried_with_its_tax_parts(house: House) -> None:
    sub = house.subscription(customer_ref="c1")
    item(house, sub, 100, tax_free=100)
    grant_credit(house.database, "c1", 9_950, by=BY)

    months(house, 2)

    assert lines(house, sub) == [
        [("base", 9_900), ("item", 100), ("credit", -9_950), ("carried", -50)],
        [("base", 9_900), ("carried", 50)],
    ]
    assert [record.amount for record in house.gateway.records] == [9_950]
    assert house.value("SELECT sum(tax_free) FROM invoice_line WHERE kind <> 'credit'") == 100
    assert house.value("SELECT carried FROM subscription") == 0
    assert broken(house) == []


def test_a_void_invoice_gives_back_what_it_used(house: House) -> None:
    ends, stays = house.subscription(customer_ref="c1"), house.subscription(customer_ref="c2")
    for sub, ref in ((ends, "c1"), (stays, "c2")):
        item(house, sub, 1_000)
        grant_credit(house.database, ref, 300, by=BY)
    house.tick()
    assert house.value("SELECT sum(balance) FROM credit_account") == 0

    cancel(house.ports, ends, by=BY)
    with house.database.transaction() as tx:
        row = change.lock_subscription(tx, stays)
        assert row is not None
        settle_elsewhere(tx, row, ordinal=0)

    assert house.value("SELECT count(*) FROM invoice WHERE state = 'void'") == 2
    assert house.rows("SELECT balance FROM credit_account") == [(300,), (300,)]
    assert house.value("SELECT count(*) FROM invoice_item WHERE invoice_id IS NULL") == 2
    assert broken(house) == []
    house.advance(days=31)
    house.tick()
    assert lines(house, stays)[-1] == [("base", 9_900), ("item", 1_000), ("credit", -300)]
    assert broken(house) == []


def test_what_was_carried_to_a_void_invoice_is_carried_on(house: House) -> None:
    sub = house.subscription(customer_ref="c1")
    grant_credit(house.database, "c1", 9_850, by=BY)
    months(house, 1)
    house.tick()
    assert lines(house, sub)[-1] == [("base", 9_900), ("carried", 50)]

    with house.database.transaction() as tx:
        row = change.lock_subscription(tx, sub)
        assert row is not None
        settle_elsewhere(tx, row, ordinal=1)
    house.advance(days=31)
    house.tick()

    assert lines(house, sub)[-1] == [("base", 9_900), ("carried", 50)]
    assert broken(house) == []


def _draw(house: House, drawn: random.Random) -> None:
    """Something that a person may do at any time."""
    sub = drawn.choice(house.rows("SELECT s.id, c.customer_ref FROM subscription s JOIN customer c ON"
                                  " c.id = s.customer_id ORDER BY s.id"))  # fmt: skip
    match drawn.randrange(4):
        case 0:
            add_on(house, sub.id, drawn.choice([1, 70, 3_300]), periods=drawn.choice([None, 1, 3]))
        case 1:
            item(house, sub.id, drawn.choice([1, 50, 99, 3_000, 120_000]), quantity=drawn.randrange(1, 3))
        case 2:
            grant_credit(house.database, sub.customer_ref, drawn.choice([30, 60, 9_850, 25_000]), by=BY)
        case _:
            with suppress(Conflict):
                apply_coupon(house.database, sub.id, drawn.choice(["HALF", "ALL", "SOME", "EVER"]), by=BY)


def test_whatever_is_put_beside_prices_is_opened_as_foreseen_and_no_won_is_lost(house: House) -> None:
    drawn = random.Random(20_261_129)
    house.plan("monthly", amount=9_900)
    house.plan("weekly", amount=150, every="1 week")
    house.plan("half", amount=33_333, every="2 weeks", spread_minutes=120)
    with house.database.transaction() as tx:
        tx.connection.execute(text("UPDATE plan_price SET setup_fee = 70 WHERE amount = 150"))
    coupon(house, "HALF", periods=1)
    coupon(house, "ALL", Discount(percent=100), periods=2)
    coupon(house, "SOME", Discount(won=60), periods=3)
    coupon(house, "EVER", Discount(percent=33))
    for number in range(24):  # of each customer two or three, who share credit
        plan = drawn.choice(["monthly", "weekly", "weekly", "half"])
        started_on = house.now.date() + timedelta(days=number % 9)
        house.subscription(plan=plan, started_on=started_on, customer_ref=f"c{number % 10}")
    for _ in range(3):
        for _ in range(16):
            _draw(house, drawn)
        until = house.now + timedelta(days=17, hours=5)
        with house.database.reading() as tx:
            lines = [(each.subscription_id, each.ordinal, each.amount) for each in foresee(tx, until=until)]
        standing = {tuple(row) for row in house.rows("SELECT subscription_id, ordinal FROM invoice")}
        foreseen = sorted(line for line in lines if line[:2] not in standing)
        before = house.value("SELECT coalesce(max(id::text), '') FROM invoice")
        while house.now < until:
            house.to(min(house.now + timedelta(days=1), until))
            house.tick()
        opened = house.rows(
            "SELECT subscription_id, ordinal, amount FROM invoice WHERE amount > 0 AND id::text > :before",
            before=before,
        )
        assert foreseen == sorted(tuple(row) for row in opened)
        charge_for(house, days=0)

    assert broken(house) == []
    charge_for(house, days=40)
    kinds = {row.kind for row in house.rows("SELECT DISTINCT kind FROM invoice_line")}
    assert kinds == set(LineKind) - {LineKind.USAGE, LineKind.PRORATION}  # each has a test of its own
    paid = sum(record.amount for record in house.gateway.records)
    carried = house.value("SELECT sum(carried) FROM subscription")
    owed = house.value("SELECT sum(amount) FROM invoice_line WHERE kind <> 'carried'")
    assert paid + carried == owed
    granted = house.value("SELECT sum(amount) FROM credit_entry WHERE kind = 'granted'")
    used = -house.value("SELECT sum(amount) FROM invoice_line WHERE kind = 'credit'")
    assert granted - used == house.value("SELECT sum(balance) FROM credit_account")


def test_two_openers_at_once_use_everything_once(house: House) -> None:
    subs = [house.subscription(plan=plan, customer_ref="c1") for plan in ("a", "b", "c", "d")]
    for sub in subs:
        item(house, sub, 700)
    grant_credit(house.database, "c1", 25_000, by=BY)

    race(*(partial(open_due_periods, house.ports) for _ in range(4)))
    while open_due_periods(house.ports).subscriptions:
        pass

    assert house.value("SELECT count(*) FROM invoice_line WHERE kind = 'item'") == 4
    assert house.value("SELECT sum(amount) FROM invoice_line WHERE kind = 'credit'") == -25_000
    assert house.value("SELECT sum(amount) FROM invoice") == 4 * 10_600 - 25_000
    assert broken(house) == []


def test_what_cannot_be_reckoned_sets_aside_its_subscription_alone(house: House) -> None:
    bad, good = house.subscription(), house.subscription()
    item(house, bad, MAXIMUM_AMOUNT - 9_900)
    with house.database.transaction() as tx:  # more seats came after it
        change.lock_subscription(tx, bad)
        tx.connection.execute(text("UPDATE subscription SET quantity = 2 WHERE id = :id"), {"id": bad})

    house.tick()

    assert "cannot be charged" in house.value("SELECT set_aside_reason FROM subscription WHERE id = :id", id=bad)
    assert lines(house, good) == [[("base", 9_900)]]
    assert house.value("SELECT count(*) FROM invoice_item WHERE invoice_id IS NULL") == 1


def test_a_batch_is_gathered_by_so_many_statements_however_large_it_is(house: House) -> None:
    statements: list[str] = []
    event.listen(
        house.database._engine, "before_cursor_execute", lambda *arguments: statements.append(str(arguments[2]))
    )
    counts = []
    for size in (2, 12):
        for _ in range(size):
            item(house, house.subscription(), 1_000)
        statements.clear()
        assert open_due_periods(house.ports).invoices == size
        counts.append(len(statements))

    assert counts[0] == counts[1] <= 16


def test_an_add_on_is_owed_with_every_period_until_it_ends(house: House) -> None:
    sub = house.subscription()
    months(house, 1)
    twice = add_on(house, sub, 500, periods=2)
    house.advance(seconds=1)
    for_ever = add_on(house, sub, 2_000)
    never = add_on(house, sub, 7_000)
    end_add_on(house.database, never, by=BY)
    months(house, 3)
    ended = end_add_on(house.database, for_ever, by=BY)
    months(house, 1)

    both = [("base", 9_900), ("add_on", 500), ("add_on", 2_000)]
    assert lines(house, sub) == [both[:1], both, both, [both[0], both[2]], both[:1]]
    assert (ended.first, ended.until) == (1, 4)
    for over in (twice, for_ever, never):
        with pytest.raises(Conflict, match="ends before period"):
            end_add_on(house.database, over, by=BY)
    with pytest.raises(NotFound, match="there is no add-on"):
        end_add_on(house.database, sub, by=BY)
    with pytest.raises(BadInput, match="--periods 0 cannot be used"):
        add_on(house, sub, 1, periods=0)
    assert broken(house) == []


def test_what_cannot_be_put_or_taken_back_is_refused(house: House) -> None:
    sub, ended = house.subscription(customer_ref="c1"), house.subscription()
    cancel(house.ports, ended, by=BY)
    owed = item(house, sub, 1_000)
    with pytest.raises(Conflict, match="has ended"):
        item(house, ended, 1_000)
    with pytest.raises(BadInput, match="at most 999,989,100 can be put on it"):
        item(house, sub, MAXIMUM_AMOUNT)
    house.tick()
    with pytest.raises(Conflict, match="has item"):
        remove_item(house.database, owed, by=BY)
    gone = item(house, sub, 1_000)
    remove_item(house.database, gone, by=BY)
    with pytest.raises(Conflict, match="was removed"):
        remove_item(house.database, gone, by=BY)
    with pytest.raises(NotFound, match="no item"):
        remove_item(house.database, sub, by=BY)
    with pytest.raises(NotFound, match="no customer"):
        grant_credit(house.database, "nobody", 1_000, by=BY)
    grant_credit(house.database, "c1", 1_000, by=BY)
    with pytest.raises(Conflict, match="1,000 won of credit; at most"):
        withdraw_credit(house.database, "c1", 1_001, by=BY)
    with pytest.raises(Conflict, match="nobody can have"):
        grant_credit(house.database, "c1", MAXIMUM_AMOUNT, by=BY)
    assert withdraw_credit(house.database, "c1", 1_000, by=BY).balance == 0
    assert broken(house) == []


def test_a_coupon_has_its_plans_its_limit_its_last_day_and_its_end(house: House) -> None:
    house.plan("other")
    subs = [house.subscription() for _ in range(3)]
    coupon(house, "ONE", limit=1)
    coupon(house, "OTHER", plans=("other",))
    coupon(house, "TODAY", until=date(2026, 1, 31), periods=2)
    apply_coupon(house.database, subs[0], "ONE", by=BY)

    for sub, code, told in (
        (subs[1], "ONE", "was given 1 times, which is its limit"),
        (subs[1], "OTHER", "is for other, and the subscription has basic"),
        (subs[0], "TODAY", "has coupon ONE: one at a time"),
    ):
        with pytest.raises(Conflict, match=told):
            apply_coupon(house.database, sub, code, by=BY)
    with pytest.raises(NotFound, match="there is no coupon NONE"):
        apply_coupon(house.database, subs[1], "none", by=BY)
    with pytest.raises(Conflict, match="there is a coupon ONE already"):
        coupon(house, "ONE")
    with pytest.raises(NotFound, match="there is no plan"):
        coupon(house, "NEW", plans=("nowhere",))
    with pytest.raises(BadInput, match="is past"):
        coupon(house, "NEW", until=date(2026, 1, 30))
    apply_coupon(house.database, subs[1], "TODAY", by=BY)
    with pytest.raises(Conflict, match="had coupon TODAY since"):
        apply_coupon(house.database, subs[1], "TODAY", by=BY)
    assert close_coupon(house.database, "one", by=BY) == 1
    with pytest.raises(Conflict, match="is closed"):
        close_coupon(house.database, "one", by=BY)
    house.advance(days=1)
    with pytest.raises(Conflict, match="could be had until"):
        apply_coupon(house.database, subs[2], "TODAY", by=BY)
    months(house, 3)
    # Closed, and still on: for ever, for who has it; and for who has not agreed to its end.
    assert [each[-1][0] for each in lines(house, subs[0])] == ["coupon"] * 3
    assert [each[-1][0] for each in lines(house, subs[1])] == ["coupon"] * 3
    assert broken(house) == []


def test_of_many_who_want_the_last_of_a_coupon_one_gets_it(house: House) -> None:
    subs = [house.subscription() for _ in range(5)]
    coupon(house, "LAST", limit=1)

    def gets(sub: UUID) -> bool:
        try:
            apply_coupon(house.database, sub, "LAST", by=BY)
        except Conflict:
            return False
        return True

    assert sum(race(*(partial(gets, sub) for sub in subs))) == 1
    assert house.value("SELECT count(*) FROM redemption") == house.value("SELECT redeemed FROM coupon") == 1


def test_a_day_that_is_forecast_expects_an_item_that_is_put_on_it(house: House) -> None:
    sub = house.subscription(started_on=date(2026, 2, 1))
    house.tick()
    before = dict(house.rows("SELECT day::text, expected_won FROM charge_envelope"))

    item(house, sub, 50_000)

    after = dict(house.rows("SELECT day::text, expected_won FROM charge_envelope"))
    assert before["2026-02-01"] == 9_900
    assert after == {**before, "2026-02-01": 59_900}
