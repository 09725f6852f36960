"""Agreements on a number of periods: they complete with the last one, and bind the customer for the first ones."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from billing.admit_subscriptions import Terms
from billing.change_subscription import By, Made, pause, resume
from billing.check_invariants import check_invariants
from billing.foresee import foresee
from billing.import_subscriptions import Import, import_subscriptions
from billing.stop_subscription import keep_subscription, stop_subscription
from domain.billing_period import AfterOutage, CatchUp
from domain.errors import Conflict
from domain.stop import Stop
from tests.fakes.gateway import Fate
from tests.support.house import NAMESPACE, House

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

BY = By(actor="operator@shop.example", reason="asked by the customer")
JANUARY_31 = date(2026, 1, 31)
HEADER = "customer_ref,name,email,tel,customer_uid,plan,started_on,timezone,paid_through"
#: Three months from 31 January on are over.
OVER = datetime(2026, 4, 30, 1, tzinfo=UTC)
COMPLETED = [("ended", "completed")]


@pytest.fixture
def house(house: House) -> Iterator[House]:
    yield house
    assert check_invariants(house.ports, progress=lambda _: None) == []


def _sold(house: House, **terms: Any) -> UUID:  # noqa: ANN401 - columns
    """A subscription of three months that has paid the first of them."""
    house.plan("term", **{"periods": 3, **terms})
    sub = house.subscription(plan="term", started_on=JANUARY_31)
    _ring(house)
    return sub


def _ring(house: House) -> None:
    house.tick()
    house.charge()
    house.tick()


def _at(house: House, *instants: datetime) -> None:
    for instant in instants:
        house.to(instant)
        _ring(house)


def _ended(house: House) -> list[tuple[str, str | None]]:
    return [tuple(row) for row in house.rows("SELECT state, ended_reason FROM subscription")]


def _paid(house: House) -> list[int]:
    return [row.ordinal for row in house.rows("SELECT ordinal FROM invoice WHERE state = 'paid' ORDER BY ordinal")]


FEBRUARY_28, MARCH_31 = datetime(2026, 2, 28, 1, tzinfo=UTC), datetime(2026, 3, 31, 1, tzinfo=UTC)


def test_a_term_is_charged_so_many_times_and_completes_at_the_end_of_its_last_period(house: House) -> None:
    sub = _sold(house)
    with house.database.reading() as tx:
        foreseen = sorted(each.ordinal for each in foresee(tx, until=OVER + timedelta(days=400)))
    assert foreseen == [1, 2]
    _at(house, FEBRUARY_28, MARCH_31, OVER - timedelta(seconds=1))
    assert (_paid(house), _ended(house)) == ([0, 1, 2], [("active", None)])

    # The renewal would be due at the very instant at which it is over: there is none.
    house.to(OVER)
    house.charge()
    _ring(house)
    _ring(house)

    assert (_paid(house), _ended(house)) == ([0, 1, 2], COMPLETED)
    assert house.value("SELECT count(*) FROM invoice") == 3
    assert house.value("SELECT next_billing_at FROM subscription") is None
    (told,) = house.rows("SELECT subscription_id, data FROM outbox_event WHERE kind = 'subscription.completed'")
    assert (told.subscription_id, told.data) == (sub, {"periods": 3, "at": OVER.isoformat()})
    assert house.value("SELECT actor FROM audit_entry WHERE action = 'subscription.completed'") == "engine"


def test_what_the_last_period_still_owes_is_charged_before_it_completes(house: House) -> None:
    sub = _sold(house, every="1 week", periods=2)
    house.gateway.script(house.uid(sub, 1), Fate.DECLINE)
    house.gateway.script(house.uid(sub, 1, 2), Fate.DECLINE)
    house.gateway.script(house.uid(sub, 1, 3), Fate.DECLINE)
    second = datetime(2026, 2, 7, 1, tzinfo=UTC)
    _at(house, *(second + timedelta(days=day) for day in range(8)))
    assert _ended(house) == [("past_due", None)]  # a week after its beginning it is over, and not paid

    _at(house, *(second + timedelta(days=day) for day in range(8, 11)))

    assert (_paid(house), _ended(house)) == ([0, 1], COMPLETED)


def test_a_pause_does_not_lengthen_a_term(house: House) -> None:
    sub = _sold(house, catch_up=CatchUp.NONE)
    pause(house.ports, sub, by=BY)
    house.to(MARCH_31 + timedelta(days=1))
    with pytest.raises(Conflict, match=r"completes at 2026-04-30 .* before it would go on"):
        stop_subscription(house.ports, sub, Stop.PAUSE, until=date(2026, 4, 30), by=BY)
    resume(house.ports, sub, by=BY)
    _ring(house)
    assert _paid(house) == [0, 2]

    _at(house, OVER)

    assert _ended(house) == COMPLETED
    assert house.rows("SELECT first_ordinal, last_ordinal, reason FROM skipped_period") == [(1, 1, "paused")]


def test_one_that_is_paused_when_its_term_is_over_completes_and_is_billed_for_nothing_more(house: House) -> None:
    sub = _sold(house, catch_up=CatchUp.ALL)
    pause(house.ports, sub, by=BY)

    _at(house, OVER)

    assert (_paid(house), _ended(house)) == ([0], COMPLETED)


def test_a_cancel_within_a_term_may_be_taken_back_and_with_its_last_period_there_is_nothing_to_cancel(
    house: House,
) -> None:
    sub = _sold(house)
    stop_subscription(house.ports, sub, Stop.CANCEL, at_period_end=True, by=BY)
    keep_subscription(house.ports, sub, by=BY)
    _at(house, FEBRUARY_28, MARCH_31)
    for stop in Stop:
        with pytest.raises(Conflict, match="completes with its last period, at 2026-04-30"):
            stop_subscription(house.ports, sub, stop, at_period_end=True, by=BY)
    with pytest.raises(Conflict, match="nothing to take back"):
        keep_subscription(house.ports, sub, by=BY)

    _at(house, OVER)

    assert (_paid(house), _ended(house)) == ([0, 1, 2], COMPLETED)


def test_a_cancel_that_came_while_the_engine_slept_is_a_cancel(house: House) -> None:
    sub = _sold(house)
    stop_subscription(house.ports, sub, Stop.CANCEL, at_period_end=True, by=BY)

    _at(house, OVER + timedelta(days=30))

    assert (_paid(house), _ended(house)) == ([0], [("ended", "cancelled")])


@pytest.mark.parametrize(
    ("after_outage", "paid"), [(AfterOutage.ALL, [0, 1, 2]), (AfterOutage.LATEST, [0, 2]), (AfterOutage.NONE, [0])]
)
def test_an_outage_over_the_end_of_a_term_charges_what_the_plan_says_and_no_period_more(
    house: House, after_outage: AfterOutage, paid: list[int]
) -> None:
    _sold(house, after_outage=after_outage)

    _at(house, *(OVER + timedelta(days=4 + day) for day in range(4)))

    assert (_paid(house), _ended(house)) == (paid, COMPLETED)


def test_the_numbers_are_copied_when_a_subscription_comes_and_counted_from_its_start(house: House) -> None:
    house.plan("term", periods=6, minimum_periods=2, catch_up=CatchUp.LATEST)
    rows = [
        "a,김하나,a@shop.example,010-0000-0000,card-a,term,2026-01-31,Asia/Seoul,",
        "b,김하나,a@shop.example,010-0000-0000,card-b,term,2025-10-10,Asia/Seoul,2026-01-09",
        # Over, and what is behind is owed by the last of its periods alone; the other one was paid to the end.
        "c,김하나,a@shop.example,010-0000-0000,card-c,term,2025-01-10,Asia/Seoul,",
        "d,김하나,a@shop.example,010-0000-0000,card-d,term,2025-01-10,Asia/Seoul,2025-12-31",
    ]
    for expected in ("created", "unchanged"):
        done = import_subscriptions(
            house.database,
            Import(
                lines=lambda: [f"{line}\n".encode() for line in (HEADER, *rows)],
                default_timezone="Asia/Seoul",
                terms=Terms(namespace=NAMESPACE, max_behind=120, update=False),
                refused=lambda refused: pytest.fail(str(refused)),
            ),
            by=BY,
            file_name="subscriptions.csv",
        )
        assert done.tally.rows[expected] == 4
        with house.database.transaction() as tx:  # whatever becomes of the plan
            tx.connection.exec_driver_sql("UPDATE plan SET periods = 12, minimum_periods = 9")
    told = (
        "SELECT c.customer_ref, s.ordinal, s.periods, s.minimum_periods, (s.term_ends_at AT TIME ZONE s.timezone)::date"
        " FROM subscription s JOIN customer c ON c.id = s.customer_id ORDER BY 1"
    )
    assert house.rows(told) == [
        ("a", -1, 6, 2, date(2026, 7, 31)),
        ("b", 2, 6, 2, date(2026, 4, 10)),
        ("c", 4, 6, 2, date(2025, 7, 10)),
        ("d", 5, 6, 2, date(2025, 7, 10)),
    ]

    _ring(house)

    ended = "SELECT customer_ref, ended_reason FROM subscription s JOIN customer c ON c.id = customer_id ORDER BY 1"
    assert house.rows(ended) == [("a", None), ("b", None), ("c", "completed"), ("d", "completed")]
    assert _paid(house) == [0, 3, 5]


@pytest.mark.parametrize("at_period_end", [True, False])
def test_a_cancel_before_the_minimum_term_is_refused_unless_somebody_says_so(
    house: House, *, at_period_end: bool
) -> None:
    sub = _sold(house, minimum_periods=2)
    for dry_run in (True, False):
        with pytest.raises(
            Conflict, match=r"is bound for 2 periods, until 2026-03-31 01:00:00.*: --before-term ends it all the same"
        ):
            stop_subscription(house.ports, sub, Stop.CANCEL, at_period_end=at_period_end, by=BY, dry_run=dry_run)

    told = stop_subscription(house.ports, sub, Stop.CANCEL, at_period_end=at_period_end, before_term=True, by=BY)

    assert told.minimum_until == MARCH_31
    data = house.value("SELECT data FROM outbox_event WHERE kind LIKE 'subscription.cancel%%'")
    assert data["minimum_until"] == MARCH_31.isoformat()
    _at(house, FEBRUARY_28)
    assert (_paid(house), _ended(house)) == ([0], [("ended", "cancelled")])


def test_a_cancel_that_lands_at_the_end_of_the_minimum_term_is_as_any_other(house: House) -> None:
    sub = _sold(house, minimum_periods=2)
    _at(house, FEBRUARY_28)

    told = stop_subscription(house.ports, sub, Stop.CANCEL, at_period_end=True, by=BY)

    assert (told.made, told.begins_at, told.minimum_until) == (Made.LATER, MARCH_31, None)
    _at(house, MARCH_31)
    assert (_paid(house), _ended(house)) == ([0, 1], [("ended", "cancelled")])
