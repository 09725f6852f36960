"""Real servers for the tests that need them: one PostgreSQL and one Valkey a run, a fresh database a test.

How much Hypothesis tries, everywhere, is told in ``tests.support.profiles``; in which time zones all of it lives, in
``tests.support.zones``.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis

from runtime.embedded.servers import embedded_servers
from runtime.embedded.state_dir import ServerUrls
from tests.support import (
    profiles,  # noqa: F401 - it registers and loads them
    zones,
)
from tests.support.databases import fresh_database
from tests.support.simulator import RunningSimulator, running_simulator

if TYPE_CHECKING:
    from collections.abc import Iterator

_SERVERLESS = ("tests/unit", "tests/property", "tests/architecture")
_URLS = pytest.StashKey[ServerUrls]()
_STOP = pytest.StashKey[contextlib.ExitStack]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a run choose the time zones that it lives in."""
    zones.add_options(parser)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests that touch time."""
    zones.mark(config, items)


def pytest_report_header(config: pytest.Config) -> str:
    """Say in which zones the run lives."""
    return f"zones: process {zones.zone_of_processes(config)}, databases {zones.zone_of_databases(config)}"


def pytest_configure(config: pytest.Config) -> None:
    """Settle in the zones, and start the servers in the process that the person started.

    xdist's workers are told their addresses.
    """
    zones.settle_in(zones.zone_of_processes(config))
    told = getattr(config, "workerinput", None)
    if told is not None:
        if "database_url" in told:
            config.stash[_URLS] = ServerUrls(database_url=told["database_url"], redis_url=told["redis_url"])
        return
    if config.option.collectonly or all(_is_serverless(argument) for argument in config.args):
        return
    with contextlib.ExitStack() as stack:
        # Not below pytest's own folder: as root, the engines run as a user who cannot enter that one.
        folder = Path(tempfile.mkdtemp(prefix="jeonggi-tests-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o711)
        options = {
            "max_connections": "300",
            "shared_buffers": "128MB",
            "autovacuum_naptime": "10s",
            "timezone": zones.zone_of_databases(config),
        }
        urls = stack.enter_context(embedded_servers(folder / "state", durable=False, postgres_options=options))
        config.stash[_URLS] = urls
        config.stash[_STOP] = stack.pop_all()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    """Tell a worker of xdist the addresses."""
    urls = node.config.stash.get(_URLS, None)  # type: ignore[attr-defined]  # xdist ships no type for it
    if urls is not None:
        node.workerinput["database_url"] = urls.database_url  # type: ignore[attr-defined]
        node.workerinput["redis_url"] = urls.redis_url  # type: ignore[attr-defined]


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the servers."""
    if _STOP in config.stash:
        config.stash[_STOP].close()


def _is_serverless(argument: str) -> bool:
    path = Path(argument.split("::", maxsplit=1)[0]).absolute()
    return any(path.is_relative_to(Path(folder).absolute()) for folder in _SERVERLESS)


@pytest.fixture(scope="session")
def server_urls(request: pytest.FixtureRequest) -> ServerUrls:
    """The run's servers; most tests want ``database_url`` and ``redis_url`` instead."""
    assert _URLS in request.config.stash, f"tests in {', '.join(_SERVERLESS)} have no servers: this one lives elsewhere"
    return request.config.stash[_URLS]


@pytest.fixture
def database_url(server_urls: ServerUrls) -> Iterator[str]:
    """A fresh, migrated database of this test's own."""
    with fresh_database(server_urls.database_url) as url:
        yield url


@pytest.fixture
def empty_database_url(server_urls: ServerUrls) -> Iterator[str]:
    """A fresh database without any table, of this test's own."""
    with fresh_database(server_urls.database_url, template="template0") as url:
        yield url


@pytest.fixture
def redis_url(server_urls: ServerUrls, worker_id: str) -> Iterator[str]:
    """A logical database of Valkey that is empty, and this test's own."""
    number = 1 if worker_id == "master" else 2 + int(worker_id.removeprefix("gw"))
    url = f"{server_urls.redis_url.rpartition('/')[0]}/{number}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        yield url
        client.flushdb()


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[RunningSimulator]:
    """A simulator of this test's own, strict about used ``merchant_uid``s."""
    with running_simulator(tmp_path) as started:
        yield started
