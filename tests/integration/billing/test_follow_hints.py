"""Hooks come late, doubled, reordered, forged, or before the answer: they choose when we look, and nothing else."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from billing import change_subscription
from billing import charge_due as charging
from billing.change_subscription import By
from billing.claim_due import claim_due
from billing.follow_hints import follow_hints
from billing.receive_hint import receive_hint
from billing.record_outcome import record_outcomes
from billing.refund_due import refund_due
from billing.token_in_hand import token_in_hand
from domain.evidence import Source
from domain.hint import HintStatus, read_hint
from tests.fakes.cancels import CancelFate
from tests.fakes.gateway import Fate
from tests.support.hooks import FORGED, charged, follow, follow_to_the_end, hook, outcomes, true_hook
from tests.support.mortal import Died, Life, mortal
from tests.support.refunds import ask, pay, refund, settle_refunds, unlike

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from tests.support.house import House

pytestmark = pytest.mark.at_both_gateways


def _books(house: House) -> Sequence[object]:
    """Everything that a hook could have changed."""
    tables = ("subscription", "invoice", "charge_attempt", "send", "payment", "evidence", "outbox_event")
    return [tuple(row) for table in tables for row in house.rows(f"SELECT * FROM {table} ORDER BY 1, 2")]


def test_a_payment_whose_answer_was_lost_is_found_by_its_hook_before_any_look_is_due(house: House) -> None:
    uid = charged(house, Fate.LOSE_ANSWER)
    true_hook(house, house.gateway.paid_records(uid)[0])

    assert follow(house) == {"news": 1}

    assert house.states("invoice") == {"paid": 1}
    assert house.gateway.look_ups == [Source.FIND_ALL]
    assert house.resolve() == {}


def test_the_hook_of_an_answered_charge_costs_no_look_up(house: House) -> None:
    uid = charged(house, Fate.APPROVE)
    true_hook(house, house.gateway.paid_records(uid)[0])

    assert follow(house) == {"nothing_new": 1}
    assert house.gateway.look_ups == []


def test_a_hook_before_the_answer_waits_for_it_then_looks_and_the_sender_goes_on_undisturbed(house: House) -> None:
    sub = house.subscription()
    house.tick()
    token = token_in_hand(house.ports)
    batch = claim_due(house.ports, token, at_most=10)
    assert batch is not None
    answers = [house.gateway.carry_out(charge, token) for charge in batch.charges]
    true_hook(house, house.gateway.paid_records(house.uid(sub, 0))[0])
    before = house.rows("SELECT fence, next_look_up_at FROM charge_attempt")

    assert follow(house) == {}
    assert house.rows("SELECT fence, next_look_up_at FROM charge_attempt") == before
    house.advance(seconds=21)
    assert follow(house) == {"news": 1}
    assert house.states("charge_attempt") == {"approved": 1}
    assert house.rows("SELECT fence FROM charge_attempt") == [(before[0].fence,)]

    counts = record_outcomes(house.ports, [charging._report(answer, token) for answer in answers]).counts
    assert counts == {"approved": 1}
    assert house.value("SELECT count(*) FROM payment") == 1
    assert house.states("invoice") == {"paid": 1}


def test_a_failed_hook_lets_the_resolver_look_now_and_under_its_own_fence(house: House) -> None:
    uid = charged(house, Fate.LOSE_DECLINE)
    record = house.gateway.records[0]
    later = house.value("SELECT next_look_up_at FROM charge_attempt")

    hook(house, uid, imp_uid=record.imp_uid, status="failed")
    evidence = house.value("SELECT count(*) FROM evidence")
    assert follow(house) == {"hastened": 1}

    assert house.states("charge_attempt") == {"unknown": 1}
    assert house.value("SELECT count(*) FROM evidence") == evidence
    assert house.value("SELECT next_look_up_at FROM charge_attempt") < later
    assert house.resolve() == {"declined": 1}


def test_a_decline_that_turned_paid_is_recorded_and_alarmed_pays_what_is_owed_and_gets_a_proposed_refund(
    house: House,
) -> None:
    uid = charged(house, Fate.DECLINE)
    house.advance(hours=5)
    late = house.gateway.record_payment(house.gateway.asked[0])
    true_hook(house, late)

    assert follow(house) == {"news": 1}

    assert house.states("invoice") == {"paid": 1}
    assert house.states("charge_attempt") == {"approved": 1}
    alarms = house.rows("SELECT kind FROM outbox_event WHERE is_incident")
    assert [row.kind for row in alarms] == ["attempt.approved_late"]
    proposed = house.rows("SELECT r.state, r.amount, p.imp_uid FROM refund r JOIN payment p ON p.id = r.payment_id")
    assert proposed == [("proposed", 9_900, late.imp_uid)]
    house.settle()
    assert house.paid_at_gateway() == {uid[:-3]: 1}


def test_a_decline_that_turned_paid_after_another_attempt_had_paid_is_surplus_with_a_proposed_refund(
    house: House,
) -> None:
    charged(house, Fate.DECLINE)
    house.advance(days=1)
    house.tick()
    house.charge()
    assert house.states("invoice") == {"paid": 1}
    late = house.gateway.record_payment(house.gateway.asked[0])
    true_hook(house, late)

    assert follow(house) == {"news": 1}
    assert true_hook(house, late) == 2
    house.advance(minutes=2)
    assert true_hook(house, late) == 3
    assert follow(house) == {"nothing_new": 1}

    assert house.rows("SELECT imp_uid FROM payment WHERE NOT counts") == [(late.imp_uid,)]
    kinds = [row.kind for row in house.rows("SELECT kind FROM outbox_event WHERE is_incident ORDER BY id")]
    assert kinds.count("attempt.approved_late") == 1
    assert kinds.count("payment.surplus") == 1
    refunds = house.rows("SELECT r.state, r.amount, p.imp_uid FROM refund r JOIN payment p ON p.id = r.payment_id")
    assert refunds == [("proposed", 9_900, late.imp_uid)]


def test_a_decline_that_turned_paid_after_its_subscription_was_cancelled_gets_a_proposed_refund(house: House) -> None:
    uid = charged(house, Fate.DECLINE)
    sub_id = house.value("SELECT id FROM subscription")
    change_subscription.cancel(house.ports, sub_id, by=By(actor="somebody", reason="the customer left"))
    house.advance(days=20)
    true_hook(house, house.gateway.record_payment(house.gateway.asked[0]))

    assert follow(house) == {"news": 1}

    assert house.states("charge_attempt") == {"approved": 1}
    assert house.states("invoice") == {"void": 1}
    assert house.states("refund") == {"proposed": 1}
    kinds = [row.kind for row in house.rows("SELECT kind FROM outbox_event WHERE is_incident ORDER BY id")]
    assert kinds == ["attempt.approved_late", "payment.surplus"]
    assert house.paid_at_gateway() == {uid[:-3]: 1}


def test_with_several_channels_the_one_that_the_attempt_was_sent_through_is_asked_whoever_says_otherwise(
    house: House,
) -> None:
    uid = charged(house, Fate.LOSE_ANSWER)
    second = replace(house.ports, channel=replace(house.ports.channel, name="second"))
    told = {"imp_uid": house.gateway.paid_records(uid)[0].imp_uid, "merchant_uid": uid, "status": "paid"}
    receive_hint(house.database, read_hint(told, channel="second"))
    receive_hint(house.database, read_hint({**told, "merchant_uid": "not-ours"}, channel="third"))

    assert follow_hints(second) == {"foreign": 1}
    assert house.gateway.look_ups == []
    assert follow(house) == {"news": 1}


@pytest.mark.parametrize("fate", [Fate.APPROVE, Fate.DECLINE, Fate.LOSE_REQUEST, Fate.NOT_SENT])
def test_a_forged_hook_changes_nothing(house: House, fate: Fate) -> None:
    uid = charged(house, fate)
    another = charged(house, Fate.APPROVE)
    paid_elsewhere = house.gateway.paid_records(another)[0].imp_uid
    before = _books(house)

    for status in HintStatus:
        for imp_uid in (FORGED, paid_elsewhere):
            hook(house, uid, imp_uid=imp_uid, status=status)
        hook(house, "j" + "a" * 39, status=status)
        hook(house, "order-of-another-program", status=status)
    follow_to_the_end(house)

    assert _books(house) == before
    assert None not in outcomes(house)
    assert "news" not in outcomes(house)


def test_hooks_at_every_moment_do_not_bring_a_proof_of_absence_forward(house: House) -> None:
    alone, hooked = house.subscription(), house.subscription()
    for sub in (alone, hooked):
        house.gateway.script(house.uid(sub, 0), Fate.LOSE_REQUEST)
    house.tick()
    house.charge()
    proven: dict[str, datetime] = {}
    while len(proven) < 2:
        house.advance(seconds=61)
        hook(house, house.uid(hooked, 0))
        follow(house)
        house.resolve()
        for row in house.rows("SELECT merchant_uid FROM charge_attempt WHERE state = 'not_executed'"):
            proven.setdefault(row.merchant_uid, house.now)

    assert proven[house.uid(alone, 0)] == proven[house.uid(hooked, 0)]
    looks = house.rows("SELECT count(*) AS n FROM evidence GROUP BY attempt_id")
    assert looks[0].n == looks[1].n
    house.settle()
    assert house.paid_at_gateway() == {house.uid(sub, 0)[:-3]: 1 for sub in (alone, hooked)}


def test_a_record_that_is_not_shown_yet_is_looked_for_again(house: House) -> None:
    uid = charged(house, Fate.LOSE_REQUEST)
    hook(house, uid, imp_uid="imps_000000000001")
    assert follow(house) == {"open": 1}
    assert follow(house) == {}

    assert house.gateway.record_payment(house.gateway.asked[0]).imp_uid == "imps_000000000001"
    house.advance(seconds=11)

    assert follow(house) == {"news": 1}
    assert house.states("invoice") == {"paid": 1}


def test_the_payment_that_a_hook_names_is_evidence_where_the_list_does_not_show_it_yet(house: House) -> None:
    uid = charged(house, Fate.LOSE_ANSWER)
    house.gateway.lag(uid, looks=100)
    true_hook(house, house.gateway.paid_records(uid)[0])

    assert follow(house) == {"news": 1}
    assert house.states("invoice") == {"paid": 1}
    assert [row.source for row in house.rows("SELECT source FROM evidence")] == ["payment"]


def test_a_process_that_dies_while_it_follows_a_hook_leaves_it_to_the_next_one(house: House) -> None:
    for dies_at in itertools.count(1):
        uid = charged(house, Fate.LOSE_ANSWER)
        true_hook(house, house.gateway.paid_records(uid)[0])
        ports = mortal(house, Life(dies_at=dies_at))
        try:
            follow_hints(ports)
            has_lived = True
        except Died:
            has_lived = False
        finally:
            ports.database.close()
        house.advance(seconds=house.ports.limits.lease_seconds + 1)
        follow(house)

        assert house.states("invoice") == {"paid": dies_at}
        assert house.value("SELECT count(*) FROM payment") == dies_at
        assert house.value("SELECT count(*) FROM outbox_event WHERE kind = 'invoice.paid'") == dies_at
        assert None not in outcomes(house)
        if has_lived:
            break
    assert dies_at > 8


def test_money_that_is_not_what_was_asked_for_is_told_once_and_not_credited(house: House) -> None:
    charged(house, Fate.DECLINE)
    odd = house.gateway.record_payment(house.gateway.asked[0], amount=100)
    for _ in range(2):
        true_hook(house, odd)
        assert follow(house) == {"odd": 1}
        house.advance(minutes=2)

    assert house.states("invoice") == {"past_due": 1}
    assert house.value("SELECT count(*) FROM payment") == 0
    assert house.value("SELECT count(*) FROM outbox_event WHERE kind = 'payment.odd' AND is_incident") == 1


def test_a_payment_cancelled_at_the_gateway_is_booked_by_its_hook(house: House) -> None:
    uid = charged(house, Fate.APPROVE)
    paid = house.gateway.paid_records(uid)[0]
    house.gateway.cancels.elsewhere(paid.imp_uid, paid.amount)
    hook(house, uid, imp_uid=paid.imp_uid, status="cancelled")

    assert follow(house) == {"cancellation": 1}

    assert house.rows("SELECT amount, cancelled_amount FROM payment") == [(9_900, 9_900)]
    assert house.states("invoice") == {"paid": 1}


def test_the_hook_of_our_own_refund_whose_answer_was_lost_books_it_as_ours_and_once(house: House) -> None:
    (imp_uid, payment_id) = next(iter(pay(house).items()))
    house.gateway.cancels.script(imp_uid, CancelFate.LOSE_ANSWER)
    refund_id = ask(house, payment_id, 4_000)
    refund_due(house.ports)
    assert refund(house, refund_id).state == "unknown"
    uid = house.gateway.asked[0].merchant_uid
    hook(house, uid, imp_uid=imp_uid, status="cancelled")
    hook(house, uid, imp_uid=imp_uid, status="cancelled")

    assert follow(house) == {"cancellation": 1}

    assert refund(house, refund_id).state == "succeeded"
    assert house.rows("SELECT cancelled_amount FROM payment") == [(4_000,)]
    settle_refunds(house)
    assert unlike(house) == []
    assert house.gateway.cancels.given_back(imp_uid) == 4_000
