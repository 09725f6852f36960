"""Billing days and their partial periods, whenever somebody begins and however often the day is moved."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.billing_period import Calendar
from domain.business_day import Shift
from domain.errors import RuleBroken
from domain.instants import civil_date
from domain.proration import Share
from domain.schedule import Every, Schedule, Unit, has_billing_days
from tests.property.strategies import anchors, schedules, zones

if TYPE_CHECKING:
    from domain.billing_period import BillingPeriod

MONTHS = {Every(1, Unit.MONTH): 1, Every(3, Unit.MONTH): 3, Every(7, Unit.MONTH): 7, Every(1, Unit.YEAR): 12}
ONE_DAY = timedelta(days=1)
billing_days = st.integers(1, 31)
#: Every combination of these is walked; the dates and zones are drawn.
EVERIES = pytest.mark.parametrize("every", list(MONTHS), ids=lambda every: every.text)


def _is_billing_day(day: date, billing_day: int) -> bool:
    return day.day == billing_day or (billing_day > day.day and (day + ONE_DAY).day == 1)


def _walked(begin: date, billing_day: int) -> date:
    """The first date from one on that is a billing day, one day after the other."""
    while not _is_billing_day(begin, billing_day):
        begin += ONE_DAY
    return begin


def _stepped(day: date, months: int, billing_day: int) -> date:
    """The billing day so many months later, or earlier, one month after the other."""
    year, month = day.year, day.month
    for _ in range(abs(months)):
        month += 1 if months > 0 else -1
        if month in {0, 13}:
            year, month = (year - 1, 12) if month == 0 else (year + 1, 1)
    return date(year, month, min(billing_day, monthrange(year, month)[1]))


def _days_of(calendar: Calendar, period: BillingPeriod) -> tuple[date, date]:
    return civil_date(period.start, calendar.zone_name), civil_date(period.end, calendar.zone_name)


def _counted(begin: date, end: date) -> int:
    count = 0
    while begin < end:
        begin, count = begin + ONE_DAY, count + 1
    return count


@EVERIES
@given(begin=anchors, billing_day=billing_days, zone_name=zones)
def test_a_first_partial_period_leads_to_the_billing_day_and_every_other_one_is_whole(
    every: Every, begin: date, billing_day: int, zone_name: str
) -> None:
    calendar = Calendar(schedule=every, anchored_on=begin, zone_name=zone_name).from_billing_day(0, billing_day)

    periods = [calendar.period(ordinal) for ordinal in range(16)]

    first_whole = _walked(begin, billing_day)
    partial = [period for period in periods if period.share is not None]
    assert [period.ordinal for period in partial] == ([] if first_whole == begin else [0])
    assert _days_of(calendar, periods[0])[0] == begin
    for earlier, later in pairwise(periods):
        assert earlier.start < earlier.end == later.start
    whole = [period for period in periods if period.share is None]
    for number, period in enumerate(whole):
        expected = [_stepped(first_whole, MONTHS[every] * steps, billing_day) for steps in (number, number + 1)]
        assert list(_days_of(calendar, period)) == expected
    for period in partial:
        assert period.share is not None
        of_days = _counted(_stepped(first_whole, -MONTHS[every], billing_day), first_whole)
        assert (period.share.days, period.share.of_days) == (_counted(begin, first_whole), of_days)
        assert 0 < period.share.days < period.share.of_days
    for ordinal, period in enumerate(periods):
        assert calendar.first_from(period.start) == ordinal


@given(
    every=st.sampled_from(list(MONTHS)),
    begin=anchors,
    first_day=st.none() | billing_days,
    zone_name=zones,
    shift=st.sampled_from(Shift),
    moves=st.lists(st.tuples(st.integers(0, 5), billing_days), max_size=6),
)
def test_however_often_the_billing_day_is_moved_no_day_is_lost_or_owed_twice(
    every: Every, begin: date, first_day: int | None, zone_name: str, shift: Shift, moves: list[tuple[int, int]]
) -> None:
    calendar = Calendar(schedule=every, anchored_on=begin, zone_name=zone_name, shift=shift)
    if first_day is not None:
        calendar = calendar.from_billing_day(0, first_day)
    opened: list[BillingPeriod] = []
    owed, per_day = Fraction(0), Fraction(0)
    for more, day in [*moves, (3, 0)]:
        for ordinal in range(len(opened), len(opened) + more):
            period = calendar.period(ordinal)
            first, after = _days_of(calendar, period)
            assert _is_billing_day(after, calendar.day)
            whole_from = _stepped(after, -MONTHS[every], calendar.day)
            of_days = _counted(whole_from, after)
            assert (period.share is None) == (first == whole_from)
            owed += 1 if period.share is None else Fraction(period.share.days, period.share.of_days)
            per_day += _counted(first, after) * Fraction(1, of_days)
            opened.append(period)
        if day:
            begins = calendar.start(len(opened))
            calendar = calendar.from_billing_day(len(opened), day)
            assert (calendar.start(len(opened)), calendar.day) == (begins, day)
            assert calendar.first_known <= len(opened)

    assert opened[0].start == Calendar(schedule=every, anchored_on=begin, zone_name=zone_name).start(0)
    assert all(earlier.end == later.start for earlier, later in pairwise(opened))
    assert owed == per_day
    told = [calendar.start(ordinal) for ordinal in range(len(opened))]
    assert all(earlier < later for earlier, later in pairwise(told))
    # What was before the newest anchor is never told later than it was, so that a minimum term is never over late.
    assert all(start <= period.start for start, period in zip(told, opened, strict=True))
    due = [calendar.due_at(ordinal) for ordinal in range(calendar.first_known, len(opened) + 3)]
    assert due == sorted(due)


@given(
    schedule=schedules,
    begin=anchors,
    zone_name=zones,
    number=st.integers(0, 60) | st.integers(0, 50_000),
    billing_day=st.none() | billing_days,
    data=st.data(),
)
def test_a_calendar_that_is_numbered_on_is_in_order_as_far_back_as_it_is_asked(
    schedule: Schedule, begin: date, zone_name: str, number: int, billing_day: int | None, data: st.DataObject
) -> None:
    calendar = Calendar(schedule=schedule, anchored_on=begin, zone_name=zone_name)
    if billing_day is not None and has_billing_days(schedule):
        calendar = calendar.from_billing_day(0, billing_day)
    numbered = replace(calendar, anchor_ordinal=calendar.anchor_ordinal + number)
    asked = sorted({0, number, *data.draw(st.lists(st.integers(0, number + 5), max_size=6))})

    starts = [numbered.start(ordinal) for ordinal in asked]

    assert starts == sorted(starts)
    assert all(start < numbered.start(number) for start, ordinal in zip(starts, asked, strict=True) if ordinal < number)
    for ordinal in range(4):
        assert numbered.start(number + ordinal) == calendar.start(ordinal)
        assert numbered.share(number + ordinal) == calendar.share(ordinal)
        assert numbered.first_from(calendar.start(ordinal)) == number + ordinal


@given(won=st.integers(0, 10**9), of_days=st.integers(1, 3_700), data=st.data())
def test_a_share_is_rounded_down_once_and_the_parts_of_a_whole_are_never_more_than_it(
    won: int, of_days: int, data: st.DataObject
) -> None:
    cuts = sorted({0, of_days, *data.draw(st.lists(st.integers(0, of_days), max_size=5))})
    parts = [Share(later - earlier, of_days).of(won) for earlier, later in pairwise(cuts)]
    tax_free = data.draw(st.integers(0, won))

    assert Share(of_days, of_days).of(won) == won
    assert Share(0, of_days).of(won) == 0
    assert 0 <= won - sum(parts) < max(1, len(parts))
    for days in range(0, of_days, max(1, of_days // 7)):
        assert Share(days, of_days).of(won) == (won * Fraction(days, of_days)).__floor__()
        assert 0 <= Share(days, of_days).of(tax_free) <= Share(days, of_days).of(won)


def test_what_is_no_part_of_a_whole_is_refused() -> None:
    for days, of_days in ((-1, 31), (32, 31), (0, 0)):
        with pytest.raises(RuleBroken, match="no share"):
            Share(days, of_days)
    assert (Share(15, 31).words, Share(0, 1).words) == ("15 of 31 days", "0 of 1 day")
