"""Does the project speak of itself alone? Not of a machine it was made on, of who makes it, or of where parts lie."""

from __future__ import annotations

import re
from typing import Final

from tests.support.source_tree import listed, texts

#: Put together from halves, so that this file does not name them either; what is told, and its shape.
FOREIGN: Final = {
    "a folder of one machine": re.compile(
        r"(?<![\w.$}/])/(?:wo" + r"rk|roo" + r"t|hom" + r"e/\w+|Use" + r"rs)(?![\w.-])"
    ),
    "a folder beside the repository": re.compile(r"(?<![\w-])\.?\.?/?shar" + r"ed/|(?<!\w)scrat" + r"ch/"),
    "where packages come from": re.compile(
        r"py"
        r"pi\.|pythonho"
        r"sted|npm"
        r"js\.|ghc"
        r"r\.io|qua"
        r"y\.io|art"
        r"ifactory|index-"
        r"url ?=",
        re.IGNORECASE,
    ),
    "who makes it": re.compile(
        r"\b(?:clau" + r"de|anthro" + r"pic|open" + r"ai|cop" + r"ilot|chat" + r"gpt|gem" + r"ini|ll" + r"ms?|language "
        r"mod" + r"els?|co-auth" + r"ored-by|generated (?:by|wi" + r"th) (?:an? )?a" + r"i)\b",
        re.IGNORECASE,
    ),
    "the number of a ticket": re.compile(
        r"\b(?:issue|ticket|pull request|PR) ?#?\d+\b|(?<![\w&#])#\d+\b", re.IGNORECASE
    ),
}
#: A colour, a Markdown heading, a shell's positional count: no tickets.
_NO_TICKETS: Final = re.compile(r"#[0-9a-fA-F]{6}\b|\$#\d*")


def foreign(path: str, text: str) -> list[str]:
    return [
        f"{path}:{number} names {what}: {match.group()}"
        for number, line in enumerate(text.splitlines(), start=1)
        for what, shape in FOREIGN.items()
        if (match := shape.search(_NO_TICKETS.sub("", line)))
    ]


def test_nothing_names_what_is_not_the_projects() -> None:
    found = [told for path, text in texts() for told in foreign(path, text)]

    assert found == [], listed(found, "Say it without that name: the project must read the same on any machine.")


def test_the_check_can_fail() -> None:
    bad = (
        "cd /wo" + "rk/main",
        "see ../shar" + "ed/notes.md",
        "from https://py" + "pi.org/simple",
        "written by Clau" + "de",
        "see is" + "sue 2",
        "fixes #" + "12",
    )

    for text in bad:
        assert foreign("docs/bad.md", text), text
    for text in ("docs/work/flow", "the worker's work", "a shared lock", "# 12 rows", "color: #112233"):
        assert foreign("docs/good.md", text) == [], text
