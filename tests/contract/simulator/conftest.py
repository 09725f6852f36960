from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.contract.simulator.running import RunningSimulator


@pytest.fixture(scope="module")
def shared_simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    running = RunningSimulator(tmp_path_factory.mktemp("simulator") / "ledger.db")
    yield running
    assert running.close() == 0


@pytest.fixture
def simulator(shared_simulator: RunningSimulator) -> RunningSimulator:
    assert shared_simulator.control.post("/reset").status_code == 200
    return shared_simulator


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., RunningSimulator]]:
    started: list[RunningSimulator] = []

    def start_one(*flags: str) -> RunningSimulator:
        started.append(RunningSimulator(tmp_path / "ledger.db", *flags))
        return started[-1]

    yield start_one
    for running in started:
        running.close()
