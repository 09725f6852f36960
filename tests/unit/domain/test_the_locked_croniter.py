"""What the croniter that the lock names does at the dates where earlier ones were wrong, and how a plan meets it."""

from __future__ import annotations

import itertools
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from domain.billing_period import Calendar
from domain.errors import BadInput
from domain.instants import civil_date
from domain.schedule import Cron, parse_cron
from tests.property.oracles import cron_days
from tests.support.zones import WORLD, living_in

if TYPE_CHECKING:
    from collections.abc import Iterator


def _dates(expression: str, started_on: date, number: int) -> list[date]:
    cron = parse_cron(expression)
    return [cron.start(started_on, ordinal).date() for ordinal in range(number)]


@pytest.mark.parametrize("year", [2023, 2024, 2100])
@pytest.mark.parametrize("expression", ["0 10 1 * *", "0 10 1,15 * *", "0 10 */2 * *", "0 0 1 3 *", "0 0 * 3 *"])
def test_the_first_of_march_is_not_skipped_whenever_one_begins(expression: str, year: int) -> None:
    for before in range(70):
        begin = date(year, 3, 1) - timedelta(days=before)
        days = cron_days(_written_out(expression), begin, date(year, 3, 2))

        assert _dates(expression, begin, len(days)) == [day.date() for day in days]
        assert days[-1].date() == date(year, 3, 1)


def _written_out(expression: str) -> str:
    return expression.replace("*/2", "1-31/2")


@pytest.mark.parametrize("zone_name", ["Europe/Berlin", "America/New_York", "America/Juneau", "Australia/Lord_Howe"])
@pytest.mark.parametrize("hour", range(4))
def test_a_change_of_clocks_neither_doubles_nor_skips_a_fire(zone_name: str, hour: int) -> None:
    calendar = Calendar(schedule=parse_cron(f"30 {hour} * * *"), anchored_on=date(2026, 1, 1), zone_name=zone_name)

    days = [civil_date(calendar.start(ordinal), zone_name) for ordinal in range(366)]

    assert days == [date(2026, 1, 1) + timedelta(days=ordinal) for ordinal in range(366)]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 10 31 * *", "01-31 03-31 05-31 07-31 08-31 10-31 12-31"),
        ("0 10 30 * *", "01-30 03-30 04-30 05-30 06-30 07-30 08-30 09-30 10-30 11-30 12-30"),
        ("0 10 L * *", "01-31 02-28 03-31 04-30 05-31 06-30 07-31 08-31 09-30 10-31 11-30 12-31"),
        ("0 10 31,L 1-3 *", "01-31 02-28 03-31"),
        ("0 10 25W 1-4 *", "01-26 02-25 03-25 04-24"),
        ("0 10 1 6 1", "06-01 06-08 06-15 06-22 06-29"),
        ("0 10 1 7 1", "07-01 07-06 07-13 07-20 07-27"),
    ],
)
def test_a_year_of_an_expression_is_what_cron_means_by_it(expression: str, expected: str) -> None:
    days = _of_the_year(2026, parse_cron(expression))

    assert " ".join(f"{day:%m-%d}" for day in days) == expected


def _of_the_year(year: int, cron: Cron) -> Iterator[datetime]:
    fires = (cron.start(date(year, 1, 1), ordinal) for ordinal in itertools.count())
    return itertools.takewhile(lambda fire: fire.year == year, fires)


def test_leap_day_fires_every_fourth_year() -> None:
    assert _dates("0 10 29 2 *", date(2025, 1, 1), 3) == [date(2028, 2, 29), date(2032, 2, 29), date(2036, 2, 29)]


@pytest.mark.parametrize("expression", ["0 10 LW * *", "0 10 31 2 *"])
def test_what_it_cannot_do_is_refused_when_the_plan_is_read(expression: str) -> None:
    with pytest.raises(BadInput, match="ever fires"):
        parse_cron(expression)


@pytest.mark.parametrize("zone_name", WORLD)
def test_civil_fires_are_the_same_wherever_the_process_lives(zone_name: str) -> None:
    # From 2025 on, so that no earlier test has them cached: 9 March is the day on which Juneau skips 02:00 to 03:00.
    begin = date(2025, 3, 1) - timedelta(days=WORLD.index(zone_name))
    with living_in(zone_name):
        fires = [Cron("30 2 * * *").start(begin, ordinal) for ordinal in range(30)]

    assert fires == [datetime(begin.year, begin.month, begin.day, 2, 30) + timedelta(days=n) for n in range(30)]  # noqa: DTZ001 - civil
