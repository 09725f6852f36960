"""The programs of one installation on one machine: what is started, in which order, with which environment."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from billing.promotions import plan_missing_ends
from billing.refresh_due_times import refresh_due_times
from cli.output import say
from cli.up_simulator import credentials_at_simulator, simulator_accounts
from domain.time_limits import SCALED_FOR_SIMULATOR
from models.migrate import upgrade_to_head
from models.queries import installation
from models.session import Database
from runtime.embedded.leashed import free_port
from runtime.embedded.servers import Engines
from runtime.embedded.state_dir import StateDir, open_state_dir
from runtime.processes import Program, Supervisor
from runtime.settings import Settings, exported, inherited_environment, load_settings, simulator_flags
from runtime.wiring import DEMO_NAMESPACE

if TYPE_CHECKING:
    from contextlib import ExitStack
    from datetime import datetime
    from pathlib import Path

#: The simulator takes as much as one machine gives.
_SIMULATOR_RATE: Final = 2000
_CONCURRENT_RUNS: Final = 2  # runs in one worker, for the only channel
_READY_SECONDS: Final = 60
#: Where hooks are taken (docs/reference/hooks.md).
_HOOKS: Final = "/hooks/iamport"


@dataclass(slots=True)
class Installation:
    """What ``up`` holds: settings, database, state folder, and the engines if they are embedded."""

    settings: Settings
    database: Database
    state: StateDir
    engines: Engines | None
    is_stepped: bool
    environment: dict[str, str] = field(repr=False, default_factory=dict)
    simulator_ledger: Path | None = None
    urls: dict[str, str] = field(default_factory=dict)

    @property
    def logs(self) -> Path:
        """The folder of the programs' logs."""
        return self.state.logs

    def revive_engines(self) -> None:
        """Start an embedded engine again that died."""
        if self.engines is not None:
            self.engines.revive()

    def start_programs(self, supervisor: Supervisor, *, workers: int, used_merchant_uid: str) -> None:
        """Simulator first, if there is one, then who hears it and who charges, who sets the pace, who shows it."""
        self.environment = inherited_environment(JEONGGI_STATE_DIR=str(self.state.path))
        if self.settings.clock is not None:
            self.environment["JEONGGI_CLOCK"] = self.settings.clock
        web_port = free_port(self.settings.web_port or None)
        self.urls["hooks"] = f"{_at(self.settings.web_host)}:{web_port}{_HOOKS}"
        if not self.settings.has_gateway:
            self._start_simulator(supervisor, used_merchant_uid)
        self.settings_of_children()
        self._start_web(supervisor, web_port)
        has_several = len(self.settings.channels) > 1
        charge_runs = -(-self.settings.charge_runs // workers) if has_several else _CONCURRENT_RUNS
        pace_runs = self.settings.pace_runs if has_several else _CONCURRENT_RUNS
        for number in range(1, workers + 1):
            supervisor.start(self._worker(f"charge-{number}", queue="charge", runs=charge_runs))
        supervisor.start(self._worker("pace", queue="pace", runs=pace_runs))
        supervisor.start(self._celery("beat", "beat", "--loglevel", "WARNING"))
        self._start_flower(supervisor)

    def settings_of_children(self) -> Settings:
        """What the children read, checked before any of them is started.

        Raises:
            Misconfigured: They would refuse to start.
        """
        names = {name.removeprefix("JEONGGI_").lower(): value for name, value in self.environment.items()}
        known = {name: value for name, value in names.items() if name in Settings.model_fields}
        return load_settings(**known)

    def tell_urls(self) -> None:
        """Where to look, until Ctrl-C."""
        for name, url in self.urls.items():
            say(f"{name:<22} {url}")
        say(f"{'logs':<22} {self.logs}")
        say("Ctrl-C stops everything, in order.")

    def _start_simulator(self, supervisor: Supervisor, used_merchant_uid: str) -> None:
        ports = self.state.remembered("simulator")
        port, control = free_port(ports.get("port")), free_port(ports.get("control_port"))
        self.state.remember("simulator", port=port, control_port=control)
        self.simulator_ledger = self.state.path / "simulator.sqlite"
        command = [sys.executable, "-m", "simulator", "--port", str(port), "--control-port", str(control)]
        command += ["--ledger", str(self.simulator_ledger), "--used-merchant-uid", used_merchant_uid]
        command += [*simulator_accounts(self.settings), "--issue-on-sight"]
        command += ["--latency-ms", "50", "--hook-url", self.urls["hooks"]]
        supervisor.start(
            Program(name="simulator", command=[*command, *simulator_flags()], environment=inherited_environment())
        )
        heard = json.loads(supervisor.await_words("simulator", '"listening"', within_seconds=_READY_SECONDS))
        url = f"http://127.0.0.1:{heard['port']}"
        # What a person has set wins over what suits the simulator.
        suited = {
            **exported(SCALED_FOR_SIMULATOR),
            **credentials_at_simulator(self.settings, self.state.path),
            "JEONGGI_GATEWAY_URL": url,
            "JEONGGI_NAMESPACE": self.settings.namespace or DEMO_NAMESPACE,
            "JEONGGI_GATEWAY_RATE": str(_SIMULATOR_RATE),
            "JEONGGI_BREAKER_PAUSE_SECONDS": "1",
            "JEONGGI_BREAKER_LONGEST_PAUSE_SECONDS": "10",
        }
        self.environment = {**suited, **self.environment}
        self.urls["simulator"] = url
        self.urls["simulator's control"] = f"http://127.0.0.1:{heard['control_port']}"

    def _start_web(self, supervisor: Supervisor, port: int) -> None:
        environment = {**self.environment, "JEONGGI_WEB_PORT": str(port)}
        command = [sys.executable, "-P", "-m", "web"]
        supervisor.start(Program(name="web", command=command, environment=environment))

    def _worker(self, name: str, *, queue: str, runs: int) -> Program:
        options = ["-Q", queue, "-n", f"{name}@%h", "--concurrency", str(runs), "--loglevel", "WARNING"]
        return self._celery(name, "worker", *options, "--without-mingle", "--without-gossip")

    def _start_flower(self, supervisor: Supervisor) -> None:
        port = free_port(self.settings.flower_port)
        password = self.settings.flower_password
        secret = self.state.secret("flower") if password is None else password.get_secret_value()
        environment = {
            "FLOWER_ADDRESS": "127.0.0.1",
            "FLOWER_PORT": str(port),
            "FLOWER_BASIC_AUTH": f"{self.settings.flower_user}:{secret}",
            "FLOWER_READ_ONLY": "true",
        }
        supervisor.start(self._celery("flower", "flower", "--logging=warning", **environment))
        kept = "JEONGGI_FLOWER_PASSWORD" if password is not None else f"{self.state.path / 'embedded.json'}"
        self.urls["Flower"] = f"http://127.0.0.1:{port} (user {self.settings.flower_user}, password in {kept})"

    def _celery(self, name: str, *arguments: str, **environment: str) -> Program:
        return Program(
            name=name,
            command=[sys.executable, "-m", "celery", "-A", "worker", *arguments],
            environment={**self.environment, **environment},
            stop_seconds=self.settings.soft_limit_seconds,
        )


def _at(host: str) -> str:
    return f"http://[{host}]" if ":" in host else f"http://{host}"


def open_installation(stack: ExitStack, settings: Settings, *, stops_at: datetime | None) -> Installation:
    """Hold the state folder, start embedded engines unless there are others, migrate, set the clock.

    Raises:
        Misconfigured: Something of it cannot be used; the message says what and how to mend it.
    """
    state = stack.enter_context(open_state_dir(settings.state_dir))
    engines = None
    if settings.database_url is None:
        engines = stack.enter_context(Engines(state, postgres_options={"max_connections": "200"}))
        url = engines.urls.database_url
    else:
        url = settings.database_url.get_secret_value()
    database = Database(url)
    stack.callback(database.close)
    database.check()
    upgrade_to_head(url)
    refresh_due_times(database)
    plan_missing_ends(database)
    clock = settings.clock_setting
    with database.transaction() as tx:
        installation.own_namespace(tx, settings.namespace or DEMO_NAMESPACE)
        installation.start_clock(
            tx,
            origin=None if clock is None else clock.origin,
            rate=0 if clock is None or clock.rate is None else clock.rate,
            stops_at=stops_at,
        )
    return Installation(
        settings=settings,
        database=database,
        state=state,
        engines=engines,
        is_stepped=clock is not None and clock.rate is None,
    )
