"""Cron expressions against a reading of our own that shares nothing with croniter."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from domain.billing_period import Calendar
from domain.errors import BadInput
from domain.schedule import Cron, parse_cron, review_cron
from tests.property.oracles import civil_instant, cron_days
from tests.property.strategies import ZONES, anchors, crons, zones
from tests.support.profiles import examples

_YEARS = timedelta(days=5 * 366)


def _parsed(cron: Cron) -> Cron:
    try:
        return parse_cron(cron.expression)
    except BadInput:
        assume(False)  # it never fires: `test_what_is_refused_never_fires`
        raise


@settings(max_examples=examples(50))
@given(cron=crons, started_on=anchors)
def test_fires_are_the_days_that_the_expression_names(cron: Cron, started_on: date) -> None:
    expected = cron_days(cron.expression, started_on, started_on + _YEARS)
    assume(expected)
    parsed = _parsed(cron)

    assert [parsed.start(started_on, ordinal) for ordinal in range(len(expected))] == expected


@given(cron=crons)
def test_what_is_refused_never_fires(cron: Cron) -> None:
    fires = cron_days(cron.expression, date(2000, 1, 1), date(2009, 1, 1))

    if fires:
        assert parse_cron(cron.expression) == cron
    else:
        with pytest.raises(BadInput, match="ever fires"):
            parse_cron(cron.expression)


@given(cron=crons, started_on=anchors, zone_name=zones)
def test_periods_of_a_cron_are_contiguous_and_due_when_the_zones_clock_shows_the_time(
    cron: Cron, started_on: date, zone_name: str
) -> None:
    days = cron_days(cron.expression, started_on, started_on + timedelta(days=500))
    assume(len(days) > 1)
    calendar = Calendar(schedule=_parsed(cron), anchored_on=started_on, zone_name=zone_name)

    periods = [calendar.period(ordinal) for ordinal in range(len(days) - 1)]

    assert [period.start for period in periods] == [
        civil_instant(day.date(), day.time(), zone_name) for day in days[:-1]
    ]
    for earlier, later in pairwise(periods):
        assert earlier.start < earlier.end == later.start


@pytest.mark.parametrize("hour", range(5))
@settings(max_examples=examples(30))
@given(zone_name=st.sampled_from(ZONES))
def test_hours_at_which_clocks_change_bill_every_day_once(hour: int, zone_name: str) -> None:
    calendar = Calendar(schedule=Cron(f"30 {hour} * * *"), anchored_on=date(2024, 1, 1), zone_name=zone_name)

    starts = [calendar.start(ordinal) for ordinal in range(3 * 365)]

    for earlier, later in pairwise(starts):
        assert timedelta(hours=20) < later - earlier < timedelta(hours=28)


@settings(max_examples=examples(40))
@given(cron=crons, today=anchors)
def test_a_review_shows_the_next_24_dates_and_warns_of_months_that_have_none(cron: Cron, today: date) -> None:
    review = review_cron(_parsed(cron), today=today)

    begin = datetime.combine(today, datetime.min.time())
    assert len(review.next_dates) == 24
    assert all(begin <= earlier < later for earlier, later in pairwise(review.next_dates))
    if review.next_dates[-1].date() < today + _YEARS:
        assert list(review.next_dates) == cron_days(cron.expression, today, today + _YEARS)[:24]
    months = range(today.year * 12 + today.month, today.year * 12 + today.month + 48)
    fires = cron_days(cron.expression, today, today + _YEARS)
    fired = {fire.year * 12 + fire.month - 1 for fire in fires}
    named = {fire.month for fire in cron_days(_any_day(cron), date(2024, 1, 1), date(2025, 1, 1))}
    skipped = [index for index in months if index % 12 + 1 in named and index not in fired]
    warned = [warning for warning in review.warnings if "no billing date" in warning]
    assert len(warned) == bool(skipped)
    if warned:
        assert warned[0].startswith(f"{len(skipped)} of the next 48 months")


def _any_day(cron: Cron) -> str:
    minute, hour, _, month, _ = cron.expression.split()
    return f"{minute} {hour} * {month} *"
