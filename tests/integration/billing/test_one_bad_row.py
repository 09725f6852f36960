"""One row that cannot be done is set aside, visibly; the others of its batch are done, and done once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from billing.claim_due import claim_due
from billing.record_outcome import record_outcomes
from billing.report import Report
from billing.token_in_hand import token_in_hand
from domain.outcome import Approved
from models.session import DatabaseTrouble
from scheduler.pace import Bell
from tests.fakes.gateway import Fate
from tests.support.mortal import settle_fast

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from models.session import Transaction
    from tests.support.house import House

pytestmark = pytest.mark.at_both_gateways


def _write(house: House, statement: str, **parameters: object) -> None:
    with house.database.transaction() as tx:
        tx.connection.execute(text(statement), parameters)


def _incidents(house: House, kind: str) -> int:
    return int(house.value("SELECT count(*) FROM outbox_event WHERE is_incident AND kind = :kind", kind=kind))


def test_a_plan_with_a_garbled_schedule_stops_no_other_period(house: House) -> None:
    house.plan("bad")
    bad = house.subscription(plan="bad")
    good = [house.subscription() for _ in range(5)]
    _write(house, "UPDATE plan SET every = 'now and then' WHERE code = 'bad'")

    settle_fast(house, days=1)

    assert house.paid_at_gateway() == {house.uid(sub, 0)[:-3]: 1 for sub in good}
    assert house.value("SELECT set_aside_reason FROM subscription WHERE id = :id", id=bad).startswith("opening its")
    assert _incidents(house, "subscription.set_aside") == 1


def test_an_invoice_that_cannot_be_claimed_stops_no_other(house: House) -> None:
    """Its merchant_uid is taken already, which no use case brings about."""
    subs = [house.subscription() for _ in range(6)]
    house.tick()
    victim, thief = subs[0], subs[1]
    _write(
        house,
        "INSERT INTO charge_attempt (id, invoice_id, attempt_no, merchant_uid, amount, trigger, state, send_no, fence,"
        " absent_count, first_sent_at, started_at)"
        " SELECT gen_random_uuid(), id, 99, :uid, amount, 'schedule', 'abandoned', 1, 1, 0, :now, :now"
        " FROM invoice WHERE subscription_id = :thief",
        uid=house.uid(victim, 0),
        thief=thief,
        now=house.now,
    )

    settle_fast(house, days=1)

    assert house.paid_at_gateway() == {house.uid(sub, 0)[:-3]: 1 for sub in subs if sub != victim}
    assert _incidents(house, "invoice.set_aside") == 1
    reason = house.value("SELECT set_aside_reason FROM invoice WHERE subscription_id = :id", id=victim)
    assert reason.startswith("claiming it failed")


def test_a_card_that_is_revoked_between_opening_and_claim_is_not_charged(house: House) -> None:
    subs = [house.subscription() for _ in range(4)]
    house.tick()
    _write(
        house,
        "UPDATE billing_key SET revoked_at = :now WHERE id = (SELECT billing_key_id FROM subscription WHERE id = :id)",
        now=house.now,
        id=subs[0],
    )

    house.charge()

    assert house.paid_at_gateway() == {house.uid(sub, 0)[:-3]: 1 for sub in subs[1:]}


def test_names_with_odd_characters_are_charged_like_others(house: House) -> None:
    sub = house.subscription(customer_ref="o'hara🎁")
    odd = '홍길동\'s "plan" %s {x} \\ \u2028 🎁 ; -- ' + "가" * 60
    _write(house, "UPDATE plan SET name = :odd", odd=odd)
    _write(house, "UPDATE customer SET name = :odd", odd=odd)

    house.tick()
    house.charge()

    assert house.paid_at_gateway() == {house.uid(sub, 0)[:-3]: 1}
    assert len(house.gateway.asked[0].name) <= 40


def test_an_outcome_that_cannot_be_written_spoils_no_other_of_its_group(house: House) -> None:
    subs = [house.subscription() for _ in range(6)]
    house.gateway.script(house.uid(subs[2], 0), Fate.DECLINE, text="[120002] 한도\x00초과")

    house.tick()
    house.charge()

    assert house.states("invoice") == {"paid": 5, "open": 1}
    assert _incidents(house, "invoice.set_aside") == 1
    assert house.states("charge_attempt") == {"approved": 5, "in_flight": 1}
    assert set(house.paid_at_gateway().values()) == {1}


def _two_claims(house: House) -> tuple[Report, Report]:
    for _ in range(2):
        house.subscription()
    house.tick()
    batch = claim_due(house.ports, token_in_hand(house.ports), at_most=2)
    assert batch is not None
    first, second = (
        Report(
            attempt_id=charge.attempt_id,
            send_no=charge.send_no,
            fence=charge.fence,
            outcome=Approved(imp_uid="imp_000000000001", amount=charge.amount),
            is_answer=True,
        )
        for charge in batch.charges
    )
    return first, second


def test_a_payment_that_pays_another_invoice_already_goes_before_an_operator(house: House) -> None:
    first, second = _two_claims(house)

    record_outcomes(house.ports, [first])
    record_outcomes(house.ports, [second])

    assert house.states("invoice") == {"paid": 1, "open": 1}
    assert house.states("charge_attempt") == {"approved": 1, "unknown": 1}
    assert house.value("SELECT operator_since IS NOT NULL FROM charge_attempt WHERE state = 'unknown'")


def test_a_payment_that_two_outcomes_of_one_group_claim_pays_one_and_asks_an_operator(house: House) -> None:
    record_outcomes(house.ports, _two_claims(house))

    assert house.states("charge_attempt") == {"approved": 1, "unknown": 1}
    assert house.value("SELECT operator_since IS NOT NULL FROM charge_attempt WHERE state = 'unknown'")


def test_a_declined_attempt_that_reads_otherwise_now_goes_before_an_operator_and_blocks_nobody(house: House) -> None:
    odd = house.subscription()
    house.gateway.script(house.uid(odd, 0), Fate.DECLINE)
    house.tick()
    house.charge()
    house.gateway.record_payment(house.gateway.asked[0], amount=100)  # paid late, and not what we asked for
    house.advance(days=1)

    for _ in range(3):
        house.tick()
        house.charge()
        house.advance(seconds=200)

    assert len(house.gateway.asked) == 1
    assert _incidents(house, "invoice.set_aside") == 1
    assert house.value("SELECT set_aside_reason FROM invoice") is not None
    before = house.bells[Bell.CHARGE]
    house.tick()
    assert house.bells[Bell.CHARGE] == before  # nothing is rung for it any more


def test_an_unknown_that_nobody_saw_to_for_a_hundred_days_stops_no_other_from_being_asked_about(house: House) -> None:
    old = house.subscription()
    house.gateway.script(house.uid(old, 0), Fate.LOSE_REQUEST)
    house.tick()
    house.charge()
    house.advance(days=100)
    _write(house, "UPDATE subscription SET state = 'paused'")  # its later periods are not this test's
    recent = house.subscription(started_on=house.now.date())
    house.advance(days=1)
    house.gateway.script(house.uid(recent, 0), Fate.LOSE_ANSWER)
    house.tick()
    house.charge()

    house.advance(hours=1)
    house.resolve()

    attempts = dict(house.rows("SELECT merchant_uid, state FROM charge_attempt"))
    assert attempts[house.uid(recent, 0)] == "approved"


class _Flaky:
    """A database that is away for one transaction."""

    def __init__(self, house: House, *, fails_at: int) -> None:
        self._database = house.database
        self._left = fails_at

    def transaction(self) -> AbstractContextManager[Transaction]:
        self._left -= 1
        if self._left == 0:
            raise DatabaseTrouble("the database did not do its work")
        return self._database.transaction()

    def reading(self) -> AbstractContextManager[Transaction]:
        return self._database.reading()


def test_a_claim_that_fails_does_not_lose_the_answers_of_what_is_in_flight(house: House) -> None:
    """Of what was sent the answers come, whether or not more can be claimed."""
    for _ in range(40):
        house.subscription()
    house.tick()
    house.limit(claim_size=10, concurrency=40, group_size=5)
    token_in_hand(house.ports)
    # Claims are two transactions each, recordings one: the third claim's first fails, with charges in flight.
    ports = house.ports
    house.ports = replace(ports, database=_Flaky(house, fails_at=4))  # type: ignore[arg-type]

    run = house.charge()

    assert run.claimed == len(house.gateway.asked)
    assert house.value("SELECT count(*) FROM charge_attempt WHERE state = 'in_flight'") == 0
    house.ports = ports
    settle_fast(house, days=1)
    assert house.states("invoice") == {"paid": 40}
