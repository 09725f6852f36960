"""Whatever zones the process and the database live in, the same life leaves the same rows and says the same words.

And would a naive local time be seen? Each of the mutations below is one, in a copy of the source; each is invisible
where the zone happens to be the merchant's, and seen where it is not.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
import pytest

from models.session import Database
from tests.support.databases import fresh_database
from tests.support.source_tree import PACKAGES, ROOT
from tests.support.zone_life import Seen, live
from tests.support.zones import EACH_ONCE, living_in, zone_of_databases, zone_of_processes

if TYPE_CHECKING:
    from pathlib import Path

    from runtime.embedded.state_dir import ServerUrls

SEOUL, JUNEAU = "Asia/Seoul", "America/Juneau"
PACKAGES_AND_TESTS = tuple(name for name in (*PACKAGES, "tests") if (ROOT / name).is_dir())


def test_the_run_lives_where_it_says(request: pytest.FixtureRequest, database_url: str) -> None:
    told = subprocess.run(
        [sys.executable, "-c", "import time; print(time.tzname)"], capture_output=True, text=True, check=True
    ).stdout
    with psycopg.connect(database_url) as connection:
        shown = connection.execute("SHOW timezone").fetchone()

    with living_in(zone_of_processes(request.config)):
        assert told.strip() == str(time.tzname)
    assert shown == (zone_of_databases(request.config),)


@pytest.mark.parametrize("zone_name", [SEOUL, JUNEAU])
def test_our_sessions_are_in_utc_whatever_the_database_says(server_urls: ServerUrls, zone_name: str) -> None:
    with fresh_database(server_urls.database_url, zone_name=zone_name) as url:
        database = Database(url, pool_size=1)
        with psycopg.connect(url) as connection, database.reading() as tx:
            assert connection.execute("SHOW timezone").fetchone() == (zone_name,)
            assert tx.connection.exec_driver_sql("SHOW timezone").scalar() == "UTC"
        database.close()


def test_two_months_are_the_same_to_the_letter_as_in_utc(
    request: pytest.FixtureRequest, server_urls: ServerUrls, tmp_path: Path
) -> None:
    mine = zone_of_processes(request.config), zone_of_databases(request.config)
    seen: dict[tuple[str, str], Seen] = {}
    for process, database in {("UTC", "UTC"), *EACH_ONCE, mine}:
        with living_in(process), fresh_database(server_urls.database_url, zone_name=database) as url:
            seen[process, database] = live(url, tmp_path)

    expected = seen["UTC", "UTC"]
    assert {kind for kind, lines in expected.items() if not lines} == set()
    for pair, lived in seen.items():
        for kind, lines in lived.items():
            assert lines == expected[kind], (pair, kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """Naive local times in one file, and where they would not be noticed: (process zone, database zone)."""

    path: str
    lines: dict[str, str]
    unseen_in: tuple[str, str]
    seen_in: tuple[str, str]


MUTATIONS = {
    "civil dates and times are this machine's": Mutation(
        path="domain/instants.py",
        lines={
            "return require_utc(instant).astimezone(zone(zone_name)).date()": (
                "return datetime.fromtimestamp(instant.timestamp()).date()"
            ),
            "return datetime.combine(day, at, tzinfo=zone(zone_name)).astimezone(UTC)": (
                "return datetime.combine(day, at).astimezone(UTC)"
            ),
        },
        unseen_in=(SEOUL, "UTC"),
        seen_in=(JUNEAU, "UTC"),
    ),
    "commands show this machine's time": Mutation(
        path="cli/output.py",
        lines={"value.astimezone(zone)": "value.astimezone()"},
        unseen_in=(SEOUL, "UTC"),
        seen_in=("UTC", "UTC"),
    ),
    "sessions are in the database's zone": Mutation(
        path="models/session.py",
        lines={'    "timezone": "UTC",\n': ""},
        unseen_in=(JUNEAU, "UTC"),
        seen_in=("UTC", SEOUL),
    ),
}


@pytest.fixture(scope="module")
def expected(server_urls: ServerUrls, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """What the source itself leaves, all subscribers in Seoul."""
    with living_in("UTC"), fresh_database(server_urls.database_url, zone_name="UTC") as url:
        return live(url, tmp_path_factory.mktemp("expected"), zone_names=[SEOUL])


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_naive_local_time_is_seen_in_another_zone(
    server_urls: ServerUrls, tmp_path: Path, expected: Seen, name: str
) -> None:
    mutation = MUTATIONS[name]
    for package in PACKAGES_AND_TESTS:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    file = tmp_path / mutation.path
    for line, naive in mutation.lines.items():
        text = file.read_text(encoding="utf-8")
        assert text.count(line) == 1, "the line is gone: mutate the one that has taken its place"
        file.write_text(text.replace(line, naive), encoding="utf-8")

    unseen, seen = _live_there(tmp_path, server_urls, mutation.unseen_in, mutation.seen_in)

    assert unseen == expected
    assert seen != expected


def _live_there(copy: Path, server_urls: ServerUrls, *pairs: tuple[str, str]) -> list[Seen]:
    """What a copy of the source leaves behind in each of these pairs of zones."""
    with contextlib.ExitStack() as stack:
        told: list[str] = []
        for process, database in pairs:
            told += [
                process,
                stack.enter_context(fresh_database(server_urls.database_url, zone_name=database)),
            ]
        ran = subprocess.run(
            [sys.executable, "-m", "tests.support.zone_life", copy, SEOUL, *told],
            cwd=copy,
            capture_output=True,
            text=True,
            check=False,
        )
    assert ran.returncode == 0, ran.stderr
    seen: list[Seen] = json.loads(ran.stdout)
    return seen
