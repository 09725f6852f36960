"""Does every word mean one thing?

The bare word for "once more" hides three things, so it is not used: the broker *redelivers* a message, the same
attempt is *resent*, dunning *reattempts*. Names that say nothing (a drawer for leftovers) are not used either.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

from tests.support.source_tree import Module, functions, listed, modules, texts

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Put together, so that this file does not say it either.
_AGAIN: Final = "re" + "try"
_HEADER: Final = _AGAIN.capitalize() + "-After"  # HTTP's own name
_PATH: Final = "/{merchant_uid}/" + _AGAIN  # the gateway's own, of a schedule that failed

#: A word of its own, or a whole part of an identifier; parts of longer words (a library's parameter) are theirs.
_BARE: Final = re.compile(rf"(?<![A-Za-z]){_AGAIN[:-1]}(?:y|ies|ied|ying)(?![A-Za-z])", re.IGNORECASE)
_IN_PROSE: Final = re.compile(rf"(?<![\w-]){_AGAIN[:-1]}(?:y|ies|ied|ying)(?![\w-])", re.IGNORECASE)
_EMPTY: Final = {"util", "utils", "helper", "helpers", "manager", "managers", "misc", "common"}
_EMPTY_VERBS: Final = ("process_", "handle_")

_PART: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def named_here(module: Module) -> Iterator[tuple[int, str]]:
    """Every name that this file gives: modules, classes, functions, arguments, variables, fields."""
    for part in module.path.removesuffix(".py").split("/"):
        yield 1, part
    for node in ast.walk(module.tree):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield node.lineno, name
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name
            case ast.alias(asname=str(name)):
                yield node.lineno, name
            case _:
                pass


def bad_names(module: Module) -> list[str]:
    found = [
        f"{module.path}:{line} names something {name}"
        for line, name in named_here(module)
        if _BARE.search(name) or {part.lower() for part in _PART.findall(name)} & _EMPTY
    ]
    found += [
        f"{module.path}:{function.lineno} names a function {function.name}"
        for function in functions(module.tree)
        if function.name.lstrip("_").startswith(_EMPTY_VERBS)
    ]
    return found


def bad_prose(path: str, text: str) -> list[str]:
    """Lines of a file that use the bare word outside a name of somebody else's."""
    return [
        f"{path}:{number} says {match.group()}"
        for number, line in enumerate(text.splitlines(), start=1)
        if (match := _IN_PROSE.search(line.replace(_HEADER, "").replace(_PATH, ""))) and not _is_parameter(line, match)
    ]


def _is_parameter(line: str, match: re.Match[str]) -> bool:
    """A library's own parameter, as in ``send_task(..., name=False)``, or a healthcheck's ``name: 30``."""
    return re.match(r"=(?!=)|: \d+$", line[match.end() :]) is not None


def test_no_name_says_nothing() -> None:
    found = [told for module in modules() for told in bad_names(module)]

    assert found == [], listed(found, "Give it the noun or the verb of the field; see the words in ARCHITECTURE.md.")


def test_the_bare_word_is_nowhere() -> None:
    found = [told for path, text in texts() if not path.endswith(".lock") for told in bad_prose(path, text)]

    assert found == [], listed(found, "Say which: redeliver (a message), resend (an attempt), reattempt (dunning).")


def test_the_checks_can_fail() -> None:
    bad = (
        f"def {_AGAIN}_charge(): ...",
        f"max_{_AGAIN[:-1]}ies = 3",
        "class OrderManager: ...",
        "import decimal as utils",
        "def handle_payment(): ...",
        "def f(self): self.common = 1",
    )

    for text in bad:
        assert bad_names(Module(path="billing/bad.py", text=text)), text
    assert bad_names(Module(path="billing/" + "helpers.py", text=""))
    assert bad_names(Module(path="billing/good.py", text=f"send_task({_AGAIN}=False)\ntask_publish_{_AGAIN}\n")) == []
    assert bad_prose("docs/bad.md", f"We {_AGAIN} it.")
    assert bad_prose("docs/good.md", f"`autore{_AGAIN}` and `task_publish_{_AGAIN}` and f({_AGAIN}=False)") == []
