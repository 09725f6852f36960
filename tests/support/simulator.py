"""The gateway's simulator as a process of its own, on free ports, with a ledger in a file."""

from __future__ import annotations

import contextlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.processes import RunningProgram, running

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

REPOSITORY = Path(__file__).resolve().parents[2]

IMP_KEY = "test-key"
IMP_SECRET = "test-secret"
_ONE_ACCOUNT = ("--imp-key", IMP_KEY, "--imp-secret", IMP_SECRET)


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
    token_life_seconds: float = 1800,
    token_extension_seconds: float = 300,
    token_last_seconds: float = 60,
    port: int = 0,
    control_port: int = 0,
    options: Sequence[str] = (),
) -> Iterator[RunningSimulator]:
    """Start the simulator with its ledger and log in ``folder``; start it there again to find the ledger kept.

    Without an ``--account`` among the options there is one merchant, of ``IMP_KEY``.
    """
    ledger = folder / "ledger"
    log = folder / "simulator.log"
    program = [
        *(sys.executable, "-m", "simulator", "--port", str(port), "--control-port", str(control_port)),
        *("--ledger", str(ledger), "--used-merchant-uid", used_merchant_uid),
        *("--token-life-seconds", f"{token_life_seconds:g}"),
        *("--token-extension-seconds", f"{token_extension_seconds:g}"),
        *("--token-last-seconds", f"{token_last_seconds:g}"),
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
