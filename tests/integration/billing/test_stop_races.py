"""People who stop, keep or hold race the opening and the claim: each is wholly before the other, or wholly after it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

import pytest

from billing.change_subscription import By
from billing.charge_due import charge_due
from billing.hold_charges import place_hold, release_hold
from billing.make_what_has_come import make_what_has_come
from billing.open_period import open_due_periods
from billing.stop_subscription import keep_subscription, stop_subscription
from domain.errors import Conflict
from domain.hold import HoldKind
from domain.stop import Stop
from models.queries import invariants
from models.session import Database
from tests.fakes.gateway import Fate
from tests.support.house import House
from tests.support.racing import race

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from uuid import UUID

BY: Final = By(actor="operator@shop.example", reason="a customer called")
FEBRUARY: Final = datetime(2026, 2, 28, 1, 0, tzinfo=UTC)
ROUNDS: Final = 5
AT_ONCE: Final = 16


@pytest.fixture
def crowd(database_url: str) -> Iterator[House]:
    """A house with room for many connections, that claims in small batches."""
    house = House(database_url, is_strict=False, database=Database(database_url, pool_size=20))
    house.limit(claim_size=2, concurrency=2, rate=1_000_000)
    yield house
    house.close()


def _sends(house: House, sub: UUID) -> set[tuple[object, int]]:
    rows = house.rows(
        "SELECT d.attempt_id, d.send_no FROM send d JOIN charge_attempt a ON a.id = d.attempt_id"
        " JOIN invoice i ON i.id = a.invoice_id WHERE i.subscription_id = :id",
        id=sub,
    )
    return {(row.attempt_id, row.send_no) for row in rows}


def _each(work: Callable[[UUID], object], subs: Sequence[UUID]) -> Callable[[], None]:
    def go() -> None:
        for sub in subs:
            work(sub)

    return go


def _hold(
    house: House, refs: dict[UUID, str], holds: list[UUID], known: dict[UUID, set[tuple[object, int]]], sub: UUID
) -> None:
    """Hold a subscription, or its customer; then note what had been sent of it as the hold was committed."""
    ref = refs.get(sub)
    placed = place_hold(
        house.ports,
        customer_ref=ref,
        subscription_id=sub if ref is None else None,
        kind=HoldKind.DISPUTE,
        until=None,
        by=BY,
    )
    holds.append(placed.hold_id)
    known[sub] = _sends(house, sub)


def _nothing_is_broken(house: House) -> None:
    with house.database.reading() as tx:
        for name, statement in invariants.BROKEN.items():
            assert not invariants.found(tx, statement, leeway=timedelta(0)), name


@pytest.mark.parametrize("whose", ["subscription", "customer"])
def test_after_a_hold_is_committed_nothing_of_it_is_claimed(crowd: House, whose: str) -> None:
    """Whatever had been claimed as the hold came back is all that is ever sent, until it is released."""
    under_way = held_in_time = 0
    for number in range(ROUNDS):
        refs = {crowd.subscription(customer_ref=f"r{number}c{n}"): f"r{number}c{n}" for n in range(AT_ONCE)}
        subs = list(refs)
        crowd.tick()
        known: dict[UUID, set[tuple[object, int]]] = {}
        holds: list[UUID] = []

        hold = partial(_hold, crowd, refs if whose == "customer" else {}, holds, known)
        run = partial(charge_due, crowd.ports)
        race(run, run, _each(hold, subs[::2]), _each(hold, subs[1::2][::-1]))
        charge_due(crowd.ports)

        assert {sub: _sends(crowd, sub) for sub in subs} == known
        under_way += sum(bool(sends) for sends in known.values())
        held_in_time += sum(not sends for sends in known.values())
        _nothing_is_broken(crowd)
        for hold_id in holds:
            release_hold(crowd.ports, hold_id, by=BY)
        crowd.limit(claim_size=50, concurrency=50)
        charge_due(crowd.ports)
        crowd.limit(claim_size=2, concurrency=2)
    assert under_way + held_in_time == ROUNDS * AT_ONCE
    assert crowd.states("invoice") == {"paid": ROUNDS * AT_ONCE}
    assert set(crowd.paid_at_gateway().values()) == {1}


def test_a_subscription_that_is_made_while_its_customer_is_being_held_is_held(crowd: House) -> None:
    for number in range(ROUNDS * 2):
        ref = f"customer{number}"
        crowd.subscription(customer_ref=ref, plan="one")
        known: set[tuple[object, int]] = set()

        def hold(ref: str = ref, known: set[tuple[object, int]] = known) -> None:
            place_hold(crowd.ports, customer_ref=ref, kind=HoldKind.FRAUD, until=None, by=BY)
            for row in crowd.rows("SELECT id FROM subscription"):
                known.update(_sends(crowd, row.id))

        def sell(ref: str = ref) -> None:
            crowd.subscription(customer_ref=ref, plan="two")
            open_due_periods(crowd.ports)
            charge_due(crowd.ports)

        race(hold, sell, partial(charge_due, crowd.ports))
        open_due_periods(crowd.ports)
        charge_due(crowd.ports)

        assert {send for row in crowd.rows("SELECT id FROM subscription") for send in _sends(crowd, row.id)} == known
    _nothing_is_broken(crowd)


def test_keeping_races_the_end_itself_and_one_of_them_is_what_happened(crowd: House) -> None:
    crowd.plan("weekly", every="1 week")
    outcomes = set()
    for _ in range(ROUNDS * 3):
        ends = crowd.now + timedelta(days=7)
        sub = crowd.subscription(plan="weekly", started_on=crowd.now.date())
        crowd.tick()
        charge_due(crowd.ports)
        stop_subscription(crowd.ports, sub, Stop.CANCEL, at_period_end=True, by=BY)
        crowd.to(ends - timedelta(seconds=1))

        def keep(sub: UUID = sub) -> bool:
            try:
                keep_subscription(crowd.ports, sub, by=BY)
            except Conflict:
                return False
            return True

        kept, *_ = race(
            keep,
            partial(crowd.to, ends),
            partial(make_what_has_come, crowd.ports),
            partial(open_due_periods, crowd.ports),
            partial(charge_due, crowd.ports),
        )
        crowd.tick()
        charge_due(crowd.ports)
        (row,) = crowd.rows("SELECT state, stops_at FROM subscription WHERE id = :id", id=sub)
        invoices = crowd.rows("SELECT ordinal, state FROM invoice WHERE subscription_id = :id ORDER BY 1", id=sub)

        assert tuple(row) == (("active" if kept else "ended"), None)
        assert [tuple(each) for each in invoices] == [(0, "paid"), (1, "paid")][: 2 if kept else 1]
        outcomes.add(kept)
        if kept:
            stop_subscription(crowd.ports, sub, Stop.CANCEL, by=BY)
    _nothing_is_broken(crowd)
    assert outcomes


def test_at_the_instant_of_their_end_subscriptions_are_neither_opened_nor_charged_by_anybody(crowd: House) -> None:
    """Ticks, runs and the making of the stops at once: those that go on are opened and charged, once each."""
    subs = [crowd.subscription(plan=f"plan{n % 4}") for n in range(24)]
    for sub in subs:
        crowd.gateway.script(crowd.uid(sub, 0), Fate.DECLINE)
    crowd.limit(claim_size=50, concurrency=50)
    crowd.tick()
    charge_due(crowd.ports)
    for sub in subs[::3]:
        stop_subscription(crowd.ports, sub, Stop.CANCEL, at_period_end=True, by=BY)
    for sub in subs[1::3]:
        stop_subscription(crowd.ports, sub, Stop.PAUSE, at_period_end=True, until=date(2026, 3, 20), by=BY)
    with crowd.database.transaction() as tx:
        tx.connection.exec_driver_sql(f"UPDATE invoice SET next_attempt_at = '{FEBRUARY.isoformat()}'")
    asked = len(crowd.gateway.asked)
    crowd.limit(claim_size=3, concurrency=3)
    crowd.to(FEBRUARY)

    at_once: list[Callable[[], object]] = [
        partial(charge_due, crowd.ports),
        crowd.tick,
        partial(make_what_has_come, crowd.ports),
    ]
    for _ in range(3):
        race(*at_once, *at_once)
    for _ in range(3):
        crowd.tick()
        charge_due(crowd.ports)

    goes_on = set(subs[2::3])
    assert {charge.merchant_uid[:-3] for charge in crowd.gateway.asked[asked:]} == {
        crowd.uid(sub, ordinal)[:-3] for sub in goes_on for ordinal in (0, 1)
    }
    assert crowd.states("subscription") == {"ended": 8, "paused": 8, "active": 8}
    assert crowd.states("invoice") == {"void": 8, "past_due": 8, "paid": 16}
    assert set(crowd.paid_at_gateway().values()) == {1}
    _nothing_is_broken(crowd)
