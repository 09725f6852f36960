"""Korean business days, against the days that the law's announcements name."""

from __future__ import annotations

from datetime import date

import pytest

from domain.business_day import Shift, is_business_day, shifted

#: Public and substitute holidays on weekdays. Source: 관공서의 공휴일에 관한 규정 (public holidays of government
#: offices) as in force in each year, and the announcements of temporary ones.
HOLIDAYS = {
    2024: "01-01 02-09 02-12 03-01 04-10 05-06 05-15 06-06 08-15 09-16 09-17 09-18 10-01 10-03 10-09 12-25",
    2025: "01-01 01-27 01-28 01-29 01-30 03-03 05-05 05-06 06-03 06-06 08-15 10-03 10-06 10-07 10-08 10-09 12-25",
}


@pytest.mark.parametrize("year", HOLIDAYS)
def test_every_weekday_that_is_no_business_day_is_a_known_holiday(year: int) -> None:
    days = [
        date.fromordinal(number) for number in range(date(year, 1, 1).toordinal(), date(year + 1, 1, 1).toordinal())
    ]

    closed = [f"{day:%m-%d}" for day in days if day.isoweekday() <= 5 and not is_business_day(day)]

    assert closed == HOLIDAYS[year].split()


def test_no_saturday_or_sunday_is_a_business_day() -> None:
    assert not any(is_business_day(date(2026, 8, day)) for day in (1, 2, 8, 9))


@pytest.mark.parametrize(
    ("day", "shift", "expected"),
    [
        (date(2025, 10, 3), Shift.NEXT, date(2025, 10, 10)),  # the longest: National Foundation, Chuseok, Hangul
        (date(2025, 10, 9), Shift.PREVIOUS, date(2025, 10, 2)),
        (date(2025, 10, 3), Shift.NONE, date(2025, 10, 3)),
        (date(2025, 5, 31), Shift.NEXT, date(2025, 6, 2)),  # into the next month
        (date(2026, 1, 1), Shift.PREVIOUS, date(2025, 12, 31)),  # into the last year
        (date(2025, 10, 2), Shift.NEXT, date(2025, 10, 2)),
    ],
)
def test_a_charge_moves_to_the_nearest_business_day_on_its_side(day: date, shift: Shift, expected: date) -> None:
    assert shifted(day, shift) == expected
