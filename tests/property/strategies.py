"""Values of the domain, for Hypothesis."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, date, datetime, timedelta

from hypothesis import strategies as st

from domain.billing_period import Calendar
from domain.schedule import Cron, Every, Unit

#: Every zone of the world, without the files that a host keeps beside them.
ZONES = tuple(
    sorted(
        name
        for name in zoneinfo.available_timezones()
        if not name.startswith(("posix/", "right/")) and name not in {"localtime", "posixrules", "Factory"}
    )
)

zones = st.sampled_from(ZONES)
anchors = st.dates(min_value=date(2019, 1, 1), max_value=date(2028, 12, 31))
instants = st.datetimes(min_value=datetime(2019, 1, 1), max_value=datetime(2032, 12, 31)).map(  # noqa: DTZ001 - made UTC
    lambda naive: naive.replace(tzinfo=UTC)
)
#: Instants around whole seconds of a span of hours: where equalities live.
seconds = st.integers(min_value=-7200, max_value=7200).map(lambda count: timedelta(seconds=count))

everies = st.builds(
    Every,
    st.integers(min_value=1, max_value=40),
    st.sampled_from(list(Unit)),
).filter(lambda every: every.unit is not Unit.YEAR or every.count <= 4)


def _field(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(min_value=low, max_value=high)
    ends = st.lists(number, min_size=2, max_size=2, unique=True).map(sorted)
    span = ends.map(lambda pair: f"{pair[0]}-{pair[1]}")
    stepped = st.tuples(span, st.integers(min_value=1, max_value=5)).map(lambda pair: f"{pair[0]}/{pair[1]}")
    one = st.one_of(number.map(str), span, stepped)
    return st.one_of(st.just("*"), st.lists(one, min_size=1, max_size=3).map(",".join))


crons = st.builds(
    lambda minute, hour, day, month, weekday: Cron(f"{minute} {hour} {day} {month} {weekday}"),
    st.integers(min_value=0, max_value=59),
    st.integers(min_value=0, max_value=23),
    _field(1, 31),
    _field(1, 12),
    _field(0, 6),
)
#: Some that bill nobody's idea of a month, at hours when clocks change.
odd_crons = st.sampled_from(
    [
        Cron("30 2 * * *"),
        Cron("0 0 * * *"),
        Cron("30 1 1 * *"),
        Cron("0 10 L * *"),
        Cron("0 10 29 2 *"),
        Cron("0 10 31 * *"),
        Cron("15 3 1 * 1"),
        Cron("0 10 * * 5#2"),
    ]
)
schedules = st.one_of(everies, odd_crons)
calendars = st.builds(Calendar, schedule=schedules, anchored_on=anchors, zone_name=zones)
