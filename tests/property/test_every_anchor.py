"""Every anchor, every interval, fifty years, any zone: the periods are those of a calendar that one walks by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.billing_period import Calendar
from domain.instants import civil_date
from domain.schedule import Cron, Every, Unit
from tests.property.oracles import civil_instant, clock_changes, interval_days
from tests.property.strategies import ZONES, zones
from tests.support.profiles import examples

YEARS = 50
LONG_AGO, A_MOMENT = date(2019, 1, 1), timedelta(microseconds=1)
TEN = time(10)
INTERVALS = (
    *(Every(count, Unit.DAY) for count in (7, 10, 30, 100)),
    *(Every(count, Unit.WEEK) for count in (1, 2, 4)),
    *(Every(count, Unit.MONTH) for count in (1, 2, 3, 6, 12, 13)),
    *(Every(count, Unit.YEAR) for count in (1, 2, 4)),
)
_DAYS_OF = {Unit.DAY: 1, Unit.WEEK: 7, Unit.MONTH: 30.4, Unit.YEAR: 365.25}


def _assert_walked(every: Every, started_on: date, zone_name: str) -> None:
    """The periods of fifty years are contiguous, where a walk finds them, and each has one ordinal."""
    calendar = Calendar(schedule=every, anchored_on=started_on, zone_name=zone_name)
    number = int(YEARS * 365.25 / (every.count * _DAYS_OF[every.unit])) + 1

    starts = [calendar.start(ordinal) for ordinal in range(number)]

    days = interval_days(started_on, every.count, every.unit, number)
    assert starts == [civil_instant(day, TEN, zone_name) for day in days]
    assert all(earlier < later for earlier, later in pairwise(starts))
    for ordinal in {0, 1, *range(2, number - 1, max(1, number // 12)), number - 2}:
        period = calendar.period(ordinal)
        assert (period.start, period.end) == (starts[ordinal], starts[ordinal + 1])
        assert calendar.first_from(period.start) == ordinal
        assert calendar.first_from(period.start + A_MOMENT) == ordinal + 1
        assert calendar.first_from(period.end - A_MOMENT) == ordinal + 1


def _first_days(anchor_day: int) -> st.SearchStrategy[date]:
    """The days of ten years that are this day of their month."""
    days = [LONG_AGO + timedelta(days=count) for count in range(10 * 366)]
    return st.sampled_from([day for day in days if day.day == anchor_day])


@pytest.mark.parametrize("anchor_day", range(1, 32))
@settings(max_examples=examples(1))
@given(data=st.data())
def test_every_interval_from_every_anchor_day_is_where_a_walk_finds_it_for_fifty_years(
    anchor_day: int, data: st.DataObject
) -> None:
    for every in INTERVALS:
        _assert_walked(every, data.draw(_first_days(anchor_day)), data.draw(zones))


@settings(max_examples=examples(3))
@given(started_on=st.dates(min_value=LONG_AGO, max_value=date(2028, 12, 31)), zone_name=zones)
def test_fifty_years_of_days_are_where_a_walk_finds_them(started_on: date, zone_name: str) -> None:
    _assert_walked(Every(1, Unit.DAY), started_on, zone_name)


@pytest.mark.parametrize("anchor_day", range(1, 32))
@settings(max_examples=examples(3))
@given(data=st.data(), zone_name=zones)
def test_every_anchor_day_bills_each_of_48_months_once_on_its_day_or_the_months_last(
    anchor_day: int, data: st.DataObject, zone_name: str
) -> None:
    started_on = data.draw(_first_days(anchor_day))
    calendar = Calendar(schedule=Every(1, Unit.MONTH), anchored_on=started_on, zone_name=zone_name)

    days = [civil_date(calendar.start(ordinal), zone_name) for ordinal in range(48)]

    first = started_on.year * 12 + started_on.month
    assert [day.year * 12 + day.month for day in days] == list(range(first, first + 48))
    assert all(day.day == anchor_day or (day.day < anchor_day and (day + timedelta(1)).day == 1) for day in days)
    # After a short month the anchor is back at once.
    assert all(day.day == anchor_day for day in days if day.month in {1, 3, 5, 7, 8, 10, 12})


@pytest.mark.parametrize("leap_year", [2020, 2024, 2028])
@pytest.mark.parametrize("every", [Every(1, Unit.YEAR), Every(12, Unit.MONTH)], ids=lambda every: every.text)
@settings(max_examples=examples(10))
@given(zone_name=zones)
def test_a_leap_day_bills_each_of_twelve_years_once_and_is_back_in_leap_years(
    leap_year: int, every: Every, zone_name: str
) -> None:
    calendar = Calendar(schedule=every, anchored_on=date(leap_year, 2, 29), zone_name=zone_name)

    days = [civil_date(calendar.start(ordinal), zone_name) for ordinal in range(13)]

    assert days == [date(year, 2, 29 if year % 4 == 0 else 28) for year in range(leap_year, leap_year + 13)]


@settings(max_examples=examples(20))
@given(started_on=st.dates(min_value=LONG_AGO, max_value=date(2028, 12, 31)), data=st.data())
def test_the_zones_own_date_is_the_key_so_the_world_bills_on_the_same_dates_at_other_instants(
    started_on: date, data: st.DataObject
) -> None:
    every = data.draw(st.sampled_from(INTERVALS))
    ahead, behind = (
        Calendar(schedule=every, anchored_on=started_on, zone_name=name)
        for name in ("Pacific/Kiritimati", "Pacific/Pago_Pago")
    )

    for ordinal in range(60):
        there, here = ahead.start(ordinal), behind.start(ordinal)
        assert civil_date(there, ahead.zone_name) == civil_date(here, behind.zone_name)
        assert here - there == timedelta(hours=25)


@cache
def _families() -> list[str]:
    """One zone of each that change their clocks alike."""
    alike: dict[tuple[object, ...], str] = {}
    for name in ZONES:
        changes = clock_changes(name, date(2024, 1, 1), date(2027, 1, 1))
        noons = [civil_instant(date(2024, 1, 1), time(12), name), civil_instant(date(2024, 7, 1), time(12), name)]
        if changes:
            alike.setdefault((*changes, *noons), name)
    return sorted(alike.values())


@pytest.mark.parametrize("schedule", [Cron("30 2 * * *"), Cron("0 0 * * *"), Every(1, Unit.DAY)], ids=lambda s: s.text)
def test_no_change_of_clocks_in_the_world_opens_a_period_twice_or_too_many_at_once(schedule: Cron | Every) -> None:
    families = _families()
    assert len(families) > 20

    for zone_name in families:
        for change in clock_changes(zone_name, date(2024, 1, 1), date(2027, 1, 1)):
            calendar = Calendar(schedule=schedule, anchored_on=change - timedelta(days=3), zone_name=zone_name)
            now = datetime.combine(change, time.min, tzinfo=UTC) - timedelta(hours=6)
            # As the engine does: what has begun by now is opened, and the next one is remembered.
            begun, following = 0, calendar.start(0)
            while following <= now:
                begun, following = begun + 1, calendar.start(begun + 1)
            before = begun
            for _ in range(2 * 36):
                opened = 0
                while following <= now:
                    begun, following, opened = begun + 1, calendar.start(begun + 1), opened + 1
                assert opened <= 1
                assert begun == calendar.first_from(now + A_MOMENT)
                now += timedelta(minutes=30)
            assert begun - before in {1, 2}
