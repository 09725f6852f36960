"""The repository as text, for the tests that read it: which files there are, and small questions about their syntax."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT: Final = Path(__file__).resolve().parents[2]

#: What bills: everything that may stand between a card and a charge.
PRODUCTION: Final = ("domain", "gateway", "models", "billing", "scheduler", "runtime", "worker", "web", "cli", "notify")
PACKAGES: Final = (*PRODUCTION, "simulator", "migrations")

_CODE: Final = (*PACKAGES, "tests", "benchmarks")
#: Folders with a dot are tools' or an installation's, but for these.
_OURS: Final = {".ci", ".github"}
_MADE: Final = {"__pycache__", "build", "dist", "node_modules"}
_TEXT: Final = {"", ".cfg", ".csv", ".env", ".example", ".html", ".ini", ".json", ".lock", ".mako", ".md", ".py", ".sh",
                ".toml", ".txt", ".yaml", ".yml"}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One Python file: its path in the repository, with slashes, and its text."""

    path: str
    text: str

    @property
    def tree(self) -> ast.Module:
        return parsed(self.text)

    @property
    def package(self) -> str:
        return self.path.partition("/")[0]


@lru_cache(maxsize=1024)
def parsed(text: str) -> ast.Module:
    return ast.parse(text)


@lru_cache(maxsize=8)
def modules(packages: tuple[str, ...] = _CODE) -> tuple[Module, ...]:
    """Every Python file below these top folders."""
    return tuple(
        Module(path=path.relative_to(ROOT).as_posix(), text=path.read_text(encoding="utf-8"))
        for package in packages
        for path in sorted((ROOT / package).rglob("*.py"))
        if "__pycache__" not in path.parts
    )


@lru_cache(maxsize=1)
def texts() -> tuple[tuple[str, str], ...]:
    """Path and text of every file of ours, whatever its kind."""
    return tuple(
        (path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8", errors="replace"))
        for path in sorted(_ours(ROOT))
    )


def _ours(folder: Path) -> Iterator[Path]:
    for entry in folder.iterdir():
        if entry.is_dir():
            is_hidden = entry.name.startswith(".") and entry.name not in _OURS
            if not is_hidden and entry.name not in _MADE and not entry.name.endswith(".egg-info"):
                yield from _ours(entry)
        elif entry.suffix in _TEXT and not entry.name.startswith(".coverage") and entry.name != ".env":
            yield entry


def page(path: str) -> str:
    """The text of a page, which must exist."""
    return (ROOT / path).read_text(encoding="utf-8")


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method, nested ones included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Every call with the last part of the called name: ``a.b.c(...)`` gives ``c``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            match node.func:
                case ast.Name(id=name) | ast.Attribute(attr=name):
                    yield name, node
                case _:
                    pass


def calls_with_place(module: Module) -> Iterator[tuple[str, str, ast.Call]]:
    """Every call as (path::function, called name, node); outside functions the place is the path alone."""
    owner: dict[ast.AST, str] = {}
    for function in functions(module.tree):
        for node in ast.walk(function):
            owner[node] = function.name  # inner functions come later and win
    for name, node in calls(module.tree):
        place = f"{module.path}::{owner[node]}" if node in owner else module.path
        yield place, name, node


def strings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every piece of constant text with its line, the constant parts of f-strings included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def table_rows(markdown: str) -> dict[str, str]:
    """Rows of all tables whose first cell is one word in backticks: word -> the whole row."""
    rows: dict[str, str] = {}
    for line in markdown.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.lstrip().startswith("|") and cells[0].startswith("`") and cells[0].endswith("`"):
            rows[cells[0].strip("`")] = line
    return rows


def listed(found: Sequence[str], mend: str) -> str:
    """What an assertion says: each finding on a line, then the sentence that tells the mend."""
    return "\n".join((*found, mend))
