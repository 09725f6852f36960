"""Do the pages name only commands, files and rules that exist?"""

from __future__ import annotations

import ast
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from typer.core import TyperGroup
from typer.main import get_command

from cli.main import app
from models.queries.invariants import ATTENTION, BROKEN
from tests.support.source_tree import ROOT, Module, calls, listed, modules, page, table_rows, texts

if TYPE_CHECKING:
    from collections.abc import Iterator

_PAGES: Final = [(path, text) for path, text in texts() if path.endswith(".md")]
#: A command at the beginning of a line of an example or of code in a sentence; what follows up to its end.
_COMMANDS: Final = re.compile(r"(?:^|`)(?:\.venv/bin/)?jeonggi ([^`#\n]*)", re.MULTILINE)
_LINKS: Final = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def unknown_commands(path: str, text: str, root: TyperGroup) -> list[str]:
    """Commands and options that a page names and nobody answers to."""
    found = []
    for told in _COMMANDS.findall(text):
        command: Any = root
        words = told.split()
        while words and isinstance(command, TyperGroup) and not words[0].startswith("-"):
            name = words.pop(0).rstrip(".,:;")
            inner = [command.commands.get(choice) for choice in name.split("|")]
            if None in inner:
                found.append(f"{path} names `jeonggi {told.strip()}`")
                break
            command = inner[0] or command
        else:
            options = {option for parameter in command.params for option in parameter.opts}
            found += [
                f"{path} names {word} of `jeonggi {told.strip()}`"
                for word in words
                if word.startswith("--") and word.partition("=")[0].rstrip(".,:;") not in options | {"--help"}
            ]
    return found


def broken_links(path: str, text: str) -> list[str]:
    """Links to files of ours that are not there."""
    folder = ROOT / PurePosixPath(path).parent
    return [
        f"{path} links to {target}"
        for target in _LINKS.findall(text)
        if "://" not in target and not (folder / target).exists()
    ]


def invariants_named(module: Module) -> Iterator[str]:
    """Invariants that are looked at in Python rather than by a statement."""
    for name, call in calls(module.tree):
        first = call.args[0] if call.args else None
        if name in {"_tell", "_first"} and isinstance(first, ast.Constant):
            yield str(first.value)
        for keyword in call.keywords:
            if keyword.arg == "invariant" and isinstance(keyword.value, ast.Constant):
                yield str(keyword.value.value)
    for node in ast.walk(module.tree):
        if isinstance(node, ast.For) and isinstance(node.iter, ast.Tuple):
            for pair in node.iter.elts:
                if isinstance(pair, ast.Tuple) and isinstance(pair.elts[0], ast.Constant):
                    yield str(pair.elts[0].value)


def _root() -> TyperGroup:
    command = get_command(app)
    assert isinstance(command, TyperGroup)
    return command


def test_every_command_on_a_page_exists() -> None:
    root = _root()
    found = [told for path, text in _PAGES for told in unknown_commands(path, text, root)]

    assert found == [], listed(found, "Write the command as `jeonggi --help` tells it.")


def test_every_link_on_a_page_leads_somewhere() -> None:
    found = [told for path, text in _PAGES for told in broken_links(path, text)]

    assert found == [], listed(found, "Link to the file where it is now.")


def test_every_invariant_is_told() -> None:
    checked = next(module for module in modules(("billing",)) if module.path == "billing/check_invariants.py")
    names = {*BROKEN, *ATTENTION, *invariants_named(checked)}
    rows = set(table_rows(page("docs/reference/invariants.md")))

    assert names == rows, listed(sorted(names ^ rows), "Write its line in docs/reference/invariants.md.")


def test_the_checks_can_fail() -> None:
    root = _root()

    assert unknown_commands("a.md", "Run `jeonggi invoice burn`.", root)
    assert unknown_commands("a.md", "jeonggi invoice list --odd\n", root)
    assert unknown_commands("a.md", "jeonggi invoice list --due   # all\n`jeonggi plan import FILE.toml`", root) == []
    assert broken_links("docs/a.md", "[x](no-such.md)")
    assert broken_links("docs/a.md", "[x](../README.md) [y](https://example.com)") == []
    assert list(invariants_named(Module(path="billing/bad.py", text="self._tell('odd', 1, 'x')"))) == ["odd"]
