import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.simulator.running import ROOT, RunningSimulator

PYTHON = ROOT / ".venv-clients" / "bin" / "python"
PROGRAM = Path(__file__).with_name("program.py")
KEY, SECRET = "merchant", "his-secret"

Call = tuple[str, dict[str, Any]]
Ask = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="session")
def python_of_the_clients() -> Path:
    if not PYTHON.exists():
        pytest.fail(
            f"the clients by others are not installed in {PYTHON.parents[1]}: run `make clients`", pytrace=False
        )
    return PYTHON


@pytest.fixture(scope="module")
def live_simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    """One that knows only the cards that were issued, serves one merchant, and charges real money: no test channel."""
    flags = ("--imp-key", KEY, "--imp-secret", SECRET, "--no-issue-on-sight", "--no-sandbox")
    running = RunningSimulator(tmp_path_factory.mktemp("clients") / "ledger.db", *flags)
    yield running
    assert running.close() == 0


@pytest.fixture
def simulator(live_simulator: RunningSimulator) -> RunningSimulator:
    assert live_simulator.control.post("/reset").status_code == 200
    return live_simulator


@pytest.fixture
def ask(simulator: RunningSimulator, python_of_the_clients: Path) -> Ask:
    """Let one client make some calls, one after the other; ``secret`` is right unless given."""

    def run(client: str, *calls: Call, secret: str = SECRET) -> list[dict[str, Any]]:
        url = f"http://127.0.0.1:{simulator.port}/"
        order = {"client": client, "url": url, "imp_key": KEY, "imp_secret": secret, "calls": calls}
        ended = subprocess.run(
            [python_of_the_clients, PROGRAM],
            input=json.dumps(order),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert ended.returncode == 0, ended.stderr
        told: list[dict[str, Any]] = json.loads(ended.stdout)
        return told

    return run
