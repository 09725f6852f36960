"""When a period is charged: never before its time, on a business day where the plan says so, and nothing drifts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING
from uuid import UUID
from zoneinfo import ZoneInfo

import holidays
from hypothesis import given
from hypothesis import strategies as st

from domain.billing_period import Calendar, spread_seconds_of
from domain.business_day import Shift
from domain.identity import subscription_id
from domain.plan_dates import MINIMUM_SHIFT_DAYS
from domain.schedule import Every, Unit
from tests.property.oracles import civil_instant

if TYPE_CHECKING:
    from collections.abc import Sequence

ZONES = ["Asia/Seoul", "America/New_York", "Europe/Berlin", "Pacific/Apia", "Australia/Lord_Howe", "UTC"]
EVERYS = st.builds(
    Every,
    st.integers(1, 3),
    st.sampled_from([Unit.WEEK, Unit.MONTH, Unit.YEAR]),
    st.times(max_value=time(22, 59)).map(lambda at: at.replace(second=0, microsecond=0)),
)
CALENDARS = st.builds(
    Calendar,
    schedule=EVERYS,
    anchored_on=st.dates(date(2020, 1, 1), date(2030, 12, 31)),
    zone_name=st.sampled_from(ZONES),
    shift=st.sampled_from(Shift),
    spread_seconds=st.integers(0, 3_599),
)
ORDINALS = st.integers(0, 60)


def _is_open(day: date) -> bool:
    return day.weekday() < 5 and day not in holidays.country_holidays("KR", years=day.year)


@given(calendar=CALENDARS, ordinal=ORDINALS)
def test_a_period_is_due_on_the_day_that_a_walk_finds(calendar: Calendar, ordinal: int) -> None:
    day = calendar.schedule.start(calendar.anchored_on, ordinal).date()
    step = {Shift.NONE: 0, Shift.NEXT: 1, Shift.PREVIOUS: -1}[calendar.shift]
    while step and not _is_open(day):
        day += timedelta(days=step)

    due_at = calendar.due_at(ordinal) - timedelta(seconds=calendar.spread_seconds)

    assert due_at == civil_instant(day, calendar.schedule.at, calendar.zone_name)


@given(calendar=CALENDARS, ordinals=st.lists(ORDINALS, min_size=2, max_size=8))
def test_no_period_is_due_before_the_one_before_it(calendar: Calendar, ordinals: Sequence[int]) -> None:
    due = [calendar.due_at(ordinal) for ordinal in sorted(ordinals)]

    assert due == sorted(due)


@given(calendar=CALENDARS, ordinal=ORDINALS)
def test_shift_and_spread_never_move_a_period(calendar: Calendar, ordinal: int) -> None:
    plain = Calendar(schedule=calendar.schedule, anchored_on=calendar.anchored_on, zone_name=calendar.zone_name)

    assert calendar.period(ordinal) == plain.period(ordinal)
    assert plain.due_at(ordinal) == plain.start(ordinal)


@given(calendar=CALENDARS, ordinal=ORDINALS)
def test_a_charge_is_due_before_its_period_is_over_and_after_the_one_before_began(
    calendar: Calendar, ordinal: int
) -> None:
    """Which is why a shift needs periods of two weeks: no two charges of a subscription meet on one day."""
    if calendar.schedule.shortest_days < MINIMUM_SHIFT_DAYS:
        calendar = replace(calendar, shift=Shift.NONE)

    due_at = calendar.due_at(ordinal + 1)

    assert calendar.start(ordinal) < due_at < calendar.period(ordinal + 1).end
    assert due_at - calendar.due_at(ordinal) > timedelta(days=1) or calendar.shift is Shift.NONE


@given(numbers=st.lists(st.uuids(version=5), min_size=1), minutes=st.integers(1, 1_439))
def test_a_spread_is_the_same_for_ever_and_within_its_minutes(numbers: list[UUID], minutes: int) -> None:
    spread = [spread_seconds_of(number, spread_minutes=minutes) for number in numbers]

    assert spread == [spread_seconds_of(UUID(str(number)), spread_minutes=minutes) for number in numbers]
    assert all(0 <= seconds < minutes * 60 for seconds in spread)
    assert all(spread_seconds_of(number, spread_minutes=0) == 0 for number in numbers)


def test_a_spread_leaves_no_crowd() -> None:
    """Of a hundred thousand, evenly spread over two hours, no minute has a tenth more or less than its share."""
    counts = [0] * 120
    for number in range(100_000):
        found = subscription_id(
            namespace="shop", customer_ref=f"c{number}", plan_code="basic", started_on=date(2026, 1, 1)
        )
        counts[spread_seconds_of(found, spread_minutes=120) // 60] += 1

    assert max(counts) < 1.2 * 100_000 / 120
    assert min(counts) > 0.8 * 100_000 / 120


@given(anchor=st.integers(1, 31), zone_name=st.sampled_from(ZONES), shift=st.sampled_from([Shift.NEXT, Shift.PREVIOUS]))
def test_a_shifted_month_comes_back_to_its_anchor(anchor: int, zone_name: str, shift: Shift) -> None:
    calendar = Calendar(
        schedule=Every(1, Unit.MONTH), anchored_on=date(2024, 1, anchor), zone_name=zone_name, shift=shift
    )
    for ordinal in range(60):
        start = calendar.start(ordinal).astimezone(ZoneInfo(zone_name)).date()
        due = calendar.due_at(ordinal).astimezone(ZoneInfo(zone_name)).date()
        last = (datetime(2024 + (ordinal + 1) // 12, (ordinal + 1) % 12 + 1, 1, tzinfo=UTC) - timedelta(days=1)).day
        assert start.day == min(anchor, last)
        assert abs(due - start) <= timedelta(days=10)
        assert _is_open(due)
