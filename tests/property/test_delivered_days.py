"""In arrears each civil day belongs to one period, whatever the calendar, and whoever stops and goes on when."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from domain.billing_period import Billed
from domain.business_day import Shift
from domain.instants import ONE_DAY, civil_date
from domain.plan_dates import MINIMUM_SHIFT_DAYS
from domain.proration import Share
from tests.property.strategies import calendars

if TYPE_CHECKING:
    from datetime import date, datetime

    from domain.billing_period import Calendar

#: A pause begins with the end of a period; so many periods later, and some hours, it is over.
pauses = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(min_value=0, max_value=24 * 40)), max_size=3
)


def _day(calendar: Calendar, instant: datetime) -> date:
    return civil_date(instant, calendar.zone_name)


@given(calendar=calendars, ordinal=st.integers(0, 60), shift=st.sampled_from([Shift.NONE, Shift.NEXT]))
def test_a_period_in_arrears_is_due_when_the_next_one_would_be(calendar: Calendar, ordinal: int, shift: Shift) -> None:
    if calendar.schedule.shortest_days < MINIMUM_SHIFT_DAYS:
        shift = Shift.NONE
    in_advance = replace(calendar, shift=shift)
    in_arrears = replace(in_advance, billed=Billed.IN_ARREARS)

    assert in_arrears.due_at(ordinal) == in_advance.due_at(ordinal + 1)
    assert in_arrears.due_at(ordinal) >= in_arrears.period(ordinal).end
    assert in_arrears.period(ordinal) == in_advance.period(ordinal)


@given(calendar=calendars, stops=pauses, last=st.integers(min_value=0, max_value=24 * 40))
def test_each_day_that_was_delivered_is_in_one_share_and_no_other_day_is(
    calendar: Calendar, stops: list[tuple[int, int, int]], last: int
) -> None:
    """Stop with a period's end, go on whenever, leave whenever: the days of all shares are the delivered ones."""
    billed: list[date] = []
    delivered: set[date] = set()
    ordinal = 0

    def bill(share: Share, begin: date) -> None:
        billed.extend(begin + n * ONE_DAY for n in range(share.days))

    def run(upto: int) -> None:
        nonlocal ordinal
        for each in range(ordinal, upto):
            period = calendar.period(each)
            begin, end = _day(calendar, period.start), _day(calendar, period.end)
            bill(period.share or Share((end - begin).days, (end - begin).days), begin)
            delivered.update(begin + n * ONE_DAY for n in range((end - begin).days))
        ordinal = upto

    for runs, away, hours in stops:
        run(ordinal + 1 + runs)
        at = calendar.start(ordinal + away) + timedelta(hours=hours)
        upcoming = calendar.first_from(at)
        if _day(calendar, calendar.start(upcoming)) == _day(calendar, at):
            at = calendar.start(upcoming)
        ordinal = upcoming if calendar.start(upcoming) == at else upcoming - 1
        calendar = calendar.goes_on(ordinal, at)
    ends = calendar.start(ordinal) + timedelta(hours=last)
    while calendar.start(ordinal + 1) <= ends:
        run(ordinal + 1)
    begin, today = _day(calendar, calendar.start(ordinal)), _day(calendar, ends)
    share = calendar.delivered(ordinal, ends)
    bill(share, begin)
    delivered.update(begin + n * ONE_DAY for n in range(max(0, (today - begin).days)))

    assert len(billed) == len(set(billed))
    assert set(billed) == delivered
    assert share.days <= share.of_days
