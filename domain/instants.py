"""How instants (aware UTC) and civil dates (of a zone) turn into one another."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from domain.errors import BadInput, NaiveInstant

ONE_DAY = timedelta(days=1)

#: Files that a host may keep among its zones: no zones of the world, and not the same on the next host.
_OF_THE_HOST = ("localtime", "posixrules")


def require_utc(instant: datetime) -> datetime:
    """Give the same instant in UTC.

    Raises:
        NaiveInstant: It came without an offset.
    """
    if instant.tzinfo is None or instant.utcoffset() is None:
        raise NaiveInstant(f"{instant.isoformat()} has no offset")
    return instant.astimezone(UTC)


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """Look up an IANA time zone.

    Raises:
        BadInput: There is none of that name.
    """
    unknown = BadInput(f"timezone {name!r} is unknown; use an IANA name such as Asia/Seoul or America/New_York")
    if name in _OF_THE_HOST or name.startswith(("posix/", "right/")):
        raise unknown
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise unknown from error


def instant_of(day: date, at: time, zone_name: str) -> datetime:
    """The UTC instant of a civil time in a zone.

    A time that a zone skips (clocks go forward) moves forward by the gap; one that happens twice is the first.
    """
    return datetime.combine(day, at, tzinfo=zone(zone_name)).astimezone(UTC)


def civil_date(instant: datetime, zone_name: str) -> date:
    """The civil date that an instant falls on in a zone."""
    return require_utc(instant).astimezone(zone(zone_name)).date()


def civil_day(instant: datetime, zone_name: str) -> tuple[datetime, datetime]:
    """The half-open span of UTC instants of the civil day that an instant falls on."""
    day = civil_date(instant, zone_name)
    return instant_of(day, time.min, zone_name), instant_of(day + ONE_DAY, time.min, zone_name)
