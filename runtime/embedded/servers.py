"""Both engines of one state folder, for as long as they are needed."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from domain.errors import Misconfigured
from runtime.embedded.postgres import start_postgres
from runtime.embedded.state_dir import ServerUrls, StateDir, open_state_dir
from runtime.embedded.valkey import start_valkey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from runtime.embedded.leashed import EmbeddedServer

_REVIVALS = 5


class Engines:
    """PostgreSQL and Valkey in a state folder that we hold, announced while they run.

    To be used in the main thread: on Linux the engines end with the thread that started them.
    """

    def __init__(
        self, state: StateDir, *, durable: bool = True, postgres_options: Mapping[str, str] | None = None
    ) -> None:
        self._state = state
        self._starts: dict[str, Callable[[], EmbeddedServer]] = {
            "postgres": lambda: start_postgres(state, durable=durable, options=postgres_options),
            "valkey": lambda: start_valkey(state, durable=durable),
        }
        self._running: dict[str, EmbeddedServer] = {}
        self._revivals = dict.fromkeys(self._starts, 0)

    def __enter__(self) -> Self:
        """Start both.

        Raises:
            Misconfigured: One of them cannot start.
        """
        try:
            for name, start in self._starts.items():
                self._running[name] = start()
            self._announce()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stop both."""
        self._stop()

    @property
    def urls(self) -> ServerUrls:
        """Their addresses, the same for as long as this lives."""
        return ServerUrls(database_url=self._running["postgres"].url, redis_url=self._running["valkey"].url)

    @property
    def pids(self) -> Mapping[str, int]:
        """Their process ids, by name."""
        return {name: server.process.pid for name, server in self._running.items()}

    def revive(self) -> list[str]:
        """Start again what died, at the same address; the names of those.

        Raises:
            Misconfigured: It died too often, or its port is gone.
        """
        dead = [name for name, server in self._running.items() if not server.is_alive()]
        for name in dead:
            log = self._state.logs / f"{name}.log"
            if self._revivals[name] == _REVIVALS:
                raise Misconfigured(f"{name} died {_REVIVALS + 1} times: its log, {log}, tells why.")
            self._revivals[name] += 1
            url = self._running[name].url
            self._running[name] = self._starts[name]()
            if self._running[name].url != url:
                raise Misconfigured(f"{name} died and its port was taken by another program: start again.")
        if dead:
            self._announce()
        return dead

    def _announce(self) -> None:
        self._state.announce(self.urls, {s.name: (s.process.pid, s.folder) for s in self._running.values()})

    def _stop(self) -> None:
        self._state.withdraw()
        for server in reversed(self._running.values()):
            server.stop()


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
        Engines(state, durable=durable, postgres_options=postgres_options) as engines,
    ):
        yield engines.urls
