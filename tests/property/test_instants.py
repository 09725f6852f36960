"""Civil days of every zone: spans without a gap, each instant in exactly one."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.instants import ONE_DAY, civil_date, civil_day, instant_of, require_utc
from tests.property.oracles import civil_instant
from tests.property.strategies import ZONES, instants, zones


@given(instant=instants, zone_name=zones)
def test_an_instant_lies_in_its_civil_day(instant: datetime, zone_name: str) -> None:
    begin, end = civil_day(instant, zone_name)

    assert begin <= instant < end
    assert civil_date(begin, zone_name) == civil_date(end - timedelta(microseconds=1), zone_name)
    assert timedelta(hours=22) <= end - begin <= timedelta(hours=26)


@pytest.mark.parametrize("zone_name", ZONES)
def test_civil_days_follow_one_another_through_three_years(zone_name: str) -> None:
    instant = datetime(2024, 1, 1, 12, tzinfo=UTC)
    begin, end = civil_day(instant, zone_name)
    day = civil_date(instant, zone_name)
    for _ in range(3 * 366):
        begin, following = civil_day(end, zone_name)
        assert begin == end
        assert civil_date(begin, zone_name) == day + ONE_DAY
        day, end = day + ONE_DAY, following


@given(
    day=st.dates(min_value=date(2019, 1, 1), max_value=date(2032, 1, 1)),
    at=st.times().map(lambda at: at.replace(microsecond=0)),
    zone_name=zones,
)
def test_a_civil_time_that_is_skipped_moves_forward_and_one_that_is_doubled_is_the_first(
    day: date, at: time, zone_name: str
) -> None:
    assert instant_of(day, at, zone_name) == civil_instant(day, at, zone_name)


@given(instant=instants, hours=st.integers(min_value=-14, max_value=14))
def test_an_instant_is_the_same_in_utc(instant: datetime, hours: int) -> None:
    elsewhere = instant.astimezone(timezone(timedelta(hours=hours)))

    assert require_utc(elsewhere) == instant
    assert require_utc(elsewhere).tzinfo is UTC
