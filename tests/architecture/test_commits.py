"""Do transactions begin and end in one place only?"""

from __future__ import annotations

import ast
from typing import Final

from tests.support.source_tree import PRODUCTION, Module, calls_with_place, listed, modules

ENDS_OR_BEGINS: Final = {"commit", "rollback", "begin", "begin_nested", "begin_twophase", "autocommit"}
#: DDL runs in a transaction of its own, once at deployment, before there is anything to lose.
ALLOWED: Final = {"models/migrate.py::upgrade_to_head"}
HOME: Final = "models/session.py"

#: What talks to the gateway, or has a transaction of its own.
NEVER_WHILE_OPEN: Final = {
    "gateway", "fan_out", "ask_each", "token_in_hand", "ask_resolver", "record_outcomes", "transaction", "reading",
}  # fmt: skip


def transactions_elsewhere(module: Module) -> list[str]:
    if module.path == HOME:
        return []
    return [
        f"{place} calls {name}() on line {node.lineno}"
        for place, name, node in calls_with_place(module)
        if name in ENDS_OR_BEGINS and place not in ALLOWED
    ]


def calls_while_open(module: Module) -> list[str]:
    """Whatever asks the gateway, or begins another transaction, inside a transaction."""
    return [
        f"{module.path}:{node.lineno} uses {name} inside a transaction"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.With) and any(_opens(item.context_expr) for item in node.items)
        for line in node.body
        for name in _named(line)
        if name in NEVER_WHILE_OPEN
    ]


def _opens(expression: ast.expr) -> bool:
    return (
        isinstance(expression, ast.Call)
        and isinstance(expression.func, ast.Attribute)
        and expression.func.attr in {"transaction", "reading"}
    )


def _named(line: ast.stmt) -> list[str]:
    return [
        node.attr if isinstance(node, ast.Attribute) else node.id
        for node in ast.walk(line)
        if isinstance(node, ast.Attribute | ast.Name)
    ]


def test_nothing_is_open_while_the_gateway_is_asked() -> None:
    found = [told for module in modules(PRODUCTION) for told in calls_while_open(module)]

    assert found == [], listed(found, "End the transaction first: a call may take a minute, and locks must not.")


def test_only_the_session_begins_commits_and_rolls_back() -> None:
    found = [told for module in modules(PRODUCTION) for told in transactions_elsewhere(module)]

    assert found == [], listed(found, "Use `with database.transaction() as tx:`: it commits at its end, or nothing.")


def test_the_check_can_fail() -> None:
    bad = Module(path="billing/bad.py", text="def f(tx):\n    tx.connection.commit()\n    tx.rollback()\n")

    assert len(transactions_elsewhere(bad)) == 2
    asks = "def f(p):\n    with p.database.transaction() as tx:\n        p.gateway.find_all(merchant_uid=tx)\n"
    assert calls_while_open(Module(path="billing/bad.py", text=asks))
    assert transactions_elsewhere(Module(path=HOME, text=bad.text)) == []
