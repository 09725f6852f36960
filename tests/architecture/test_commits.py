"""Do transactions begin and end in one place only?"""

from __future__ import annotations

from typing import Final

from tests.support.source_tree import PRODUCTION, Module, calls_with_place, listed, modules

ENDS_OR_BEGINS: Final = {"commit", "rollback", "begin", "begin_nested", "begin_twophase", "autocommit"}
#: DDL runs in a transaction of its own, once at deployment, before there is anything to lose.
ALLOWED: Final = {"models/migrate.py::upgrade_to_head"}
HOME: Final = "models/session.py"


def transactions_elsewhere(module: Module) -> list[str]:
    if module.path == HOME:
        return []
    return [
        f"{place} calls {name}() on line {node.lineno}"
        for place, name, node in calls_with_place(module)
        if name in ENDS_OR_BEGINS and place not in ALLOWED
    ]


def test_only_the_session_begins_commits_and_rolls_back() -> None:
    found = [told for module in modules(PRODUCTION) for told in transactions_elsewhere(module)]

    assert found == [], listed(found, "Use `with database.transaction() as tx:`: it commits at its end, or nothing.")


def test_the_check_can_fail() -> None:
    bad = Module(path="billing/bad.py", text="def f(tx):\n    tx.connection.commit()\n    tx.rollback()\n")

    assert len(transactions_elsewhere(bad)) == 2
    assert transactions_elsewhere(Module(path=HOME, text=bad.text)) == []
