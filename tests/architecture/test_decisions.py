"""Does every decision say what keeps it, and does that exist?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.source_tree import ROOT, functions, listed, parsed

if TYPE_CHECKING:
    from pathlib import Path

DECISIONS: Final = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
SECTIONS: Final = ("Context", "Decision", "Consequences", "Alternatives", "Enforced by")

_STATUS: Final = re.compile(r"^Status: (accepted|superseded by \d{4}) · \d{4}-\d{2}-\d{2}$", re.MULTILINE)
_NAMED: Final = re.compile(r"`([\w./-]+\.(?:py|toml|yml|md|sh)|Makefile|Dockerfile)(?:::(\w+))?`")


def section(text: str, name: str) -> str:
    """The text below a heading."""
    found = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return found.group(1).strip() if found else ""


def wrong(text: str) -> list[str]:
    """What a record lacks, or names although it is not there."""
    found = [f"has no section '{name}'" for name in SECTIONS if not section(text, name)]
    if not _STATUS.search(text):
        found.append("has no line 'Status: accepted · YYYY-MM-DD'")
    quoted = [line for line in section(text, "Decision").splitlines() if line.startswith("> ")]
    if len(quoted) != 1:
        found.append("must put its decision into one quotable line that begins with '> '")
    named = _NAMED.findall(section(text, "Enforced by"))
    if not named:
        found.append("names no file or test in 'Enforced by'")
    for path, test in named:
        if not (ROOT / path).is_file():
            found.append(f"names {path}, which does not exist")
        elif test and test not in {function.name for function in functions(parsed((ROOT / path).read_text("utf-8")))}:
            found.append(f"names {path}::{test}, which does not exist")
    return found


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_is_whole_and_names_what_keeps_it(path: Path) -> None:
    found = wrong(path.read_text("utf-8"))

    assert found == [], listed(found, "A decision that nothing keeps is a wish: name the test, constraint or check.")


def test_decisions_are_numbered_without_gaps() -> None:
    assert [int(path.name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))


def test_the_check_can_fail() -> None:
    good = (
        "# T\n\nStatus: accepted · 2026-11-23\n\n## Context\nc\n\n## Decision\n> d\n\n## Consequences\nc\n\n"
        "## Alternatives\na\n\n## Enforced by\n`tests/architecture/test_decisions.py::test_the_check_can_fail`\n"
    )

    assert wrong(good) == []
    assert wrong(good.replace("test_the_check", "test_no_such"))
    assert wrong(good.replace("tests/architecture", "tests/nowhere"))
    assert wrong(good.replace("Status", "Stand"))
    assert wrong(good.replace("> d", "d"))
    assert wrong(good.partition("## Enforced by")[0])
