from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone

import pytest

from domain.errors import BadInput, NaiveInstant
from domain.instants import civil_date, civil_day, instant_of, require_utc, zone

TEN = time(10, 0)


@pytest.mark.parametrize(
    ("day", "at", "zone_name", "expected"),
    [
        (date(2026, 1, 31), TEN, "Asia/Seoul", "2026-01-31T01:00"),
        (date(1988, 5, 8), time(2, 30), "Asia/Seoul", "1988-05-07T17:30"),  # skipped: Korea had daylight saving
        (date(2026, 3, 8), time(2, 30), "America/New_York", "2026-03-08T07:30"),  # skipped: forward by the gap
        (date(2026, 11, 1), time(1, 30), "America/New_York", "2026-11-01T05:30"),  # twice: the first
        (date(2024, 3, 31), time(0, 0), "Asia/Beirut", "2024-03-30T22:00"),  # no midnight on that day
        (date(2026, 10, 4), time(2, 15), "Australia/Lord_Howe", "2026-10-03T15:45"),  # half an hour
    ],
)
def test_a_civil_time_is_one_instant(day: date, at: time, zone_name: str, expected: str) -> None:
    assert instant_of(day, at, zone_name) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_a_civil_date_is_the_zones() -> None:
    instant = datetime(2026, 1, 31, 16, tzinfo=UTC)

    assert civil_date(instant, "Asia/Seoul") == date(2026, 2, 1)
    assert civil_date(instant, "America/New_York") == date(2026, 1, 31)


@pytest.mark.parametrize(
    ("day", "zone_name", "hours"),
    [
        (datetime(2026, 1, 31, 1, tzinfo=UTC), "Asia/Seoul", 24),
        (datetime(2026, 3, 8, 18, tzinfo=UTC), "America/New_York", 23),
        (datetime(2026, 11, 1, 18, tzinfo=UTC), "America/New_York", 25),
    ],
)
def test_a_civil_day_is_as_long_as_its_zone_makes_it(day: datetime, zone_name: str, hours: int) -> None:
    begin, end = civil_day(day, zone_name)

    assert end - begin == timedelta(hours=hours)


def test_an_instant_with_another_offset_is_the_same_instant() -> None:
    assert require_utc(datetime(2026, 1, 31, 10, tzinfo=timezone(timedelta(hours=9)))) == datetime(
        2026, 1, 31, 1, tzinfo=UTC
    )


def test_an_instant_without_an_offset_is_refused() -> None:
    with pytest.raises(NaiveInstant, match="has no offset"):
        require_utc(datetime(2026, 1, 31, 10))  # noqa: DTZ001 - what it is about


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Seoul",
        "KST9",
        "asia/seoul ",
        "/etc/passwd",
        "../Asia/Seoul",
        "Asia",
        "Asia/Seoul\0",
        "localtime",
        "posixrules",
        "posix/Asia/Seoul",
        "right/Asia/Seoul",
    ],
)
def test_what_is_no_zone_of_the_world_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match="use an IANA name"):
        zone(name)
