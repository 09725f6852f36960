"""Both engines of one state folder, for as long as they are needed."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from runtime.embedded.postgres import start_postgres
from runtime.embedded.state_dir import ServerUrls, StateDir, open_state_dir
from runtime.embedded.valkey import start_valkey

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from runtime.embedded.leashed import EmbeddedServer


@contextlib.contextmanager
def started_servers(
    state: StateDir, *, durable: bool = True, postgres_options: Mapping[str, str] | None = None
) -> Iterator[tuple[ServerUrls, EmbeddedServer, EmbeddedServer]]:
    """Start PostgreSQL and Valkey in a state folder that we hold, announce them, and stop them at the end.

    To be used in the main thread: on Linux the engines end with the thread that started them.

    Raises:
        Misconfigured: One of them cannot start.
    """
    postgres = start_postgres(state, durable=durable, options=postgres_options)
    try:
        valkey = start_valkey(state, durable=durable)
        try:
            urls = ServerUrls(database_url=postgres.url, redis_url=valkey.url)
            state.announce(urls, {s.name: (s.process.pid, s.folder) for s in (postgres, valkey)})
            yield urls, postgres, valkey
        finally:
            state.withdraw()
            valkey.stop()
    finally:
        postgres.stop()


@contextlib.contextmanager
def embedded_servers(
    path: Path, *, durable: bool = True, postgres_options: Mapping[str, str] | None = None
) -> Iterator[ServerUrls]:
    """Hold the state folder ``path`` and run both engines in it.

    Raises:
        Misconfigured: The folder is held or cannot be used, or an engine cannot start.
    """
    with (
        open_state_dir(path) as state,
        started_servers(state, durable=durable, postgres_options=postgres_options) as (urls, _, _),
    ):
        yield urls
