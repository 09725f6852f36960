"""Periods on the database's clock: at their instant, once, all of them, wherever the subscriber lives."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import pytest

from billing.open_period import open_due_periods
from domain.billing_period import Calendar
from domain.schedule import Cron, Every, Unit
from tests.property.oracles import civil_instant, interval_days
from tests.support.fleet import seed_of_run

if TYPE_CHECKING:
    from uuid import UUID

    from tests.support.house import House

#: Clocks that change by an hour, by half an hour, at midnight, around Ramadan, by two hours; and both ends of a day.
ZONES: Final = (
    "Asia/Seoul", "America/Juneau", "UTC", "Australia/Lord_Howe", "Africa/Cairo", "Africa/Casablanca",
    "Antarctica/Troll", "America/Santiago", "Asia/Kathmandu", "Pacific/Kiritimati", "Pacific/Pago_Pago",
)  # fmt: skip
A_MOMENT: Final = timedelta(microseconds=1)
TEN: Final = time(10)


def _opened(house: House) -> dict[UUID, list[datetime]]:
    """Starts of all opened periods of each subscription, by ordinal; asserts that none is missing in between."""
    found: dict[UUID, list[datetime]] = {}
    for row in house.rows("SELECT subscription_id, ordinal, period_start FROM invoice ORDER BY ordinal"):
        starts = found.setdefault(row.subscription_id, [])
        assert row.ordinal == len(starts)
        starts.append(row.period_start)
    return found


@pytest.mark.parametrize("zone_name", ["Asia/Seoul", "America/Juneau", "Pacific/Kiritimati"])
def test_no_boundary_of_a_short_month_hides_or_doubles_an_invoice_and_none_comes_a_moment_early(
    house: House, zone_name: str
) -> None:
    anchors = [date(2026, 1, day) for day in (28, 29, 30, 31)]
    subs = {house.subscription(started_on=anchor, zone=zone_name): anchor for anchor in anchors}
    due = {sub: [civil_instant(day, TEN, zone_name) for day in interval_days(anchor, 1, "month", 15)]
           for sub, anchor in subs.items()}  # fmt: skip

    for instant in sorted({start for starts in due.values() for start in starts if start > house.now}):
        house.to(instant - A_MOMENT)
        open_due_periods(house.ports)
        assert _opened(house) == _begun(due, house.now)
        house.to(instant)
        open_due_periods(house.ports)
        open_due_periods(house.ports)
        assert _opened(house) == _begun(due, house.now)
    house.charge()
    house.charge()

    assert house.paid_at_gateway() == {
        house.uid(sub, ordinal)[:-3]: 1 for sub, starts in due.items() for ordinal in range(len(starts))
    }


def _begun(due: dict[UUID, list[datetime]], now: datetime) -> dict[UUID, list[datetime]]:
    begun = {sub: [start for start in starts if start <= now] for sub, starts in due.items()}
    return {sub: starts for sub, starts in begun.items() if starts}


def test_ticks_that_are_lost_doubled_or_late_open_every_civil_day_of_every_zone_once(house: House) -> None:
    chance = random.Random(seed_of_run())
    house.plan("night", cron="30 2 * * *")
    house.plan("day", every="1 day")
    begin = date(2026, 2, 1)
    subs = {
        house.subscription(plan=plan, started_on=begin, zone=zone_name): (schedule, zone_name)
        for zone_name in ZONES
        for plan, schedule in (("night", Cron("30 2 * * *")), ("day", Every(1, Unit.DAY)))
    }

    # Over every change of clocks from March to May; sometimes a day and more without a tick, sometimes three at once.
    while house.now < datetime(2026, 5, 10, tzinfo=UTC):
        slept = timedelta(minutes=chance.choice([1, 29, 60, 600, 1800]))
        house.to(house.now + slept)
        for _ in range(chance.choice([1, 1, 3])):
            opened = open_due_periods(house.ports)
            assert opened.set_aside == 0
            assert opened.invoices <= len(subs) * (slept // timedelta(days=1) + 2)

    for sub, starts in _opened(house).items():
        schedule, zone_name = subs[sub]
        days = Counter(start.astimezone(ZoneInfo(zone_name)).date() for start in starts)
        assert sorted(days) == [begin + timedelta(days=count) for count in range(len(starts))]
        assert starts == [civil_instant(day, schedule.start(begin, 0).time(), zone_name) for day in sorted(days)]
        assert starts[-1] <= house.now < starts[-1] + timedelta(hours=26)
        calendar = Calendar(schedule=schedule, anchored_on=begin, zone_name=zone_name)
        assert house.value("SELECT next_billing_at FROM subscription WHERE id = :id", id=sub) == calendar.start(
            len(starts)
        )
