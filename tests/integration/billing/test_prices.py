"""What invoices cost: quantity times the price that a subscription is pinned to, with its tax parts and instalments."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from billing.change_prices import Version, add_price, list_prices, remove_price
from billing.change_subscription import By, cancel
from billing.check_invariants import check_invariants
from billing.move_price import Moved, move_named, move_version
from billing.refund import Wanted, request_refund
from domain.breaker import BreakerTerms
from domain.envelope import EnvelopeTerms, Volume
from domain.errors import BadInput, Conflict, NotFound
from models.ids import new_id
from models.queries.bulk import insert_rows
from models.subscription import PlanPrice
from tests.fakes.gateway import Fate
from tests.support.house import NO_BRAKES, House
from tests.support.refunds import settle_refunds

if TYPE_CHECKING:
    from uuid import UUID

BY = By(actor="mina", reason="a cheaper spring")
SEOUL = "Asia/Seoul"
PAYING = "SELECT count(*) FROM subscription s JOIN plan_price p ON p.id = s.plan_price_id"


def reprice(house: House, plan: str, **columns: object) -> None:
    """As if the plan's file had said so from the beginning."""
    sets = ", ".join(f"{name} = :{name}" for name in columns)
    with house.database.transaction() as tx:
        tx.connection.execute(
            text(f"UPDATE plan_price SET {sets} WHERE plan_id = (SELECT id FROM plan WHERE code = :code)"),
            {**columns, "code": plan},
        )


def seats(house: House, sub: UUID, quantity: int) -> None:
    with house.database.transaction() as tx:
        tx.connection.execute(text("UPDATE subscription SET quantity = :n WHERE id = :id"), {"n": quantity, "id": sub})


def cheaper(house: House, plan: str, amount: int, *, on: date | None = None) -> None:
    """A version from a day on; from this instant on unless told."""
    if on is not None:
        add_price(house.database, plan, {"amount": amount}, on=on, zone_name=SEOUL, by=BY)
        return
    house.advance(minutes=1)  # no two versions begin at one instant
    with house.database.transaction() as tx:
        plan_id = tx.connection.execute(text("SELECT id FROM plan WHERE code = :code"), {"code": plan}).scalar_one()
        row = {"id": new_id(tx.real), "plan_id": plan_id, "amount": amount, "effective_from": tx.now}
        insert_rows(tx, PlanPrice, [row])


def amounts(house: House, sub: UUID) -> list[int]:
    rows = house.rows("SELECT amount FROM invoice WHERE subscription_id = :id ORDER BY ordinal", id=sub)
    return [row.amount for row in rows]


def broken(house: House) -> list[object]:
    return list(check_invariants(house.ports, gateways=[house.ports], progress=lambda _: None))


