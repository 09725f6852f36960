"""Three months without an engine: exactly what is charged then, and when, for each thing that a plan may say."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import pytest

from billing.admit_subscriptions import Terms
from billing.change_subscription import By, pause, resume
from billing.check_invariants import check_invariants
from billing.foresee import foresee
from billing.import_subscriptions import Import, import_subscriptions
from billing.stop_subscription import stop_subscription
from domain.billing_period import AfterOutage, CatchUp
from domain.stop import Stop
from tests.support.house import NAMESPACE, House

BY = By(actor="operator@shop.example", reason="a test")
SEOUL = timedelta(hours=9)
HEADER = "customer_ref,name,email,tel,customer_uid,plan,started_on,timezone,paid_through"
JANUARY_31 = date(2026, 1, 31)
#: The engine is awake again: a Monday, three months after the last charge.
AWAKE = datetime(2026, 5, 4, 12, tzinfo=UTC) - SEOUL
ALL, LATEST, NONE = AfterOutage

Charge = tuple[str, int]  # the civil day, as month-day, and the period


def _days(house: House, count: int) -> None:
    """So many civil days with the bells at noon."""
    for _ in range(count):
        house.tick()
        house.charge()
        house.charge()
        house.advance(days=1)


def _charged(house: House, sub: UUID | None = None) -> list[Charge]:
    rows = house.rows(
        "SELECT i.ordinal, p.recorded_at FROM payment p JOIN invoice i ON i.id = p.invoice_id"
        " WHERE CAST(:sub AS uuid) IS NULL OR i.subscription_id = :sub ORDER BY p.recorded_at, i.ordinal",
        sub=sub,
    )
    return [(f"{row.recorded_at + SEOUL:%m-%d}", row.ordinal) for row in rows]


def _skipped(house: House, sub: UUID) -> list[tuple[int, int, str]]:
    rows = house.rows(
        "SELECT first_ordinal, last_ordinal, reason FROM skipped_period WHERE subscription_id = :sub", sub=sub
    )
    return [tuple(row) for row in rows]


def _broken(house: House) -> list[str]:
    return [str(each) for each in check_invariants(house.ports, progress=lambda _: None)]


def _three(house: House, **terms: Any) -> dict[AfterOutage, UUID]:  # noqa: ANN401 - columns
    """A customer for each thing that a plan may say."""
    subs = {}
    for after_outage in AfterOutage:
        house.plan(after_outage, after_outage=after_outage, **terms)
        subs[after_outage] = house.subscription(plan=after_outage, started_on=JANUARY_31)
    house.tick()
    house.charge()
    assert _charged(house) == [("01-31", 0)] * 3
    return subs


#: What is charged on which day, and which periods are not, by plan and by what it says.
MONTHLY: dict[AfterOutage, tuple[list[Charge], list[tuple[int, int]]]] = {
    ALL: ([("05-04", 3), ("05-05", 1), ("05-06", 2)], []),
    LATEST: ([("05-04", 2), ("05-04", 3)], [(1, 1)]),
    NONE: ([("05-04", 3)], [(1, 2)]),
}
#: Thirteen weeks; the last of them began on Saturday, 2 May.
WEEKLY: dict[AfterOutage, tuple[list[Charge], list[tuple[int, int]]]] = {
    ALL: (
        [
            ("05-04", 13),
            *((f"05-{4 + week:02}", week) for week in range(1, 5)),
            # Saturday the 9th has a charge of its own, and so has the 16th: what is caught up moves on.
            ("05-09", 14),
            *((f"05-{5 + week:02}", week) for week in range(5, 11)),
            ("05-16", 15),
            ("05-17", 11),
            ("05-18", 12),
        ],
        [],
    ),
    LATEST: ([("05-04", 12), ("05-04", 13), ("05-09", 14), ("05-16", 15)], [(1, 11)]),
    NONE: ([("05-04", 13), ("05-09", 14), ("05-16", 15)], [(1, 12)]),
}


@pytest.mark.parametrize(("every", "expected", "days"), [("1 month", MONTHLY, 3), ("1 week", WEEKLY, 15)])
def test_an_outage_of_three_months_charges_exactly_what_the_plan_says(
    house: House, every: str, expected: dict[AfterOutage, Any], days: int
) -> None:
    subs = _three(house, every=every)
    house.to(AWAKE)
    with house.database.reading() as tx:
        until = tx.now + timedelta(days=30)
        foreseen = sorted((each.subscription_id, each.ordinal, each.due_at) for each in foresee(tx, until=until))
    house.tick()
    opened = house.rows("SELECT subscription_id, ordinal, next_attempt_at FROM invoice WHERE state = 'open'")

    _days(house, days)

    running = max(row.ordinal for row in opened)
    assert {tuple(row) for row in opened} == {each for each in foreseen if each[1] <= running}
    for after_outage, sub in subs.items():
        charged, skipped = expected[after_outage]
        assert _charged(house, sub)[1:] == charged
        assert _skipped(house, sub) == [(first, last, "outage") for first, last in skipped]
        told = house.rows(
            "SELECT data FROM outbox_event WHERE kind = 'subscription.outage_skipped' AND subscription_id = :sub",
            sub=sub,
        )
        assert [row.data for row in told] == [{"first_ordinal": first, "last_ordinal": last} for first, last in skipped]
    assert _broken(house) == []


def test_a_plan_that_bills_every_day_charges_beside_each_day_one_that_it_missed(house: House) -> None:
    """Period 93 is that of 4 May; a day without a charge of its own would never come."""
    subs = _three(house, every="1 day")
    house.to(AWAKE)

    _days(house, 3)

    own = [("05-04", 93), ("05-05", 94), ("05-06", 95)]
    assert _charged(house, subs[ALL])[1:] == sorted([*own, ("05-05", 1), ("05-06", 2)])
    waiting = house.rows("SELECT ordinal, next_attempt_at FROM invoice WHERE state = 'open' ORDER BY ordinal")
    assert [row.ordinal for row in waiting] == list(range(3, 93))
    assert len({row.next_attempt_at for row in waiting}) == 90
    assert _charged(house, subs[LATEST])[1:] == [("05-04", 92), *own]
    assert _charged(house, subs[NONE])[1:] == own
    assert (_skipped(house, subs[LATEST]), _skipped(house, subs[NONE])) == ([(1, 91, "outage")], [(1, 92, "outage")])
    assert _broken(house) == []


def test_several_subscriptions_of_one_customer_are_charged_once_a_day_after_an_outage(house: House) -> None:
    house.plan("monthly")
    house.plan("weekly", every="1 week")
    first, second = (
        house.subscription(plan="monthly", started_on=started, customer_ref="c")
        for started in (date(2026, 2, 28), date(2026, 3, 10))
    )
    weekly = house.subscription(plan="weekly", started_on=date(2026, 4, 13), customer_ref="c")
    somebody = house.subscription(plan="monthly", started_on=date(2026, 4, 10), customer_ref="another")
    house.to(AWAKE)

    _days(house, 11)

    owed = {first: [0, 1, 2], second: [0, 1, 2], weekly: [0, 1, 2, 3, 4]}
    for sub, ordinals in owed.items():
        assert sorted(ordinal for _, ordinal in _charged(house, sub)) == ordinals
    assert sorted(day for sub in owed for day, _ in _charged(house, sub)) == [f"05-{day:02}" for day in range(4, 15)]
    # The weekly plan's own day, and the days that the others come to by themselves.
    own = [("05-04", weekly, 3), ("05-10", second, 2), ("05-11", weekly, 4)]
    assert all((day, ordinal) in _charged(house, sub) for day, sub, ordinal in own)
    # Nobody waits for another customer's days.
    assert ("05-04", 0) in _charged(house, somebody)
    assert _broken(house) == []


def test_an_opener_that_is_late_by_a_minute_has_missed_nothing(house: House) -> None:
    """Charged at the last minutes of its period: it is over soon after, and the next one is not due yet."""
    house.plan("late", every="1 day", charge_time=time(0, 0), spread_minutes=1_439, after_outage=NONE)
    sub = house.subscription(plan="late", started_on=date(2026, 2, 2))

    house.to(datetime(2026, 2, 3, 0, 0, 0, 1, tzinfo=UTC) - SEOUL)
    house.tick()
    house.charge()

    assert [ordinal for _, ordinal in _charged(house, sub)] == [0]
    assert _skipped(house, sub) == []


def test_what_stopped_during_the_outage_has_nothing_that_runs(house: House) -> None:
    subs = _three(house, every="1 month")
    house.to(datetime(2026, 3, 1, tzinfo=UTC))  # period 1 runs, and nobody has opened it
    for sub in subs.values():
        told = stop_subscription(house.ports, sub, Stop.CANCEL, at_period_end=True, by=BY)
        assert told.begins_at == datetime(2026, 3, 31, 1, tzinfo=UTC)
    house.to(AWAKE)

    house.tick()

    assert house.states("subscription") == {"ended": 3}
    opened = {
        each: house.rows("SELECT ordinal FROM invoice WHERE subscription_id = :sub", sub=subs[each]) for each in subs
    }
    assert {each: sorted(row.ordinal for row in rows) for each, rows in opened.items()} == {
        ALL: [0, 1],
        LATEST: [0, 1],
        NONE: [0],
    }
    assert _skipped(house, subs[NONE]) == [(1, 1, "outage")]
    assert _broken(house) == []


#: Catching up is about what was behind before: an outage after it is told apart.
BEHIND: dict[CatchUp, tuple[list[Charge], list[tuple[int, int, str]]]] = {
    # September to January had ended when it came on 20 February; February ran.
    CatchUp.ALL: ([("02-20", 5), *((f"02-{21 + month}", month) for month in range(5))], []),
    CatchUp.LATEST: ([("02-20", 4), ("02-20", 5)], [(0, 3, "catch_up")]),
    CatchUp.NONE: ([("02-20", 5)], [(0, 4, "catch_up")]),
}


@pytest.mark.parametrize("catch_up", CatchUp)
def test_an_imported_subscriber_is_charged_exactly_what_catch_up_says(house: House, catch_up: CatchUp) -> None:
    house.to(datetime(2026, 2, 20, 12, tzinfo=UTC) - SEOUL)
    sub = _imported(house, catch_up, after_outage=NONE)

    _days(house, 6)

    charged, skipped = BEHIND[catch_up]
    assert (_charged(house, sub), _skipped(house, sub)) == (charged, skipped)
    assert _broken(house) == []


def _imported(house: House, catch_up: CatchUp, *, after_outage: AfterOutage) -> UUID:
    """A monthly subscription since 10 September, from a file."""
    house.plan("plan", catch_up=catch_up, after_outage=after_outage)
    row = "c,김하나,a@shop.example,010-0000-0000,card-c,plan,2025-09-10,Asia/Seoul,"
    wanted = Import(
        lines=lambda: [f"{HEADER}\n".encode(), f"{row}\n".encode()],
        default_timezone="Asia/Seoul",
        terms=Terms(namespace=NAMESPACE, max_behind=120, update=False),
        refused=lambda refused: pytest.fail(str(refused)),
    )
    import_subscriptions(house.database, wanted, by=BY, file_name="subscriptions.csv")
    return UUID(str(house.value("SELECT id FROM subscription")))


#: Paused on 1 February, resumed on 4 May: three months after the first period.
RESUMED: dict[CatchUp, tuple[list[Charge], list[tuple[int, int, str]]]] = {
    CatchUp.ALL: ([("05-04", 3), ("05-05", 1), ("05-06", 2)], []),
    CatchUp.LATEST: ([("05-04", 2), ("05-04", 3)], [(1, 1, "paused")]),
    CatchUp.NONE: ([("05-04", 3)], [(1, 2, "paused")]),
}


@pytest.mark.parametrize("catch_up", CatchUp)
def test_a_resumed_subscriber_is_charged_exactly_what_catch_up_says(house: House, catch_up: CatchUp) -> None:
    house.plan("plan", catch_up=catch_up, after_outage=NONE)
    sub = house.subscription(plan="plan", started_on=JANUARY_31, customer_ref="c")
    house.tick()
    house.charge()
    pause(house.ports, sub, by=BY)
    house.to(AWAKE)

    resume(house.ports, sub, by=BY)
    _days(house, 3)

    charged, skipped = RESUMED[catch_up]
    assert (_charged(house, sub)[1:], _skipped(house, sub)) == (charged, skipped)
    assert _broken(house) == []
