"""What is behind when a subscription comes to us: against a walk over the periods, one by one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from domain.billing_period import Calendar, CatchUp, SkipReason
from domain.instants import ONE_DAY, civil_date
from tests.property import oracles
from tests.property.strategies import anchors, calendars, instants, seconds

_PLENTY = 10_000


@given(calendar=calendars, instant=instants)
def test_the_first_period_from_an_instant_is_the_one_that_a_walk_finds(calendar: Calendar, instant: datetime) -> None:
    assert calendar.first_from(instant) == oracles.first_from(calendar, instant)


@given(calendar=calendars, ordinal=st.integers(min_value=0, max_value=200), offset=seconds)
def test_the_first_period_near_a_start_is_found_to_the_second(
    calendar: Calendar, ordinal: int, offset: timedelta
) -> None:
    instant = calendar.start(ordinal) + offset

    assert calendar.first_from(instant) == oracles.first_from(calendar, instant)


@given(
    calendar=calendars,
    now=instants,
    catch_up=st.sampled_from(CatchUp),
    from_ordinal=st.integers(min_value=0, max_value=40),
    paid_through=st.none() | anchors,
)
def test_skips_and_opened_periods_cover_everything_behind_exactly_once(
    calendar: Calendar, now: datetime, catch_up: CatchUp, from_ordinal: int, paid_through: date | None
) -> None:
    arrears = calendar.arrears(
        now=now, catch_up=catch_up, from_ordinal=from_ordinal, paid_through=paid_through, max_behind=_PLENTY
    )

    skipped = [ordinal for skip in arrears.skips for ordinal in range(skip.first, skip.last + 1)]
    opened = list(range(arrears.first, arrears.current))
    assert skipped + opened == list(range(from_ordinal, max(from_ordinal, arrears.current)))
    assert arrears.behind_count == len(opened)
    for ordinal in range(from_ordinal, arrears.current):
        is_paid = paid_through is not None and _starts_on(calendar, ordinal) <= paid_through
        assert is_paid or calendar.period(ordinal).end <= now
    if arrears.current > from_ordinal or calendar.start(arrears.current) <= now:
        assert calendar.period(arrears.current).end > now


@given(
    calendar=calendars,
    now=instants,
    catch_up=st.sampled_from(CatchUp),
    opened_before=st.integers(min_value=0, max_value=40),
    paid_through=st.none() | anchors,
    more=st.integers(min_value=1, max_value=40),
)
def test_of_a_number_of_periods_none_after_the_last_is_opened_or_skipped(
    calendar: Calendar, now: datetime, catch_up: CatchUp, opened_before: int, paid_through: date | None, more: int
) -> None:
    term = replace(calendar, periods=opened_before + more)
    same: dict[str, Any] = {
        "now": now,
        "from_ordinal": opened_before,
        "paid_through": paid_through,
        "max_behind": _PLENTY,
    }

    arrears = term.arrears(catch_up=catch_up, **same)

    skipped = [ordinal for skip in arrears.skips for ordinal in range(skip.first, skip.last + 1)]
    opened = list(range(arrears.first, arrears.current))
    assert skipped + opened == list(range(opened_before, arrears.current))
    assert all(map(term.has, skipped + opened))
    unbounded = calendar.arrears(catch_up=catch_up, **same)
    assert arrears == unbounded if term.has(unbounded.current) else arrears.current == term.periods


@given(
    calendar=calendars,
    now=instants,
    catch_up=st.sampled_from(CatchUp),
    from_ordinal=st.integers(min_value=0, max_value=40),
    paid_through=st.none() | anchors,
)
def test_what_is_skipped_is_skipped_for_its_reason(
    calendar: Calendar, now: datetime, catch_up: CatchUp, from_ordinal: int, paid_through: date | None
) -> None:
    arrears = calendar.arrears(
        now=now, catch_up=catch_up, from_ordinal=from_ordinal, paid_through=paid_through, max_behind=_PLENTY
    )

    reasons = {ordinal: skip.reason for skip in arrears.skips for ordinal in range(skip.first, skip.last + 1)}
    for ordinal in range(from_ordinal, arrears.current):
        is_paid = paid_through is not None and _starts_on(calendar, ordinal) <= paid_through
        is_last = ordinal == arrears.current - 1
        wanted = catch_up is CatchUp.ALL or (catch_up is CatchUp.LATEST and is_last)
        expected = SkipReason.PAID_ELSEWHERE if is_paid else None if wanted else SkipReason.CATCH_UP
        assert reasons.get(ordinal) == expected


@given(calendar=calendars, ordinal=st.integers(min_value=1, max_value=100), catch_up=st.sampled_from(CatchUp))
def test_a_period_that_ends_exactly_now_is_behind(calendar: Calendar, ordinal: int, catch_up: CatchUp) -> None:
    now = calendar.start(ordinal)

    arrears = calendar.arrears(now=now, catch_up=catch_up, max_behind=_PLENTY)

    assert arrears.current == ordinal
    assert calendar.arrears(now=now - timedelta(microseconds=1), catch_up=catch_up, max_behind=_PLENTY).current == (
        ordinal - 1
    )


def _starts_on(calendar: Calendar, ordinal: int) -> date:
    return civil_date(calendar.start(ordinal), calendar.zone_name)


def test_the_oracle_knows_midnights_that_do_not_exist() -> None:
    # Beirut, 31 March 2024: clocks go from 00:00 to 01:00.
    assert oracles.civil_instant(date(2024, 3, 31), time.min, "Asia/Beirut") == datetime(2024, 3, 30, 22, tzinfo=UTC)
    assert oracles.civil_instant(date(2024, 3, 31) + ONE_DAY, time.min, "Asia/Beirut") == datetime(
        2024, 3, 31, 21, tzinfo=UTC
    )
