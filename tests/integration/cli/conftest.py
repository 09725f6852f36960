"""The commands as a person runs them, on a database of the test's own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from cli.main import run
from models.session import Database
from tests.support.house import NAMESPACE, House

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:  # noqa: ANN401 - JSON
        return json.loads(self.out)


class Jeonggi:
    """``jeonggi`` with this test's settings."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: object) -> Ran:
        self._capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        said = self._capsys.readouterr()
        return Ran(code=code, out=said.out, err=said.err)


@pytest.fixture
def jeonggi(
    database_url: str,
    redis_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Jeonggi:
    monkeypatch.setenv("JEONGGI_DATABASE_URL", database_url)
    monkeypatch.setenv("JEONGGI_REDIS_URL", redis_url)
    monkeypatch.setenv("JEONGGI_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("JEONGGI_NAMESPACE", "demo")
    return Jeonggi(capsys)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url, pool_size=1)
    yield opened
    opened.close()


@pytest.fixture
def house(jeonggi: Jeonggi, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A house whose clock a test moves, on the commands' own database."""
    del jeonggi  # its settings come first
    monkeypatch.setenv("JEONGGI_NAMESPACE", NAMESPACE)
    made = House(database_url)
    yield made
    made.close()
