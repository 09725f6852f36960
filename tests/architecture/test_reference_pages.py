"""Has everything that an operator may meet its line in ``docs/reference/``, and does every line mean something?"""

from __future__ import annotations

import ast
import re
from itertools import product
from typing import TYPE_CHECKING, Final

from domain.outcome import DeclineCode
from domain.subscription import Change
from runtime.decline_reference import reference
from scheduler.pace import Bell
from tests.support.source_tree import PRODUCTION, Module, calls, listed, modules, page, table_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

LEVELS: Final = {"debug", "info", "warning", "error", "exception", "critical"}

#: What may stand inside a name that is put together, by its source text, and what it may be.
PLACEHOLDERS: Final = {
    "bell.name.lower()": [bell.name.lower() for bell in Bell],
    "wanted": [change.value for change in Change],
}


class NotConstant(Exception):
    """A name is put together from something that PLACEHOLDERS does not know."""


def spelled(node: ast.expr) -> list[str]:
    """Every text that an expression may be; empty if it is no text."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr(values=parts):
            pieces = [_piece(part) for part in parts]
            return ["".join(chosen) for chosen in product(*pieces)]
        case _:
            return []


def _piece(part: ast.expr) -> list[str]:
    if isinstance(part, ast.FormattedValue):
        source = ast.unparse(part.value)
        if source not in PLACEHOLDERS:
            raise NotConstant(source)
        return PLACEHOLDERS[source]
    return spelled(part)


def log_events(module: Module) -> Iterator[tuple[str, set[str]]]:
    """Names of the events that a module logs, with their fields."""
    for name, call in calls(module.tree):
        logs = isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) in {"_log", "log", "logger"}
        if logs and name in LEVELS and call.args:
            for event in spelled(call.args[0]):
                yield event, {keyword.arg for keyword in call.keywords if keyword.arg} - {"exc_info"}


def outbox_events(module: Module) -> Iterator[str]:
    """Kinds of the events that a module writes."""
    for name, call in calls(module.tree):
        if name in {"event", "_tell"}:
            yield from (text for argument in call.args if _is_kind(argument) for text in spelled(argument))


def _is_kind(argument: ast.expr) -> bool:
    """Whether an argument begins like ``noun.past_verb``; what is put together must not hide behind a placeholder."""
    begins = argument.values[0] if isinstance(argument, ast.JoinedStr) else argument
    return isinstance(begins, ast.Constant) and re.match(r"[a-z]+\.[a-z_]*$", str(begins.value)) is not None


def audit_actions(module: Module) -> Iterator[str]:
    """Actions that a module audits by name."""
    for name, call in calls(module.tree):
        if name == "write_audit":
            for keyword in call.keywords:
                if keyword.arg == "action":
                    yield from spelled(keyword.value)
        elif name == "_audit":
            yield from (text for argument in call.args if _is_kind(argument) for text in spelled(argument))


def error_codes(module: Module) -> Iterator[str]:
    """The ``code`` of every error class of a module."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef):
            for line in node.body:
                match line:
                    case ast.Assign(targets=[ast.Name(id="code")], value=ast.Constant(value=str(code))):
                        yield code
                    case ast.AnnAssign(target=ast.Name(id="code"), value=ast.Constant(value=str(code))):
                        yield code
                    case _:
                        pass


def flags(module: Module) -> Iterator[str]:
    """Options that a module's command line takes."""
    for name, call in calls(module.tree):
        if name == "add_argument":
            yield from (text for argument in call.args for text in spelled(argument) if text.startswith("--"))


def untold(names: set[str], rows: set[str], where: str) -> list[str]:
    return [f"{name} has no line in {where}" for name in sorted(names - rows)] + [
        f"{name} has a line in {where}, and nothing is called so any more" for name in sorted(rows - names)
    ]


def _check(names: set[str], rows: set[str], where: str) -> None:
    found = untold(names, rows, where)

    assert found == [], listed(found, f"Write the line in {where}: what it means, and whose turn it is.")


def test_the_page_of_decline_codes_is_what_the_tables_say() -> None:
    told = page("docs/reference/decline-codes.md")

    _check({code.value for code in DeclineCode}, set(table_rows(told)), "docs/reference/decline-codes.md")
    assert told == reference(), "run `make decline-docs`"


def test_every_log_event_is_told_with_its_fields() -> None:
    rows = table_rows(page("docs/reference/log-events.md"))
    logged = [found for module in modules(PRODUCTION) for found in log_events(module)]

    _check({name for name, _ in logged}, set(rows), "docs/reference/log-events.md")
    untold_fields = [
        f"{name}: {field}" for name, fields in logged for field in sorted(fields) if f"`{field}`" not in rows[name]
    ]
    assert untold_fields == [], listed(untold_fields, "Name the field in the event's line.")


def test_every_outbox_event_and_audited_action_is_told() -> None:
    events, _, actions = page("docs/reference/events.md").partition("## What people did")
    written = {kind for module in modules(PRODUCTION) for kind in outbox_events(module)}
    audited = {action for module in modules(PRODUCTION) for action in audit_actions(module)}

    _check(written, set(table_rows(events)), "docs/reference/events.md")
    unnamed = [action for action in sorted(audited) if f"`{action}`" not in actions]
    assert unnamed == [], listed(unnamed, "Write the action into docs/reference/events.md, 'What people did'.")


def test_every_error_code_is_told() -> None:
    codes = {code for module in modules(PRODUCTION) for code in error_codes(module)}

    _check(codes, set(table_rows(page("docs/reference/errors.md"))), "docs/reference/errors.md")


def test_every_flag_of_the_simulator_is_told() -> None:
    told = page("docs/simulator.md")
    missing = [flag for module in modules(("simulator",)) for flag in flags(module) if f"{flag}" not in told]

    assert missing == [], listed(missing, "Write the flag into docs/simulator.md.")


def test_the_checks_can_fail() -> None:
    bad = Module(
        path="billing/bad.py",
        text=(
            "class Odd(BillingError):\n    code: ClassVar[str] = 'odd'\n"
            "_log.warning('odd.happened', why=1)\n"
            "_log.info(f'{bell.name.lower()}.went', **did)\n"
            "event(tx, 'odd.kind', subscription_id=1)\n"
            "_tell(tx, f'odd.{wanted}', x, by)\n"
            "write_audit(tx, action='odd.done')\n_audit(tx, 'odd.undone', by)\n"
            "parser.add_argument('--odd')\n"
        ),
    )

    assert ("odd.happened", {"why"}) in list(log_events(bad))
    assert {"tick.went", "charge.went", "resolve.went"} < {name for name, _ in log_events(bad)}
    assert {"odd.kind", "odd.pause", "odd.cancel", "odd.change_card"} == set(outbox_events(bad))
    assert list(audit_actions(bad)) == ["odd.done", "odd.undone"]
    assert list(error_codes(bad)) == ["odd"]
    assert list(flags(bad)) == ["--odd"]
    assert untold({"odd"}, set(), "a page")
    assert untold(set(), {"odd"}, "a page")
    assert table_rows("| `odd` | x |\n| plain | y |") == {"odd": "| `odd` | x |"}
