"""What a person at a terminal is shown and asked before money falls due."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

if TYPE_CHECKING:
    from models.session import Database
    from tests.integration.cli.conftest import Jeonggi

ROOT = Path(__file__).parents[3]
_SECONDS = 60


def typed(arguments: list[str], *, question: str, answer: str) -> tuple[int, str]:
    """Run ``jeonggi`` at a terminal, type an answer once the question is there; its exit code and all it said."""
    ours, theirs = pty.openpty()
    program = subprocess.Popen(
        [sys.executable, "-m", "cli", *arguments], stdin=theirs, stdout=theirs, stderr=theirs, cwd=ROOT
    )
    os.close(theirs)
    said, is_answered, deadline = "", False, time.monotonic() + _SECONDS
    try:
        while time.monotonic() < deadline and select.select([ours], [], [], _SECONDS)[0]:
            try:
                heard = os.read(ours, 65_536)
            except OSError:  # the terminal is gone with its last program
                break
            said += heard.decode()
            if question in said and not is_answered:
                os.write(ours, f"{answer}\n".encode())
                is_answered = True
        return program.wait(_SECONDS), said
    finally:
        with contextlib.suppress(ProcessLookupError):
            program.kill()
        program.wait()
        os.close(ours)


@pytest.mark.parametrize(("answer", "code", "rows"), [("n", 1, 0), ("y", 0, 1_000)])
def test_money_that_would_be_due_is_told_and_asked_about(
    jeonggi: Jeonggi, database: Database, answer: str, code: int, rows: int
) -> None:
    assert jeonggi("plan", "import", ROOT / "examples/plans.toml").code == 0

    ended, said = typed(
        ["subscription", "import", "examples/subscriptions.csv"], question="Go on? [y/N]", answer=answer
    )

    assert (ended, "would be due at once: " in said) == (code, True)
    assert "checking" in said  # the progress bar
    with database.reading() as tx:
        assert tx.connection.execute(text("SELECT count(*) FROM subscription")).scalar_one() == rows


def test_nothing_is_asked_where_nobody_sits(jeonggi: Jeonggi) -> None:
    assert jeonggi("plan", "import", ROOT / "examples/plans.toml").code == 0

    ran = jeonggi("subscription", "import", ROOT / "examples/subscriptions.csv")

    assert (ran.code, ran.err) == (0, "")
    assert "1,000 new" in ran.out
