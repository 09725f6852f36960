"""People and processes that race one another: one wins, nobody waits for ever, nothing is asked that must not be."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Final

import pytest
from sqlalchemy import text

from billing.change_subscription import By, Made, cancel, change_card, pause
from billing.charge_due import charge_due
from billing.claim_due import claim_due
from billing.clear_reattempt import clear_reattempts
from billing.record_outcome import record_outcomes
from billing.report import Report
from billing.resolve_unknown import resolve_unknown
from billing.token_in_hand import token_in_hand
from domain.outcome import Approved, DeclineCode, Declined
from models.session import Database
from tests.fakes.gateway import FakeGateway, Fate
from tests.support.house import House
from tests.support.polling import eventually
from tests.support.racing import race

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from uuid import UUID

    from gateway.port import AccessToken, Answer, Charge

BY: Final = By(actor="operator@shop.example", reason="a customer called")

#: Rounds of so many subscriptions each, for each of three changes: together a thousand races.
ROUNDS: Final = 17
AT_ONCE: Final = 20


@dataclass(slots=True)
class WatchfulGateway(FakeGateway):
    """Looks into the database before it carries out a charge: what had been committed by then?"""

    database: Database | None = None
    #: Charges made although a cancel or pause had been committed, or with another card than the one in force.
    wrongly_asked: list[str] = field(default_factory=list)

    def carry_out(self, charge: Charge, token: AccessToken) -> Answer:  # type: ignore[explicit-override]  # typing has no @override in 3.11
        assert self.database is not None
        with self.database.reading() as tx:
            seen = tx.connection.execute(
                text(
                    "SELECT s.state, k.customer_uid, a.state AS attempt FROM charge_attempt a"
                    " JOIN invoice i ON i.id = a.invoice_id JOIN subscription s ON s.id = i.subscription_id"
                    " JOIN billing_key k ON k.id = s.billing_key_id WHERE a.id = :id"
                ),
                {"id": charge.attempt_id},
            ).one_or_none()
        if seen is None or seen.attempt != "in_flight":
            self.wrongly_asked.append(f"{charge.merchant_uid} without an attempt in flight: {seen}")
        elif seen.state not in {"active", "past_due"} or seen.customer_uid != charge.customer_uid:
            self.wrongly_asked.append(f"{charge.merchant_uid} of a subscription that was {seen.state}")
        return FakeGateway.carry_out(self, charge, token)


@pytest.fixture
def crowd(database_url: str) -> Iterator[House]:
    """A house with room for many connections and a gateway that watches."""
    house = House(database_url, database=Database(database_url, pool_size=20))
    gateway = WatchfulGateway(is_strict=False, now=lambda: house.real, boottime=house.boottime, database=house.database)
    _at(house, gateway)
    yield house
    house.close()


def _at(house: House, gateway: FakeGateway) -> None:
    house.gateway = gateway
    house.ports = replace(house.ports, gateway=gateway)


def _watcher(house: House) -> WatchfulGateway:
    assert isinstance(house.gateway, WatchfulGateway)
    return house.gateway


def _attempts(house: House, sub: UUID) -> list[str]:
    rows = house.rows(
        "SELECT a.state FROM charge_attempt a JOIN invoice i ON i.id = a.invoice_id WHERE i.subscription_id = :id",
        id=sub,
    )
    return [row.state for row in rows]


def _changers(
    subs: Sequence[UUID], change: Callable[[UUID], Made], said: dict[UUID, Made]
) -> list[Callable[[], object]]:
    def work(mine: Sequence[UUID]) -> Callable[[], None]:
        def go() -> None:
            for sub in mine:
                said[sub] = change(sub)

        return go

    return [work(subs[::2]), work(subs[1::2])]


def _sold(house: House, number: int) -> list[UUID]:
    """Subscriptions of few customers, several of which share a card."""
    plans = [f"plan{index}" for index in range(4)]
    subs = [
        house.subscription(plan=plan, customer_ref=f"r{number}c{customer}")
        for customer in range(AT_ONCE // 4)
        for plan in plans
    ]
    with house.database.transaction() as tx:
        tx.connection.execute(
            text(
                "UPDATE subscription s SET billing_key_id = (SELECT o.billing_key_id FROM subscription o"
                " WHERE o.customer_id = s.customer_id ORDER BY o.id LIMIT 1) WHERE s.id = ANY(:ids)"
            ),
            {"ids": subs},
        )
    return subs


@pytest.mark.parametrize("kind", ["cancel", "pause", "change_card"])
def test_a_change_that_races_a_claim_is_made_before_it_or_after_its_outcome(crowd: House, kind: str) -> None:
    crowd.limit(claim_size=2, concurrency=2, rate=1_000_000)
    said: Counter[tuple[Made, bool]] = Counter()

    def change(sub: UUID) -> Made:
        match kind:
            case "cancel":
                return cancel(crowd.ports, sub, by=BY)
            case "pause":
                return pause(crowd.ports, sub, by=BY)
            case _:
                return change_card(crowd.ports, sub, customer_uid=f"new-{_customer_of(crowd, sub)}", by=BY)

    for number in range(ROUNDS):
        subs = _sold(crowd, number)
        crowd.tick()
        made: dict[UUID, Made] = {}
        runs: list[Callable[[], object]] = [lambda: charge_due(crowd.ports), lambda: charge_due(crowd.ports)]
        race(*runs, *_changers(subs, change, made))
        charge_due(crowd.ports)  # what a run left because another had the row
        for sub in subs:
            states = _attempts(crowd, sub)
            said[made[sub], bool(states)] += 1
            assert states in ([], ["approved"])
            assert states or (made[sub] is Made.AT_ONCE and kind != "change_card")

    assert _watcher(crowd).wrongly_asked == []
    assert sum(said.values()) == ROUNDS * AT_ONCE
    ended = {"cancel": "ended", "pause": "paused", "change_card": "active"}[kind]
    assert crowd.states("subscription") == {ended: ROUNDS * AT_ONCE}
    assert crowd.value("SELECT count(*) FROM subscription WHERE requested_change IS NOT NULL") == 0
    assert set(crowd.paid_at_gateway().values()) <= {1}
    if kind == "change_card":
        assert len(crowd.paid_at_gateway()) == ROUNDS * AT_ONCE


def _customer_of(house: House, sub: UUID) -> str:
    return str(
        house.value(
            "SELECT c.customer_ref FROM customer c JOIN subscription s ON s.customer_id = c.id WHERE s.id = :id", id=sub
        )
    )


def test_ten_charge_runs_at_once_claim_every_invoice_once(crowd: House) -> None:
    crowd.plan()
    for _ in range(500):
        crowd.subscription()
    crowd.tick()
    crowd.limit(rate=1_000_000)

    runs = race(*[lambda: charge_due(crowd.ports)] * 10)

    claimed = sum(run.claimed for run in runs) + crowd.charge().claimed
    assert claimed == 500
    assert crowd.states("charge_attempt") == {"approved": 500}
    assert len(crowd.gateway.asked) == 500
    assert _watcher(crowd).wrongly_asked == []


def test_two_ticks_at_once_open_every_period_once(crowd: House) -> None:
    for _ in range(60):
        crowd.subscription()

    race(crowd.tick, crowd.tick, crowd.tick)

    assert crowd.states("invoice") == {"open": 60}


def _claimed(house: House, count: int) -> Sequence[Charge]:
    for _ in range(count):
        house.subscription()
    house.tick()
    batch = claim_due(house.ports, token_in_hand(house.ports), at_most=count)
    assert batch is not None
    assert len(batch.charges) == count
    return batch.charges


def _approved(charge: Charge, *, fence: int | None = None) -> Report:
    return Report(
        attempt_id=charge.attempt_id,
        send_no=charge.send_no,
        fence=charge.fence if fence is None else fence,
        outcome=Approved(imp_uid=f"imp{charge.merchant_uid}", amount=charge.amount),
        is_answer=True,
    )


def test_batches_of_outcomes_that_overlap_are_recorded_once(crowd: House) -> None:
    charges = _claimed(crowd, 40)
    reports = [_approved(charge) for charge in charges]

    race(
        lambda: record_outcomes(crowd.ports, reports),
        lambda: record_outcomes(crowd.ports, reports[::-1]),
        lambda: record_outcomes(crowd.ports, reports[10:] + reports[:10]),
        lambda: record_outcomes(crowd.ports, reports[::2]),
    )

    assert crowd.states("invoice") == {"paid": 40}
    assert crowd.value("SELECT count(*) FROM payment") == 40


def test_a_sender_that_comes_late_with_a_decline_changes_nothing_and_with_an_approval_everything(crowd: House) -> None:
    declined, approved = _claimed(crowd, 2)
    crowd.advance(seconds=200)
    crowd.resolve()  # it takes both over: their fence has moved
    assert crowd.states("charge_attempt") == {"unknown": 2}

    late = Report(
        attempt_id=declined.attempt_id,
        send_no=1,
        fence=declined.fence,
        outcome=Declined(decline_code=DeclineCode.LIMIT_EXCEEDED, raw_reason="[120002] 한도초과"),
        is_answer=True,
    )
    counts = record_outcomes(crowd.ports, [late, _approved(approved)]).counts

    assert counts == {"stale": 1, "approved": 1}
    assert crowd.states("invoice") == {"open": 1, "paid": 1}


def test_a_resolver_racing_a_late_sender_ends_every_attempt_once(crowd: House) -> None:
    for number in range(20):
        charges = _claimed(crowd, 5)
        for charge in charges:
            crowd.gateway.record_payment(charge)
        paid = {record.merchant_uid: record.imp_uid for record in crowd.gateway.records}
        reports = [
            Report(
                attempt_id=charge.attempt_id,
                send_no=1,
                fence=charge.fence,
                outcome=Approved(imp_uid=paid[charge.merchant_uid], amount=charge.amount),
                is_answer=True,
            )
            for charge in charges
        ]
        crowd.advance(seconds=151)
        race(
            partial(resolve_unknown, crowd.ports),
            partial(record_outcomes, crowd.ports, reports),
            partial(resolve_unknown, crowd.ports),
        )
        assert crowd.states("invoice") == {"paid": 5 * (number + 1)}

    assert crowd.value("SELECT count(*) FROM payment WHERE counts") == 100
    assert crowd.value("SELECT count(*) FROM payment WHERE NOT counts") == 0


def test_an_invoice_that_is_due_with_an_undecided_attempt_takes_nobodys_place_in_a_claim(crowd: House) -> None:
    """No use case leaves such a row; a hand in the database may."""
    crowd.limit(claim_size=5, concurrency=5)
    _claimed(crowd, 5)
    with crowd.database.transaction() as tx:
        tx.connection.execute(text("UPDATE invoice SET next_attempt_at = :long_ago"), {"long_ago": crowd.now})
    crowd.advance(seconds=1)
    for _ in range(3):
        crowd.subscription()
    crowd.tick()

    assert crowd.charge().claimed == 3


def test_two_subscriptions_are_given_the_same_new_card_at_once(crowd: House) -> None:
    for number in range(20):
        subs = [crowd.subscription(plan=plan, customer_ref=f"pair{number}") for plan in ("one", "two")]

        made = race(*[partial(change_card, crowd.ports, sub, customer_uid=f"shared-{number}", by=BY) for sub in subs])

        assert made == [Made.AT_ONCE] * 2
        assert [crowd.card_of(sub) for sub in subs] == [f"shared-{number}"] * 2


def test_clearing_reattempts_never_waits_for_whoever_has_their_rows(crowd: House) -> None:
    """It holds rows of many subscriptions without those subscriptions' locks: if it waited, it could deadlock."""
    subs = [crowd.subscription() for _ in range(2)]
    for sub in subs:
        crowd.gateway.script(crowd.uid(sub, 0), Fate.DECLINE)
    crowd.tick()
    crowd.charge()
    crowd.advance(days=2)
    token = token_in_hand(crowd.ports)
    invoices = [row.id for row in crowd.rows("SELECT id FROM invoice ORDER BY id")]
    with crowd.database.transaction() as tx:  # the one with the higher id is due first
        tx.connection.execute(
            text("UPDATE invoice SET next_attempt_at = next_attempt_at - interval '1 hour' WHERE id = :id"),
            {"id": invoices[1]},
        )

    with crowd.database.transaction() as tx:
        lock = text("SELECT FROM invoice WHERE id = :id FOR UPDATE")
        tx.connection.execute(lock, {"id": invoices[0]})
        clearing = threading.Thread(target=clear_reattempts, args=(crowd.ports, token))
        clearing.start()
        eventually(lambda: not clearing.is_alive() or _waiting(crowd))
        tx.connection.execute(lock, {"id": invoices[1]})
        assert not _waiting(crowd)
    clearing.join(10)

    crowd.charge()
    assert crowd.states("invoice") == {"paid": 2}


def _waiting(house: House) -> int:
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return int(house.value(query))
