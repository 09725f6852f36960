"""The end of the period that runs, and the hour at which billing goes on: against a walk over the periods."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from domain.business_day import Shift
from domain.instants import zone
from domain.plan_dates import MINIMUM_SHIFT_DAYS
from domain.stop import first_unbilled, goes_on_at
from tests.property.strategies import anchors, calendars, seconds

if TYPE_CHECKING:
    from domain.billing_period import Calendar


@given(
    calendar=calendars,
    ordinal=st.integers(min_value=0, max_value=60),
    late=st.integers(min_value=0, max_value=5),
    offset=seconds,
    shift=st.sampled_from(Shift),
    spread_seconds=st.integers(min_value=0, max_value=7_200),
)
def test_a_stop_comes_with_the_end_of_the_period_that_runs_opened_or_not(
    calendar: Calendar, ordinal: int, late: int, offset: timedelta, shift: Shift, spread_seconds: int
) -> None:
    """However late the opening is: what has begun or is due runs, what begins or is due at this instant does, too."""
    if calendar.schedule.shortest_days < MINIMUM_SHIFT_DAYS:
        shift = Shift.NONE
    calendar = replace(calendar, shift=shift, spread_seconds=spread_seconds)
    now = calendar.start(ordinal + late) + offset

    first = first_unbilled(calendar, unopened=ordinal, now=now)

    later = ordinal
    while calendar.start(later) <= now or calendar.due_at(later) <= now:
        later += 1
    assert first == later
    assert first == 0 or calendar.due_at(first - 1) < calendar.start(first)  # what runs is charged before the end


@given(day=anchors, calendar=calendars, ordinal=st.integers(min_value=0, max_value=60))
def test_billing_goes_on_at_the_hour_of_the_next_period_on_that_civil_day(
    day: date, calendar: Calendar, ordinal: int
) -> None:
    def civil(instant: datetime) -> datetime:
        return instant.astimezone(zone(calendar.zone_name))

    begins = calendar.start(ordinal)

    at = civil(goes_on_at(day, next_billing_at=begins, zone_name=calendar.zone_name))

    wanted = datetime.combine(day, civil(begins).time())
    # But for an hour that clocks skip on that day, which moves on by the gap.
    assert at.replace(tzinfo=None) - wanted in {timedelta(), timedelta(minutes=30), timedelta(hours=1)}
