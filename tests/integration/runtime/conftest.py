"""State folders that every user can reach, and the engines in them."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtime.embedded.leashed import is_running_in
from tests.support.polling import eventually
from tests.support.processes import RunningProgram, running
from tests.support.simulator import REPOSITORY
from tests.support.users import as_ordinary_user, ordinary_uid

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningEngines:
    """A process that holds a state folder, and what it told."""

    program: RunningProgram
    database_url: str
    redis_url: str
    pids: Mapping[str, int]
    engines: Path

    def are_gone(self) -> bool:
        """Whether no engine runs any more."""
        return not any(is_running_in(pid, name, self.engines / name) for name, pid in self.pids.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Starts processes that hold ``state``, as one user or another."""

    folder: Path
    ordinary: bool

    @property
    def state(self) -> Path:
        """The state folder."""
        return self.folder / "state"

    def command(self, state: Path | None = None) -> list[str]:
        """The command line of such a process."""
        program = [sys.executable, "-m", "tests.support.engines", str(state or self.state)]
        return as_ordinary_user(program) if self.ordinary else program

    @contextlib.contextmanager
    def running(self, *, env: Mapping[str, str] | None = None) -> Iterator[RunningEngines]:
        """Start one and wait for its engines."""
        with running(self.command(), log=self.folder / "holder.log", cwd=REPOSITORY, env=env) as program:
            told = json.loads(program.says("}").splitlines()[-1])
            assert told["event"] == "running", told
            found = RunningEngines(
                program=program,
                database_url=told["database_url"],
                redis_url=told["redis_url"],
                pids=told["pids"],
                engines=Path(told["engines"]),
            )
            yield found
        eventually(found.are_gone, 30, "the end of the engines")

    def refusal(self, state: Path | None = None) -> str:
        """Start one that must refuse; why."""
        with running(self.command(state), log=self.folder / "refused.log", cwd=REPOSITORY) as program:
            assert program.wait() == 2, program.said()
            return str(json.loads(program.said().splitlines()[-1])["why"])


@contextlib.contextmanager
def _reachable_folder() -> Iterator[Path]:
    # Not below pytest's own folder, which only its owner may enter.
    folder = Path(tempfile.mkdtemp(prefix="jeonggi-tests-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        for kept in folder.rglob("embedded.json"):
            with contextlib.suppress(ValueError):  # a test may have damaged it
                if elsewhere := json.loads(kept.read_text(encoding="utf-8")).get("engines_folder"):
                    shutil.rmtree(elsewhere, ignore_errors=True)
        # What was killed in the middle of a first start may still be writing.
        eventually(lambda: _is_removed(folder), 20, f"the end of {folder}")


def _is_removed(folder: Path) -> bool:
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user may enter."""
    with _reachable_folder() as found:
        yield found


@pytest.fixture(params=["ourselves", "ordinary"])
def holder(request: pytest.FixtureRequest, folder: Path) -> Holder:
    """Processes of ours, and of an ordinary user (the same where we are one)."""
    ordinary = request.param == "ordinary"
    if ordinary and os.geteuid() == 0:
        os.chown(folder, ordinary_uid(), ordinary_uid())
    return Holder(folder=folder, ordinary=ordinary)
