from __future__ import annotations

from datetime import date, datetime

import pytest

from domain.billing_period import Calendar, CatchUp
from domain.errors import BadInput
from domain.schedule import MAX_ORDINAL, Cron, Every, Unit, parse_cron, parse_every, review_cron

TODAY = date(2026, 1, 31)


@pytest.mark.parametrize(
    ("text", "every"),
    [
        ("1 month", Every(1, Unit.MONTH)),
        ("1 months", Every(1, Unit.MONTH)),
        ("2 weeks", Every(2, Unit.WEEK)),
        ("1 year", Every(1, Unit.YEAR)),
        ("10 days", Every(10, Unit.DAY)),
        ("  3   MONTHS ", Every(3, Unit.MONTH)),
        ("100 years", Every(100, Unit.YEAR)),
    ],
)
def test_an_interval_is_read(text: str, every: Every) -> None:
    assert parse_every(text) == every
    assert parse_every(every.text) == every


@pytest.mark.parametrize(
    "text",
    ["", "month", "0 months", "-1 day", "1.5 month", "1month", "1 fortnight", "01 month", "10000 days", "\uff12 days"],
)
def test_what_is_no_interval_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="write a whole number and day, week, month or year"):
        parse_every(text)


@pytest.mark.parametrize("text", ["101 years", "9999 years", "9999 months", "1201 months", "5201 weeks"])
def test_an_interval_beyond_a_hundred_years_is_a_mistake(text: str) -> None:
    with pytest.raises(BadInput, match="longer than 100 years"):
        parse_every(text)


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("0 10 1 * *", "0 10 1 * *"),
        (" 0  10\t1 * * ", "0 10 1 * *"),
        ("0 10 L * *", "0 10 L * *"),
        ("0 10 * * FRI", "0 10 * * FRI"),
        ("0 10 * MAR,APR THU", "0 10 * MAR,APR THU"),
        ("30 9 1,15 * *", "30 9 1,15 * *"),
        ("0 10 29 2 *", "0 10 29 2 *"),
        ("0 10 15W * *", "0 10 15W * *"),
        ("0 10 * * 5#2", "0 10 * * 5#2"),
    ],
)
def test_a_cron_expression_of_five_fields_is_read(text: str, expression: str) -> None:
    assert parse_cron(text) == Cron(expression)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "has 1 fields"),
        ("@monthly", "write five"),
        ("0 10 1 *", "has 4 fields"),
        ("0 0 10 1 * *", "has 6 fields"),
        ("0 10 1 * * 2026", "has 6 fields"),
        ("* 10 1 * *", "more than once a day"),
        ("0,30 10 1 * *", "more than once a day"),
        ("0 * 1 * *", "more than once a day"),
        ("0 9-10 1 * *", "more than once a day"),
        ("0-59 10 * * *", "more than once a day"),
        ("0 10 R * *", "leaves a field to chance"),
        ("R 10 1 * *", "leaves a field to chance"),
        ("0 10 1 R *", "leaves a field to chance"),
        ("0 10 1 * R", "leaves a field to chance"),
        ("0 10 1 r(1-3) *", "leaves a field to chance"),
        ("0 10 H * *", "leaves a field to chance"),
        ("0 10 * * h", "leaves a field to chance"),
        ("0 10 ? * 1", "leaves a field to chance"),
        ("0 10 5-5 * *", "names one value; write 5"),
        ("0 10 1 2-02 *", "names one value; write 2"),
        ("0 10 * * mon-MON", "names one value"),
        ("0 10 30 2 *", "ever fires"),
        ("0 10 31 2,4,6,9,11 *", "ever fires"),
        ("0 10 32 * *", "ever fires"),
        ("60 10 1 * *", "ever fires"),
        ("0 24 1 * *", "ever fires"),
        ("a b c d e", "ever fires"),
        ("0 10 1 * *;", "ever fires"),
    ],
)
def test_a_cron_expression_that_cannot_bill_is_refused_with_its_reason(text: str, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        parse_cron(text)


def test_leap_day_is_found_over_the_eight_years_around_2100() -> None:
    leap_day = Cron("0 10 29 2 *")

    assert [leap_day.start(date(2095, 1, 1), ordinal).year for ordinal in range(3)] == [2096, 2104, 2108]


@pytest.mark.parametrize(
    ("expression", "skipped"),
    [
        ("0 10 1 * *", 0),
        ("0 10 L * *", 0),
        ("0 10 * * 5", 0),
        ("0 10 29 * *", 3),
        ("0 10 30 * *", 4),
        ("0 10 31 * *", 20),
    ],
)
def test_months_without_a_billing_date_are_warned_of(expression: str, skipped: int) -> None:
    warnings = review_cron(Cron(expression), today=TODAY).warnings

    assert [int(warning.split()[0]) for warning in warnings] == ([skipped] if skipped else [])


def test_a_month_that_is_named_but_has_no_such_day_is_warned_of() -> None:
    (warning,) = review_cron(Cron("0 10 31 1,2 *"), today=TODAY).warnings

    assert warning.startswith("4 of the next 48 months (of those that '1,2' names) have no billing date")


def test_months_that_are_not_named_are_not_warned_of() -> None:
    assert review_cron(Cron("0 10 1 1,4,7,10 *"), today=TODAY).warnings == ()


def test_day_of_month_and_day_of_week_together_are_warned_of() -> None:
    review = review_cron(Cron("0 10 1 * 1"), today=TODAY)

    assert [warning for warning in review.warnings if "bills on either" in warning]
    assert [day.day for day in review.next_dates[:2]] == [1, 2]  # Sunday the 1st, Monday the 2nd


def test_a_review_begins_today_and_shows_two_years_of_months() -> None:
    review = review_cron(Cron("0 10 L * *"), today=TODAY)

    assert review.next_dates[0] == datetime(2026, 1, 31, 10)  # noqa: DTZ001 - civil
    assert len(review.next_dates) == 24
    assert review.next_dates[-1] == datetime(2027, 12, 31, 10)  # noqa: DTZ001 - civil


@pytest.mark.parametrize("ordinal", [-1, MAX_ORDINAL + 1])
def test_an_ordinal_out_of_bounds_is_refused(ordinal: int) -> None:
    with pytest.raises(BadInput, match="check started_on"):
        Calendar(schedule=Every(1, Unit.DAY), anchored_on=TODAY, zone_name="Asia/Seoul").start(ordinal)


def test_more_periods_behind_than_the_bound_are_refused() -> None:
    calendar = Calendar(schedule=Every(1, Unit.DAY), anchored_on=date(2025, 1, 1), zone_name="Asia/Seoul")
    now = calendar.start(121)

    assert calendar.arrears(now=now, catch_up=CatchUp.ALL, max_behind=121).behind_count == 121
    with pytest.raises(BadInput, match="leaves 121 periods to catch up, more than 120"):
        calendar.arrears(now=now, catch_up=CatchUp.ALL, max_behind=120)
    assert calendar.arrears(now=now, catch_up=CatchUp.LATEST, max_behind=120).behind_count == 1
