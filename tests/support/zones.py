"""In which time zones does a run live? The process has one, the databases have another, and neither may matter.

By default both are hostile: far from Seoul and from UTC, on different civil days for most of every day, and the
process's clocks change. ``--process-zone`` and ``--database-zone`` choose others:

    pytest tests/integration/billing --process-zone UTC --database-zone America/Juneau

``make test-zones`` runs what touches time, ``-m touches_time``, in all nine pairs of ``WORLD``.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from functools import cache
from typing import TYPE_CHECKING, Final

from tests.support.source_tree import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import pytest

#: Where servers live, where the merchants do, and where hardly anybody does: nine hours behind, and clocks change.
WORLD: Final = ("UTC", "Asia/Seoul", "America/Juneau")
#: Three pairs (process, database) in which each is once on either side.
EACH_ONCE: Final = (("UTC", "America/Juneau"), ("Asia/Seoul", "UTC"), ("America/Juneau", "Asia/Seoul"))

#: Tests whose answer could depend on where a process or a database lives: calendars, instants, windows, days of dunning
#: and of forecasts, catching up, imports, what commands show, the gateway's timestamps, hooks, the one clock. Files
#: that name a zone are among them unasked.
TOUCH_TIME: Final = (
    "tests/integration/billing/test_adopt_schedules.py",
    "tests/integration/billing/test_adopted_in_their_moment.py",
    "tests/integration/billing/test_after_a_brake.py",
    "tests/integration/billing/test_brakes.py",
    "tests/integration/billing/test_catch_up.py",
    "tests/integration/billing/test_compare_now.py",
    "tests/integration/billing/test_dates.py",
    "tests/integration/billing/test_declines_and_what_follows.py",
    "tests/integration/billing/test_envelope.py",
    "tests/integration/billing/test_every_zone.py",
    "tests/integration/billing/test_follow_hints.py",
    "tests/integration/billing/test_life_of_a_subscription.py",
    "tests/integration/billing/test_straight_line.py",
    "tests/integration/cli",
    "tests/integration/models/test_clock.py",
    "tests/integration/models/test_migrations.py",
    "tests/integration/web",
    "tests/property",
    "tests/unit/domain",
    "tests/unit/gateway/test_readers.py",
    "tests/unit/gateway/test_tokens.py",
    "tests/unit/runtime",
)
_NAMES_A_ZONE: Final = re.compile(r"ZoneInfo|\bcivil_\w+|\bzone_name\b|\"(?:Asia|America|Europe|Pacific|Australia)/")
_E2E: Final = "tests/e2e"  # minutes each: they live in the run's own zones

_PROCESS: Final = "--process-zone"
_DATABASE: Final = "--database-zone"


def add_options(parser: pytest.Parser) -> None:
    """Two options for every run."""
    group = parser.getgroup("zones", "the time zones that the tests live in")
    group.addoption(_PROCESS, default="America/Juneau", metavar="ZONE", help="of this process and all that it starts")
    group.addoption(_DATABASE, default="Asia/Seoul", metavar="ZONE", help="of the databases that the tests are given")


def mark(config: pytest.Config, items: Iterable[pytest.Item]) -> None:
    """Mark the tests that touch time."""
    for item in items:
        if item.path.is_relative_to(config.rootpath) and _touches_time(item.path.relative_to(config.rootpath)):
            item.add_marker("touches_time")


@cache
def _touches_time(path: Path) -> bool:
    if path.is_relative_to(_E2E):
        return False
    is_listed = any(path.is_relative_to(place) for place in TOUCH_TIME)
    return is_listed or _NAMES_A_ZONE.search((ROOT / path).read_text(encoding="utf-8")) is not None


def zone_of_databases(config: pytest.Config) -> str:
    """The zone of the run's databases."""
    return str(config.getoption(_DATABASE))


def zone_of_processes(config: pytest.Config) -> str:
    """The zone of the run's processes."""
    return str(config.getoption(_PROCESS))


def settle_in(zone_name: str) -> None:
    """Let this process, and whatever it starts from now on, live in a zone."""
    os.environ["TZ"] = zone_name
    time.tzset()


@contextlib.contextmanager
def living_in(zone_name: str) -> Iterator[None]:
    """Let this process live in another zone for a while."""
    before = os.environ.get("TZ")
    settle_in(zone_name)
    try:
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
            time.tzset()
        else:
            settle_in(before)
