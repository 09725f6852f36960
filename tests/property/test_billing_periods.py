"""Periods of intervals: contiguous, never drifting, one a month, whatever the anchor and the zone."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.billing_period import Calendar
from domain.instants import civil_date
from domain.schedule import BILLING_TIME, Every, Unit
from tests.property.strategies import ZONES, anchors, calendars, zones

SEOUL = "Asia/Seoul"
YEARS = 50


def _days(calendar: Calendar, count: int) -> list[date]:
    """The civil dates of so many starts; asserts on the way that the periods have no gap and no overlap."""
    periods = [calendar.period(ordinal) for ordinal in range(count)]
    for earlier, later in pairwise(periods):
        assert earlier.end == later.start
        assert earlier.start < earlier.end
    return [civil_date(period.start, calendar.zone_name) for period in periods]


@pytest.mark.parametrize("anchor_day", range(1, 32))
def test_every_anchor_day_bills_once_a_month_for_fifty_years_and_returns_to_its_day(anchor_day: int) -> None:
    calendar = Calendar(schedule=Every(1, Unit.MONTH), anchored_on=date(2024, 1, anchor_day), zone_name=SEOUL)

    days = _days(calendar, YEARS * 12)

    months = [day.year * 12 + day.month for day in days]
    assert months == list(range(months[0], months[0] + YEARS * 12))
    for day in days:
        assert day.day == min(anchor_day, monthrange(day.year, day.month)[1])


@given(started_on=anchors, count=st.integers(min_value=1, max_value=24), zone_name=zones)
def test_months_are_counted_from_the_anchor_in_every_zone(started_on: date, count: int, zone_name: str) -> None:
    calendar = Calendar(schedule=Every(count, Unit.MONTH), anchored_on=started_on, zone_name=zone_name)

    for ordinal, day in enumerate(_days(calendar, 60)):
        assert day.year * 12 + day.month == started_on.year * 12 + started_on.month + ordinal * count
        assert day.day == min(started_on.day, monthrange(day.year, day.month)[1])


def test_a_year_from_leap_day_bills_every_year_once_and_on_leap_day_in_leap_years() -> None:
    calendar = Calendar(schedule=Every(1, Unit.YEAR), anchored_on=date(2024, 2, 29), zone_name=SEOUL)

    days = _days(calendar, YEARS)

    assert [day.year for day in days] == list(range(2024, 2024 + YEARS))
    assert all((day.month, day.day) == (2, 29 if day.year % 4 == 0 else 28) for day in days)


@pytest.mark.parametrize(("unit", "length"), [(Unit.DAY, 1), (Unit.WEEK, 7)])
@given(started_on=anchors, count=st.integers(min_value=1, max_value=60), zone_name=zones)
def test_days_and_weeks_are_civil_ones(unit: Unit, length: int, started_on: date, count: int, zone_name: str) -> None:
    calendar = Calendar(schedule=Every(count, unit), anchored_on=started_on, zone_name=zone_name)

    days = _days(calendar, 60)

    assert days == [started_on + timedelta(days=ordinal * count * length) for ordinal in range(60)]


@pytest.mark.parametrize("zone_name", ZONES)
def test_three_years_of_clock_changes_lose_and_double_no_day(zone_name: str) -> None:
    calendar = Calendar(schedule=Every(1, Unit.DAY), anchored_on=date(2024, 1, 1), zone_name=zone_name)

    days = _days(calendar, 3 * 366)

    assert len(set(days)) == len(days)
    for ordinal in range(0, 3 * 366, 91):
        start = calendar.start(ordinal)
        assert calendar.first_from(start) == ordinal
        assert calendar.first_from(start + timedelta(microseconds=1)) == ordinal + 1


@given(calendar=calendars, ordinal=st.integers(min_value=0, max_value=300))
def test_a_period_is_a_function_of_the_anchor_and_its_ordinal_alone(calendar: Calendar, ordinal: int) -> None:
    asked_first = Calendar(
        schedule=calendar.schedule, anchored_on=calendar.anchored_on, zone_name=calendar.zone_name
    ).period(ordinal)

    for earlier in range(max(0, ordinal - 3), ordinal):
        calendar.period(earlier)

    assert calendar.period(ordinal) == asked_first
    assert asked_first.start < asked_first.end
    assert asked_first.start.tzinfo is UTC


@given(started_on=anchors, zone_name=st.sampled_from([SEOUL, "UTC", "Asia/Tokyo"]))
def test_an_interval_is_due_at_billing_time_of_the_zone(started_on: date, zone_name: str) -> None:
    calendar = Calendar(schedule=Every(1, Unit.MONTH), anchored_on=started_on, zone_name=zone_name)
    hours = 0 if zone_name == "UTC" else 9

    due = calendar.start(0)

    assert due == datetime.combine(started_on, BILLING_TIME, tzinfo=UTC) - timedelta(hours=hours)