def test_what_is_opened_charged_and_paid_equals_a_naive_reckoning_to_the_won(house: House) -> None:
    chance = random.Random(2026)
    naive: dict[UUID, tuple[int, int, int | None, int]] = {}
    for number in range(40):
        plan = f"p{number}"
        unit = chance.choice([100, 999, 9_900, 16_667, 50_000, 123_457])
        free = chance.choice([0, 0, unit, unit // 3])
        vat, quota = chance.choice(["gateway", "included"]), chance.choice([0, 2, 3, 12])
        house.plan(plan, amount=unit)
        reprice(house, plan, tax_free=free, vat=vat, card_quota=quota)
        sub = house.subscription(plan=plan)
        count = chance.choice([1, 1, 2, 3, 7])
        seats(house, sub, count)
        won = sum(unit for _ in range(count))
        taxed = won - sum(free for _ in range(count))
        tax = None if vat == "gateway" else min(range(taxed // 11, taxed // 11 + 2), key=lambda v: abs(11 * v - taxed))
        naive[sub] = (won, won - taxed, tax, quota if won >= 50_000 else 0)

    house.tick()
    house.charge()

    opened = house.rows("SELECT subscription_id, amount, tax_free, vat_amount, card_quota FROM invoice")
    assert {row.subscription_id: tuple(row)[1:] for row in opened} == naive
    lines = house.rows(
        "SELECT i.subscription_id, l.kind, l.description, l.quantity, l.unit_amount, l.amount, l.tax_free,"
        " l.vat_amount, p.name, s.quantity AS seats FROM invoice_line l JOIN invoice i ON i.id = l.invoice_id"
        " JOIN subscription s ON s.id = i.subscription_id JOIN plan p ON p.id = s.plan_id"
    )
    assert len(lines) == 40
    for line in lines:
        assert (line.amount, line.tax_free, line.vat_amount) == naive[line.subscription_id][:3]
        assert (line.kind, line.description, line.quantity) == ("base", line.name, line.seats)
    asked = {each.merchant_uid: each for each in house.gateway.asked}
    for sub, told in naive.items():
        sent = asked[house.uid(sub, 0)]
        assert (sent.amount, sent.tax_free, sent.vat_amount, sent.card_quota) == told
    paid = house.rows(
        "SELECT i.subscription_id, p.amount, p.tax_free, p.vat_amount FROM payment p JOIN invoice i ON"
        " i.id = p.invoice_id"
    )
    assert {row.subscription_id: tuple(row)[1:] for row in paid} == {sub: told[:3] for sub, told in naive.items()}
    assert broken(house) == []


def test_a_charge_that_is_sent_again_has_the_same_tax_parts_and_instalments(house: House) -> None:
    house.plan("taxed", amount=60_000)
    reprice(house, "taxed", tax_free=5_000, vat="included", card_quota=3)
    sub = house.subscription(plan="taxed")
    house.gateway.script(house.uid(sub, 0), Fate.NOT_SENT, Fate.LOSE_REQUEST)
    house.tick()
    house.settle()

    asked = {(each.merchant_uid, each.tax_free, each.vat_amount, each.card_quota) for each in house.gateway.asked}
    assert asked == {(house.uid(sub, 0), 5_000, 5_000, 3)}
    assert house.states("invoice") == {"paid": 1}


def test_a_quantity_beyond_what_can_be_charged_is_set_aside_and_charges_nothing(house: House) -> None:
    good, bad = house.subscription(), house.subscription()
    seats(house, bad, 2_000_000)

    house.tick()
    house.charge()

    assert amounts(house, good) == [9_900]
    assert amounts(house, bad) == []
    assert "cannot be charged" in house.value("SELECT set_aside_reason FROM subscription WHERE id = :id", id=bad)


def test_a_days_envelope_expects_the_whole_amount_of_every_seat(house: House) -> None:
    exact = EnvelopeTerms(factor=1.0, floor=Volume())
    house.limit(brakes=replace(NO_BRAKES, breaker=BreakerTerms(), envelope=exact))
    seats(house, house.subscription(), 5)
    house.subscription()

    house.tick()
    house.charge()

    assert house.value("SELECT expected_won FROM charge_envelope ORDER BY day LIMIT 1") == 6 * 9_900
    assert house.states("invoice") == {"paid": 2}
    assert house.value("SELECT halted_at FROM channel_state") is None


def test_a_subscription_keeps_its_price_until_it_is_moved_and_pays_the_new_one_from_then_on(house: House) -> None:
    """Field: a change of plan that kept the old price, and one that changed what was owed already."""
    stays, goes = (house.subscription(started_on=date(2026, 1, 31)) for _ in range(2))
    house.tick()
    cheaper(house, "basic", 8_900)
    house.advance(days=30)
    house.tick()

    move_named(house.database, [goes], to_version=2, by=BY)
    house.tick()
    house.advance(days=31)
    house.tick()

    assert amounts(house, stays) == [9_900, 9_900, 9_900]
    assert amounts(house, goes) == [9_900, 9_900, 8_900]
    assert house.value("SELECT sum(amount) FROM invoice_line") == sum(amounts(house, stays) + amounts(house, goes))
    (entry,) = house.rows("SELECT actor, action, reason, details FROM audit_entry WHERE subject_id = :id", id=goes)
    assert (entry.actor, entry.action, entry.reason) == ("mina", "subscription.price_moved", "a cheaper spring")
    assert (entry.details["from_won"], entry.details["to_won"], entry.details["ordinal"]) == (9_900, 8_900, 2)


def test_a_preview_of_a_move_is_what_then_happens(house: House) -> None:
    chance = random.Random(7)
    subs = [house.subscription(started_on=date(2026, 1, 1 + number % 28)) for number in range(30)]
    for sub in subs:
        seats(house, sub, chance.randint(1, 9))
    house.tick()
    cancel(house.ports, subs[3], by=BY)
    cheaper(house, "basic", 7_700, on=date(2026, 2, 15))

    preview = move_version(house.database, "basic", from_version=1, to_version=2, by=BY, dry_run=True)
    untouched = house.value(f"{PAYING} WHERE p.amount = 7700")
    moved = move_version(house.database, "basic", from_version=1, to_version=2, by=BY)

    assert untouched == 0
    assert preview == moved
    assert moved.moved == 29
    assert 5 < moved.planned < 24
    assert moved.asks_consent == 0
    assert _owed_next(house, moved) == (moved.old_won, moved.new_won)
    early = house.value(
        f"{PAYING} WHERE p.amount = 9900 AND s.state <> 'ended' AND s.next_billing_at < '2026-02-15 00:00+09'"
    )
    assert early == moved.planned

    house.advance(days=60)
    house.tick()
    for one in moved.told:
        fresh = amounts(house, one.subscription_id)
        assert fresh == [one.old_won] * one.ordinal + [one.new_won] * (len(fresh) - one.ordinal)
        assert len(fresh) > one.ordinal
        first = house.value(
            "SELECT period_start FROM invoice WHERE subscription_id = :id AND ordinal = :ordinal",
            id=one.subscription_id,
            ordinal=one.ordinal,
        )
        assert first == one.period_start
    assert move_version(house.database, "basic", from_version=1, to_version=2, by=BY).moved == 0


def _owed_next(house: House, moved: Moved) -> tuple[int, int]:
    """By the rows themselves."""
    row = house.rows(
        "SELECT sum(quantity) * 9900 AS old, sum(quantity) * 7700 AS new FROM subscription WHERE id = ANY(:ids)",
        ids=[one.subscription_id for one in moved.told],
    )[0]
    return int(row.old), int(row.new)


def test_a_rise_moves_nobody_by_itself_and_what_costs_no_more_is_moved_at_once(house: House) -> None:
    first, second = house.subscription(), house.subscription()
    house.tick()
    cheaper(house, "basic", 8_900)
    cheaper(house, "basic", 9_900)
    cheaper(house, "basic", 9_901)
    move_named(house.database, [first], to_version=2, by=BY)

    risen = move_version(house.database, "basic", from_version=1, to_version=4, by=BY)
    assert (risen.moved, risen.planned, risen.asks_consent) == (1, 1, 1)
    both = move_named(house.database, [second, first], to_version=3, by=BY)
    assert (both.moved, both.planned, both.asks_consent) == (2, 1, 1)  # to the second as much as before

    versions = [(v.version, v.subscriptions, v.is_in_force) for v in list_rows(house)]
    assert versions == [(1, 0, False), (2, 1, False), (3, 1, False), (4, 0, True)]
    house.advance(days=70)
    house.tick()
    assert set(amounts(house, first)[1:]) == {8_900}
    assert set(amounts(house, second)) == {9_900}


def list_rows(house: House) -> list[Version]:
    with house.database.reading() as tx:
        return list(list_prices(tx, "basic"))


def test_named_subscriptions_are_moved_all_or_none(house: House) -> None:
    house.plan("other")
    good, other, ended = house.subscription(), house.subscription(plan="other"), house.subscription()
    house.tick()
    cancel(house.ports, ended, by=BY)
    cheaper(house, "basic", 8_900, on=date(2026, 2, 1))

    for ids, told in (
        ([good, other], "they are of 2 plans"),
        ([good, ended], "has ended"),
    ):
        with pytest.raises((BadInput, Conflict), match=told):
            move_named(house.database, ids, to_version=2, by=BY)
    with pytest.raises(NotFound, match="there is no subscription"):
        move_named(house.database, [good, new_id(house.now)], to_version=2, by=BY)
    with pytest.raises(NotFound, match="has no version 9"):
        move_named(house.database, [good], to_version=9, by=BY)

    again = move_named(house.database, [good], to_version=None, by=BY)  # in force is still the first
    assert (again.moved, again.standing) == (0, 1)
    assert move_named(house.database, [good], to_version=2, by=BY).moved == 1
    assert house.value("SELECT count(*) FROM audit_entry WHERE action = 'subscription.price_moved'") == 1


def test_a_version_is_for_those_who_come_from_its_day_on_and_is_taken_back_only_before_it(house: House) -> None:
    house.subscription()
    house.tick()
    cheaper(house, "basic", 12_900, on=date(2026, 3, 1))

    for on, told in (
        (date(2026, 1, 30), "is past"),
        (date(2026, 3, 1), "must be from a later day on"),
        (date(2026, 2, 1), "must be from a later day on"),
        (date(2040, 1, 1), "more than 10 years ahead"),
    ):
        with pytest.raises(BadInput, match=told):
            add_price(house.database, "basic", {"amount": 9_000}, on=on, zone_name=SEOUL, by=BY)
    with pytest.raises(Conflict, match="take back version 2 first"):
        remove_price(house.database, "basic", 1, by=BY)
    assert remove_price(house.database, "basic", 2, by=BY, dry_run=True).version == 2
    assert len(list_rows(house)) == 2

    remove_price(house.database, "basic", 2, by=BY)
    cheaper(house, "basic", 8_900, on=date(2026, 3, 1))
    house.advance(days=40)

    with pytest.raises(Conflict, match="is in force since"):
        remove_price(house.database, "basic", 2, by=BY)
    assert [v.price.amount for v in list_rows(house)] == [9_900, 8_900]
    actions = house.rows("SELECT action FROM audit_entry ORDER BY id")
    assert [row.action for row in actions] == ["plan.price_added", "plan.price_removed", "plan.price_added"]


def test_a_new_version_keeps_who_reckons_the_tax_and_asks_what_of_it_is_free(house: House) -> None:
    house.plan("basic")
    reprice(house, "basic", tax_free=900, vat="included", card_quota=6)

    with pytest.raises(BadInput, match="900 won of its price are tax-free; say --tax-free"):
        add_price(house.database, "basic", {"amount": 8_900}, on=date(2026, 3, 1), zone_name=SEOUL, by=BY)
    asked: dict[str, object] = {"amount": 8_900, "tax_free": 0}
    made = add_price(house.database, "basic", asked, on=date(2026, 3, 1), zone_name=SEOUL, by=BY)

    assert (made.version, made.price.vat, made.price.card_quota, made.price.tax_free) == (2, "included", 6, 0)
    with pytest.raises(NotFound, match="there is no plan 'none'"):
        add_price(house.database, "none", asked, on=date(2026, 3, 1), zone_name=SEOUL, by=BY)


@pytest.mark.parametrize("elsewhere", [0, 7_001])
def test_refunds_of_a_taxed_payment_never_give_more_of_a_part_than_was_paid(house: House, elsewhere: int) -> None:
    house.plan("taxed", amount=33_000)
    reprice(house, "taxed", tax_free=11_000, vat="included")
    house.subscription(plan="taxed")
    house.tick()
    house.charge()
    (payment,) = house.rows("SELECT id, imp_uid, amount, tax_free, vat_amount FROM payment")
    assert (payment.amount, payment.tax_free, payment.vat_amount) == (33_000, 11_000, 2_000)
    part = Wanted(amount=11_000, tax_free=1_000, vat_amount=900)
    request_refund(house.database, payment.id, part, by=BY)
    settle_refunds(house)
    if elsewhere:
        house.gateway.cancels.elsewhere(payment.imp_uid, elsewhere)
        with house.database.transaction() as tx:
            tx.connection.execute(text("UPDATE payment SET cancelled_amount = cancelled_amount + :n"), {"n": elsewhere})
            tx.connection.execute(
                text(
                    "INSERT INTO payment_cancellation (payment_id, entry, amount, recorded_at)"
                    " SELECT id, 'told elsewhere', :n, now() FROM payment"
                ),
                {"n": elsewhere},
            )

    rest = request_refund(house.database, payment.id, Wanted(amount=22_000 - elsewhere, is_full=True), by=BY)

    assert rest.vat_amount is not None
    if not elsewhere:
        assert (rest.tax_free, rest.vat_amount) == (10_000, 1_100)
    assert rest.tax_free <= 10_000
    assert rest.vat_amount <= 1_100
    assert rest.tax_free + rest.vat_amount <= rest.amount


def test_a_taxed_payment_that_came_after_its_decline_is_proposed_back_with_its_parts(house: House) -> None:
    house.plan("taxed", amount=33_000)
    reprice(house, "taxed", tax_free=11_000, vat="included")
    sub = house.subscription(plan="taxed")
    house.gateway.script(house.uid(sub, 0), Fate.DECLINE)
    house.tick()
    house.charge()
    (charge,) = house.gateway.asked
    house.gateway.records.clear()
    house.gateway.record_payment(charge)
    house.advance(days=1, hours=1)
    house.settle()

    (refund,) = house.rows("SELECT amount, tax_free, vat_amount, state FROM refund")
    assert tuple(refund) == (33_000, 11_000, 2_000, "proposed")
