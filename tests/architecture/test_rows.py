"""Do rows cross from ``models`` upwards as rows only?

Use cases read rows by name, so the type checker must know ``Row``; nothing above ``models`` may do anything else with
SQLAlchemy. The import contract lets ``billing`` name it; this says what of it, and that it is never loaded.
"""

from __future__ import annotations

import ast
from typing import Final

from tests.support.source_tree import PRODUCTION, Module, listed, modules

LIBRARIES: Final = {"sqlalchemy", "alembic", "psycopg"}
ABOVE: Final = tuple(package for package in PRODUCTION if package != "models")
TAKEN: Final = {("sqlalchemy", "Row")}


def sql_above(module: Module) -> list[str]:
    """Imports of SQL's libraries, but for ``Row`` where only the type checker reads."""
    only_checked = {
        id(inner)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found = []
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            names = [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [(node.module or "", alias.name) for alias in node.names]
        else:
            continue
        found += [
            f"{module.path}:{node.lineno} imports {library} {name}".rstrip()
            for library, name in names
            if library.partition(".")[0] in LIBRARIES and not ((library, name) in TAKEN and id(node) in only_checked)
        ]
    return found


def test_nothing_above_models_knows_sql_but_the_type_of_a_row() -> None:
    found = [told for module in modules(ABOVE) for told in sql_above(module)]

    assert found == [], listed(found, "Put the statement into models/queries/ and give rows back.")


def test_the_check_can_fail() -> None:
    for bad in (
        "from sqlalchemy import Row",
        "import sqlalchemy",
        "if TYPE_CHECKING:\n    from sqlalchemy import text",
        "from sqlalchemy.exc import OperationalError",
    ):
        assert sql_above(Module(path="billing/bad.py", text=bad)), bad
    assert sql_above(Module(path="billing/ok.py", text="if TYPE_CHECKING:\n    from sqlalchemy import Row")) == []
