"""The gateway's simulator as a process of its own, on free ports, with a ledger in a file."""

from __future__ import annotations

import contextlib
import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from domain.time_limits import SCALED_FOR_SIMULATOR, SIMULATOR_TOKEN_EXTENSION_SECONDS, TimeLimits
from tests.support.processes import RunningProgram, running

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

REPOSITORY = Path(__file__).resolve().parents[2]

IMP_KEY = "test-key"
IMP_SECRET = "test-secret"
_ONE_ACCOUNT = ("--imp-key", IMP_KEY, "--imp-secret", IMP_SECRET)

#: Limits under which a token dies within seconds: for what happens once it is dead.
SHORT_LIVED = replace(
    SCALED_FOR_SIMULATOR,
    token_life_seconds=8,
    longest_processing_seconds=1,
    settling_seconds=9,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningSimulator:
    """Where a started simulator listens: the gateway's API, and its control door for tests."""

    url: str
    control_url: str
    ledger: Path
    program: RunningProgram

    @property
    def environment(self) -> dict[str, str]:
        """The settings that point our processes at it."""
        return {
            "JEONGGI_GATEWAY_URL": self.url,
            "JEONGGI_IMP_KEY": IMP_KEY,
            "JEONGGI_IMP_SECRET": IMP_SECRET,
        }


@contextlib.contextmanager
def running_simulator(
    folder: Path,
    *,
    used_merchant_uid: str = "strict",
    limits: TimeLimits | None = None,
    token_life_seconds: float = 1800,
    port: int = 0,
    control_port: int = 0,
    options: Sequence[str] = (),
) -> Iterator[RunningSimulator]:
    """Start the simulator with its ledger and log in ``folder``; start it there again to find the ledger kept.

    ``limits``: its tokens live, and are extended, as these say; without them as the real gateway's do, but for
    ``token_life_seconds``. Without an ``--account`` among the options there is one merchant, of ``IMP_KEY``.
    """
    extension, last = 300.0, 60.0
    if limits is not None:
        extension, last = SIMULATOR_TOKEN_EXTENSION_SECONDS, limits.token_last_seconds
        token_life_seconds = limits.token_life_seconds - extension
    ledger = folder / "ledger"
    log = folder / "simulator.log"
    program = [
        *(sys.executable, "-m", "simulator", "--port", str(port), "--control-port", str(control_port)),
        *("--ledger", str(ledger), "--used-merchant-uid", used_merchant_uid),
        *("--token-life-seconds", f"{token_life_seconds:g}"),
        *("--token-extension-seconds", f"{extension:g}"),
        *("--token-last-seconds", f"{last:g}"),
        *(() if "--account" in options else _ONE_ACCOUNT),
        *options,
    ]
    with running(program, log=log, cwd=REPOSITORY) as started:
        started.says('"listening"')
        line = next(line for line in started.said().splitlines() if '"listening"' in line)
        listening = json.loads(line)
        yield RunningSimulator(
            url=f"http://127.0.0.1:{listening['port']}",
            control_url=f"http://127.0.0.1:{listening['control_port']}",
            ledger=ledger,
            program=started,
        )
