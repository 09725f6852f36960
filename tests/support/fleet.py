"""The real processes of one installation: beat, workers, against a real simulator; each may be killed and restarted."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx

from domain.time_limits import SCALED_FOR_SIMULATOR
from models.queries import installation, progress
from models.session import Database
from runtime.settings import PREFIX, Settings, exported, load_settings
from runtime.wiring import open_ports
from tests.support.polling import eventually
from tests.support.processes import RunningProgram, running

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from billing.ports import Ports
    from tests.support.simulator import RunningSimulator

REPOSITORY = Path(__file__).parents[2]
NAMESPACE = "fleet"
PLAN = "monthly"
AMOUNT = 9_900


class Fleet:
    """Programs by name, on one database, one broker and one simulator."""

    def __init__(
        self, folder: Path, *, database_url: str, redis_url: str, simulator: RunningSimulator, **settings: object
    ) -> None:
        self.folder = folder
        self.simulator = simulator
        self.database = Database(database_url)
        self.environment = {
            **exported(SCALED_FOR_SIMULATOR),
            **simulator.environment,
            "JEONGGI_DATABASE_URL": database_url,
            "JEONGGI_REDIS_URL": redis_url,
            "JEONGGI_NAMESPACE": NAMESPACE,
            "JEONGGI_TEST_CHANNEL": "true",
            "JEONGGI_STATE_DIR": str(folder / "state"),
            "JEONGGI_BREAKER_PAUSE_SECONDS": "1",
            "JEONGGI_BREAKER_LONGEST_PAUSE_SECONDS": "10",
            "JEONGGI_LOG_FORMAT": "json",
            **{f"JEONGGI_{name.upper()}": str(value) for name, value in settings.items()},
        }
        self._programs: dict[str, tuple[RunningProgram, contextlib.ExitStack]] = {}
        self._starts = 0
        with self.database.transaction() as tx:
            installation.own_namespace(tx, NAMESPACE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self._programs):
            self._programs[name][1].close()
        self.database.close()

    # Programs.

    def start(self, name: str, *command: str, **environment: str) -> RunningProgram:
        """Start a program, again if it ran before."""
        self._starts += 1
        stack = contextlib.ExitStack()
        log = self.folder / f"{name}-{self._starts}.log"
        env = {**self.environment, **environment}
        program = stack.enter_context(running([sys.executable, "-m", *command], log=log, env=env, cwd=REPOSITORY))
        self._programs[name] = (program, stack)
        return program

    def beat(self, name: str = "beat") -> RunningProgram:
        return self.start(name, "celery", "-A", "worker", "beat", "--pidfile", "", "--loglevel", "WARNING")

    def worker(self, name: str, *, queue: str, concurrency: int = 2) -> RunningProgram:
        options = ["-Q", queue, "-n", f"{name}@%h", "-c", str(concurrency), "--loglevel", "INFO"]
        return self.start(name, "celery", "-A", "worker", "worker", *options, "--without-mingle", "--without-gossip")

    def web(self, name: str = "web") -> str:
        """Open the door of the hooks on a free port; the address at which they are taken."""
        said = self.start(name, "web", JEONGGI_WEB_PORT="0").says("web.listening")
        heard = re.search(r'"port": (\d+)', said)
        assert heard, said
        return f"http://127.0.0.1:{heard.group(1)}/hooks/iamport"

    def kill(self, name: str) -> None:
        """SIGKILL a program and all its children."""
        self._programs[name][0].kill()

    def program(self, name: str) -> RunningProgram:
        return self._programs[name][0]

    def log_count(self, event: str, **fields: object) -> int:
        """How often the programs have logged an event with these fields."""
        found = 0
        for log in self.folder.glob("*.log"):
            for said in log.read_text(encoding="utf-8", errors="replace").splitlines():
                line = _as_json(said)
                found += line.get("event") == event and all(line.get(name) == fields[name] for name in fields)
        return found

    def jeonggi(self, *arguments: str, exit_code: int = 0) -> str:
        """Run a command to its end; what it said."""
        with running(
            [sys.executable, "-m", "cli", *arguments],
            log=self.folder / "jeonggi.log",
            env=self.environment,
            cwd=REPOSITORY,
        ) as program:
            code = program.wait(within_seconds=120)
            assert code == exit_code, program.said()
            return program.said()

    def settings(self) -> Settings:
        """What the programs read from their environment."""
        names = {key.removeprefix(PREFIX).lower(): value for key, value in self.environment.items()}
        return load_settings(**{name: value for name, value in names.items() if name in Settings.model_fields})

    @contextlib.contextmanager
    def ports(self) -> Iterator[Ports]:
        """What a use case is given, with this installation's settings, in the test's own process."""
        opened = open_ports(self.settings())
        try:
            yield opened
        finally:
            opened.gateway.close()
            opened.database.close()

    # Data and time.

    def import_subscriptions(self, cards: Iterable[tuple[str, str, str]], *, channel: str = "") -> None:
        """Import (customer_ref, customer_uid, started_on) on one monthly plan; ``channel`` "": the only one."""
        self.import_cards((*card, channel) for card in cards)

    def import_cards(self, cards: Iterable[tuple[str, str, str, str]]) -> None:
        """The same, each with its channel."""
        plans = self.folder / "plans.toml"
        plans.write_text(f'[[plan]]\ncode = "{PLAN}"\nname = "월간"\namount = {AMOUNT}\nevery = "1 month"\n')
        file = self.folder / "subscriptions.csv"
        with file.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            header = ["customer_ref", "name", "email", "tel", "customer_uid", "plan", "started_on", "timezone"]
            writer.writerow([*header, "channel"])
            for ref, uid, started_on, channel in cards:
                row = [ref, "김하나", f"{ref}@shop.example", "010-0000-0000", uid, PLAN, started_on, "Asia/Seoul"]
                writer.writerow([*row, channel])
        self.jeonggi("plan", "import", str(plans))
        self.jeonggi("subscription", "import", str(file), "--yes")

    def run_clock(self, origin: datetime, rate: int, *, stops_at: datetime | None) -> None:
        with self.database.transaction() as tx:
            installation.start_clock(tx, origin=origin, rate=rate, stops_at=stops_at)

    def look(self) -> progress.Progress:
        with self.database.reading() as tx:
            return progress.progress(tx, since_event=0)

    def await_rest(self, until: datetime, *, deadline_seconds: float) -> None:
        """Wait until billing time stands at ``until`` and nothing is due or undecided."""

        def is_at_rest() -> bool:
            seen = self.look()
            return seen.now >= until and seen.is_idle

        eventually(is_at_rest, deadline_seconds, f"rest at {until}, now {self.look()}")

    # The simulator's side.

    def control(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - its JSON
        answer = httpx.request(method, f"{self.simulator.control_url}{path}", json=body, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def ledger(self) -> Sequence[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.control("GET", "/ledger")
        return rows

    def in_flight(self) -> int:
        """Charges that the simulator is at now."""
        return int(self.control("GET", "/counters")["in_flight"].get("POST /subscribe/payments/again", 0))


def _as_json(said: str) -> dict[str, Any]:
    try:
        read = json.loads(said)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def seed_of_run() -> int:
    """A seed of this run, which a failure shows; set JEONGGI_TEST_SEED to repeat one."""
    given = os.environ.get("JEONGGI_TEST_SEED")
    seed = int(given) if given else int.from_bytes(os.urandom(4), "big")
    sys.stderr.write(f"JEONGGI_TEST_SEED={seed}\n")
    return seed
