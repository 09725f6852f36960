"""Does the check find what it is for, and nothing where nothing is wrong?"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from billing import change_subscription
from billing.change_subscription import By
from billing.check_invariants import Broken, check_invariants
from billing.hold_charges import place_hold
from domain.decline import codes_of
from domain.dunning import NO_STRIKE
from domain.hold import HoldKind
from models.queries import invariants
from tests.fakes.gateway import Fate
from tests.support.beside_rows import BROKEN_BESIDE, ITEM_OF_AN_ENDED_SUBSCRIPTION
from tests.support.proration_rows import BROKEN_PRORATION
from tests.support.usage_rows import BROKEN_USAGE

if TYPE_CHECKING:
    from tests.support.house import House

BY = By(actor="tester", reason="a test")


@pytest.fixture
def house(house: House) -> House:
    """Three subscriptions: two paid their first period, one was declined."""
    subs = [house.subscription(started_on=date(2026, 1, 31)) for _ in range(3)]
    house.gateway.script(house.uid(subs[2], 0), Fate.DECLINE)
    house.tick()
    house.charge()
    return house


def broken(house: House, *, gateway: bool = False) -> set[str]:
    return {
        each.invariant
        for each in check_invariants(house.ports, gateways=[house.ports] if gateway else [], progress=lambda _: None)
    }


def attention(house: House, *, gateway: bool = False) -> set[str]:
    told: list[Broken] = []
    check_invariants(
        house.ports, gateways=[house.ports] if gateway else [], progress=lambda _: None, attention=told.append
    )
    return {each.invariant for each in told}


def paid(house: House) -> int:
    """Where the gateway keeps its first payment."""
    return next(index for index, record in enumerate(house.gateway.records) if record.status == "paid")


def tamper(house: House, *statements: str) -> None:
    with house.database.transaction() as tx:
        for statement in statements:
            tx.connection.execute(text(statement))


def test_nothing_is_found_where_nothing_is_wrong(house: House) -> None:
    assert house.states("invoice") == {"paid": 2, "past_due": 1}

    assert broken(house, gateway=True) == set()
    assert attention(house, gateway=True) == set()


def test_nothing_is_found_after_lost_answers_pauses_and_cancels(house: House) -> None:
    lost, paused, ended = (house.subscription(started_on=date(2026, 1, 31)) for _ in range(3))
    house.gateway.script(house.uid(lost, 0), Fate.LOSE_ANSWER)
    house.tick()
    house.charge()
    assert broken(house, gateway=True) == set()
    house.settle()
    change_subscription.pause(house.ports, paused, by=BY)
    change_subscription.cancel(house.ports, ended, by=BY)
    house.advance(days=70)
    change_subscription.resume(house.ports, paused, by=BY)
    house.settle()

    assert broken(house, gateway=True) == set()


_PAID = "(SELECT id FROM invoice WHERE state = 'paid' ORDER BY id LIMIT 1)"
_PAST_DUE = "(SELECT id FROM invoice WHERE state = 'past_due')"
_REFUND = (
    "INSERT INTO refund (id, payment_id, channel, amount, tax_free, reason, requested_by, requested_at, mark, state,"
    " send_no, fence, absent_count, next_at, checksum, token_digest, sent_at, first_sent_at, send_before, lease_until)"
    " SELECT gen_random_uuid(), id, 'default', {amount}, 0, 'a test', 'tester', now(), gen_random_uuid(), '{state}', 1,"
    " 1, 0, {next_at}, {amount}, 'digest', now(), now(), now(), now() FROM payment ORDER BY id LIMIT 1"
)
_SOME = "(SELECT id FROM subscription ORDER BY id LIMIT 1)"
_PAYER = f"(SELECT subscription_id FROM invoice WHERE id = {_PAID})"
_KEY = f"(SELECT billing_key_id FROM subscription WHERE id = {_PAYER})"
_ADOPTION = (
    "INSERT INTO adoption (subscription_id, channel, billing_key_id, state, actor, began_at)"
    f" SELECT id, 'default', billing_key_id, '{{state}}', 'tester', '2026-01-01' FROM subscription WHERE id = {_PAYER}"
)
_ADOPTED = f"INSERT INTO adopted_schedule VALUES ({_PAYER}, 0, 'default', 'old', now(), 9900, '{{became}}')"


_CHANGE = (
    "INSERT INTO price_change (id, subscription_id, kind, to_price_id, old_won, new_won, from_ordinal, effective_at,"
    " otherwise, state, planned_by, planned_at, decided_at, decided_for) SELECT gen_random_uuid(), s.id, 'conversion',"
    " s.plan_price_id, 0, 9900, 0, '2026-01-01', 'stay', 'made', 'kim', '2026-01-01', '2026-01-01', '2026-01-01'"
    " FROM subscription s WHERE s.id = " + _SOME
)
CASES: list[tuple[str, tuple[str, ...]]] = [
    *BROKEN_BESIDE,
    *BROKEN_PRORATION,
    *BROKEN_USAGE,
    ("paid_invoice_has_its_payment", (f"UPDATE payment SET counts = false WHERE invoice_id = {_PAID}",)),
    ("paid_amount_is_the_invoices", (f"UPDATE payment SET amount = amount + 1 WHERE invoice_id = {_PAID}",)),
    ("invoice_is_the_sum_of_its_lines", (f"UPDATE invoice SET amount = amount + 1 WHERE id = {_PAST_DUE}",)),
    ("payment_has_its_invoices_tax_parts", (f"UPDATE payment SET tax_free = 1 WHERE invoice_id = {_PAID}",)),
    (
        "payment_belongs_to_an_approved_attempt",
        (f"UPDATE charge_attempt SET state = 'declined', decline_code = 'issuer_failure' WHERE invoice_id = {_PAID}",),
    ),
    ("approved_attempt_has_a_payment", (f"DELETE FROM payment WHERE invoice_id = {_PAID}",)),
    (
        "due_period_is_opened",
        (f"UPDATE subscription SET next_billing_at = '2025-12-31', created_at = '2025-12-01' WHERE id = {_SOME}",),
    ),
    ("every_period_has_an_invoice_or_a_skip", (f"UPDATE subscription SET ordinal = 1 WHERE id = {_SOME}",)),
    (
        "no_period_is_both_skipped_and_owed",
        (f"INSERT INTO skipped_period VALUES ({_SOME}, 0, 0, 'catch_up')",),
    ),
    (
        "outage_is_skipped_where_the_plan_says_so",
        (f"INSERT INTO skipped_period VALUES ({_SOME}, 1, 1, 'outage')",),
    ),
    (
        "no_new_number_before_a_definite_decline",
        (
            f"UPDATE charge_attempt SET state = 'unknown', next_look_up_at = now() WHERE invoice_id = {_PAST_DUE}",
            (
                "INSERT INTO charge_attempt (id, invoice_id, attempt_no, merchant_uid, amount, trigger, state, send_no,"
                " fence, absent_count, first_sent_at, started_at, decline_code)"
                " SELECT gen_random_uuid(), invoice_id, 2,"
                " 'another', amount, trigger, 'declined', 0, 1, 0, now(), now(), 'issuer_failure' FROM charge_attempt"
                f" WHERE invoice_id = {_PAST_DUE}"
            ),
        ),
    ),
    (
        "attempts_are_numbered_without_gaps",
        (f"UPDATE charge_attempt SET attempt_no = 3 WHERE invoice_id = {_PAST_DUE}",),
    ),
    (
        "no_open_attempt_on_what_is_settled",
        (
            f"UPDATE charge_attempt SET state = 'unknown', next_look_up_at = now() WHERE invoice_id = {_PAST_DUE}",
            "UPDATE invoice SET state = 'void', next_attempt_at = NULL WHERE state = 'past_due'",
        ),
    ),
    (
        "nothing_is_sent_after_the_end",
        (
            (
                "INSERT INTO outbox_event (occurred_at, recorded_at, kind, subscription_id, data)"
                f" SELECT '2026-01-01', '2026-01-01', 'subscription.cancel', {_SOME}, '{{}}'"
            ),
        ),
    ),
    (
        "nothing_is_sent_during_a_pause",
        (
            (
                "INSERT INTO outbox_event (occurred_at, recorded_at, kind, subscription_id, data)"
                f" SELECT '2026-01-01', '2026-01-01', 'subscription.pause', {_SOME}, '{{}}'"
            ),
        ),
    ),
    (
        "nothing_is_sent_past_a_stop",
        (
            (
                "INSERT INTO outbox_event (occurred_at, kind, subscription_id, data)"
                f" SELECT '2027-01-01', 'subscription.cancel', {_SOME}, '{{\"planned_at\": \"2026-01-01\"}}'"
            ),
        ),
    ),
    (
        "nothing_is_sent_during_a_hold",
        (
            (
                "INSERT INTO hold (id, customer_id, kind, reason, placed_by, placed_at, placed_real_at, state) SELECT"
                " gen_random_uuid(), customer_id, 'other', '', 'kim', '2026-01-01', '2026-01-01', 'standing'"
                f" FROM subscription WHERE id = {_PAYER}"
            ),
        ),
    ),
    (
        "what_has_come_is_made",
        (
            (
                "UPDATE subscription SET stops_at = '2026-01-01', stops_as = 'cancel', stops_by = 'kim',"
                f" stops_before = ordinal + 1, created_at = '2025-12-01' WHERE id = {_SOME}"
            ),
        ),
    ),
    ("no_rise_without_consent", (_CHANGE,)),
    (
        "nothing_is_opened_before_its_price_is_decided",
        (f"UPDATE subscription SET changes_from = 0, changes_at = '2027-01-01' WHERE id = {_PAYER}",),
    ),
    (
        "a_trial_owes_nothing",
        (f"UPDATE subscription SET trial_until = started_on + 1 WHERE id = {_PAYER}",),
    ),
    (
        "what_is_to_be_decided_is_known",
        (f"UPDATE subscription SET changes_from = ordinal + 1, changes_at = '2027-01-01' WHERE id = {_SOME}",),
    ),
    ("nothing_is_sent_to_a_revoked_card", ("UPDATE billing_key SET revoked_at = '2026-01-01'",)),
    (
        "unknown_is_never_forgotten",
        (
            "ALTER TABLE charge_attempt DROP CONSTRAINT ck_charge_attempt_unknown_is_never_forgotten",
            f"UPDATE charge_attempt SET state = 'unknown' WHERE invoice_id = {_PAST_DUE}",
        ),
    ),
    (
        "in_flight_is_asked_about_in_time",
        (
            (
                "UPDATE charge_attempt SET state = 'in_flight', next_look_up_at = '2026-01-01'"
                f" WHERE invoice_id = {_PAST_DUE}"
            ),
        ),
    ),
    ("every_send_is_its_attempts", (f"UPDATE charge_attempt SET send_no = 2 WHERE invoice_id = {_PAST_DUE}",)),
    ("attempt_asks_for_what_is_owed", (f"UPDATE invoice SET amount = amount + 1 WHERE id = {_PAST_DUE}",)),
    (
        "card_is_the_customers",
        ("UPDATE billing_key SET customer_id = (SELECT id FROM customer ORDER BY id LIMIT 1)",),
    ),
    ("past_due_means_a_debt", ("UPDATE subscription SET state = 'active' WHERE state = 'past_due'",)),
    (
        "open_invoice_is_on_its_way",
        ("UPDATE invoice SET state = 'open', next_attempt_at = NULL WHERE state = 'past_due'",),
    ),
    (
        "no_more_goes_back_than_was_paid",
        (
            "ALTER TABLE refund DISABLE TRIGGER refund_within_payment",
            _REFUND.format(state="requested", amount="1 + amount", next_at="now()"),
        ),
    ),
    ("cancelled_amount_is_the_sum_of_cancels", ("UPDATE payment SET cancelled_amount = 1",)),
    ("refund_that_succeeded_is_booked", (_REFUND.format(state="succeeded", amount="1", next_at="NULL"),)),
    (
        "refund_is_asked_about_in_time",
        (_REFUND.format(state="unknown", amount="1", next_at="timestamptz '2026-01-01'"),),
    ),
    (
        "next_billing_is_the_next_period",
        ("UPDATE subscription SET next_billing_at = next_billing_at + interval '1 day'",),
    ),
    (
        "term_ends_with_its_last_period",
        (f"UPDATE subscription SET periods = 5, term_ends_at = '2026-07-01' WHERE id = {_SOME}",),
    ),
    (
        "invoice_has_its_periods_dates",
        (f"UPDATE invoice SET period_end = period_end + interval '1 day' WHERE id = {_PAID}",),
    ),
    (
        "card_is_blocked_by_what_asks",
        (f"UPDATE billing_key SET foreign_schedule_since = now() WHERE id = {_KEY}",),
    ),
    ("adopted_period_is_paid_once", (_ADOPTION.format(state="done"), _ADOPTED.format(became="paid"))),
    ("ended_adoption_is_proven", (_ADOPTION.format(state="done"), _ADOPTED.format(became="open"))),
    (
        "merchant_uid_is_made_again",
        (f"UPDATE charge_attempt SET merchant_uid = 'another' WHERE invoice_id = {_PAST_DUE}",),
    ),
]


@pytest.mark.parametrize(("invariant", "statements"), CASES)
def test_what_must_not_be_is_found(house: House, invariant: str, statements: tuple[str, ...]) -> None:
    tamper(house, *statements)

    assert invariant in broken(house)


def test_every_invariant_of_the_books_has_its_case() -> None:
    cases = {name for name, _ in CASES}

    assert set(invariants.BROKEN) <= cases


def test_what_was_set_aside_and_surplus_money_need_a_person_and_break_nothing(house: House) -> None:
    held, gone = (house.subscription(started_on=date(2026, 1, 31)) for _ in range(2))
    change_subscription.cancel(house.ports, gone, by=BY)
    house.plan("by-use", usage="nobodys")
    house.subscription(plan="by-use", started_on=date(2025, 12, 31), catch_up_below=1)
    house.tick()
    place_hold(house.ports, subscription_id=held, kind=HoldKind.DISPUTE, until=None, by=BY)
    house.advance(hours=1)
    tamper(
        house,
        ITEM_OF_AN_ENDED_SUBSCRIPTION,
        "UPDATE invoice SET set_aside_reason = 'broken' WHERE state = 'past_due'",
        f"UPDATE subscription SET set_aside_reason = 'broken' WHERE id = {_SOME}",
        "INSERT INTO payment (id, invoice_id, attempt_id, channel, imp_uid, amount, cancelled_amount, counts,"
        " recorded_at) SELECT gen_random_uuid(), invoice_id, attempt_id, channel, 'imp_again', amount, 0, false,"
        " recorded_at FROM payment LIMIT 1",
        "UPDATE channel_state SET halted_at = now(), halt_reason = 'a test'",
        f"UPDATE charge_attempt SET operator_since = now(), operator_reason = 'a test' WHERE invoice_id = {_PAST_DUE}",
        f"UPDATE charge_attempt SET decline_code = '{codes_of(*NO_STRIKE)[0]}' WHERE invoice_id = {_PAST_DUE}",
        "UPDATE invoice SET next_attempt_at = NULL WHERE state = 'past_due'",
        _REFUND.format(state="proposed", amount="1", next_at="NULL"),
        _REFUND.format(state="requested", amount="1", next_at="'2026-01-01'"),
        "INSERT INTO foreign_payment (id, channel, imp_uid, merchant_uid, amount, cancelled_amount, status, is_money,"
        " is_sandbox, first_seen_at, last_seen_at)"
        " VALUES (gen_random_uuid(), 'default', 'imp_old', 'old', 1, 0, 'paid', true, false, now(), now())",
        "INSERT INTO foreign_schedule (id, channel, merchant_uid, billing_key_id, schedule_at, amount, state,"
        " payment_status, first_seen_at, last_seen_at) SELECT gen_random_uuid(), 'default', 'old', k.id, now(), 1,"
        f" 'scheduled', '', now(), now() FROM billing_key k WHERE k.id <> {_KEY} LIMIT 1",
        _ADOPTION.format(state="created"),
        "UPDATE billing_key k SET foreign_schedule_since = now() WHERE id IN (SELECT billing_key_id FROM adoption"
        " UNION SELECT billing_key_id FROM foreign_schedule)",
    )

    assert broken(house) == set()
    assert attention(house) == set(invariants.ATTENTION)


def test_money_there_that_is_not_here_is_found(house: House) -> None:
    tamper(house, f"DELETE FROM payment WHERE invoice_id = {_PAID}")

    assert "paid_there_is_paid_here" in broken(house, gateway=True)


def test_money_here_that_is_not_there_is_found(house: House) -> None:
    house.gateway.records.pop(paid(house))
    house.advance(seconds=1)

    assert broken(house, gateway=True) == {"paid_here_is_paid_there"}


def test_another_amount_there_is_found(house: House) -> None:
    house.gateway.records[paid(house)] = replace(house.gateway.records[paid(house)], amount=1)

    assert "same_amount_here_and_there" in broken(house, gateway=True)


def test_another_card_there_is_found(house: House) -> None:
    house.gateway.records[paid(house)] = replace(house.gateway.records[paid(house)], customer_uid="somebody")

    assert broken(house, gateway=True) == {"paid_there_with_our_card"}


def test_a_payment_under_a_name_of_ours_without_an_attempt_is_found(house: House) -> None:
    first = house.gateway.records[paid(house)]
    house.gateway.records.append(replace(first, imp_uid="imp_more", merchant_uid=first.merchant_uid[:-1] + "7"))

    assert broken(house, gateway=True) == {"no_call_without_its_attempt"}


def test_two_payments_of_one_period_are_found(house: House) -> None:
    first = house.gateway.records[paid(house)]
    house.gateway.records.append(replace(first, imp_uid="imp_more"))

    assert broken(house, gateway=True) == {"paid_there_is_paid_here", "one_payment_a_period"}


def test_a_cancellation_made_elsewhere_needs_a_person(house: House) -> None:
    first = house.gateway.records[paid(house)]
    house.gateway.records[paid(house)] = replace(first, status="cancelled", cancel_amount=first.amount)

    assert broken(house, gateway=True) == set()
    assert attention(house, gateway=True) == {"cancelled_elsewhere"}


def test_payments_of_other_programs_on_the_same_account_are_none_of_ours(house: House) -> None:
    first = house.gateway.records[paid(house)]
    house.gateway.records.append(replace(first, imp_uid="imp_shop", merchant_uid="order-4711"))

    assert broken(house, gateway=True) == set()
