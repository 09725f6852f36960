"""How are many rows written in one statement: arrays in, ``unnest`` inside, one round trip."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Table, TextClause, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from models.base import Base
    from models.session import Transaction


def insert_rows(
    tx: Transaction, model: type[Base], rows: Sequence[Mapping[str, Any]], *, or_ignore: bool = False
) -> int:
    """Insert rows that all have the same columns; gives how many were inserted.

    ``or_ignore``: a row that breaks a unique constraint is left out.
    """
    if not rows:
        return 0
    columns = tuple(rows[0])
    statement = _insert(model, columns, or_ignore)
    return tx.connection.execute(statement, _arrays(model, columns, rows)).rowcount


def update_rows(
    tx: Transaction, model: type[Base], rows: Sequence[Mapping[str, Any]], *, key: tuple[str, ...] = ("id",)
) -> int:
    """Update rows found by ``key``; every row gives the key and the same columns. Gives how many were found."""
    if not rows:
        return 0
    columns = tuple(rows[0])
    statement = _update(model, columns, key)
    return tx.connection.execute(statement, _arrays(model, columns, rows)).rowcount


def _arrays(model: type[Base], columns: tuple[str, ...], rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    table = _table(model)
    arrays = {}
    for column in columns:
        values = [row[column] for row in rows]
        if isinstance(table.c[column].type, JSONB):
            values = [json.dumps(value, ensure_ascii=False) for value in values]
        arrays[column] = values
    return arrays


@lru_cache(maxsize=256)
def _insert(model: type[Base], columns: tuple[str, ...], or_ignore: bool) -> TextClause:  # noqa: FBT001 - a cache key
    names = ", ".join(columns)
    ignoring = " ON CONFLICT DO NOTHING" if or_ignore else ""
    return text(f"INSERT INTO {_table(model).name} ({names}) SELECT {names} FROM {_unnest(model, columns)}{ignoring}")


@lru_cache(maxsize=256)
def _update(model: type[Base], columns: tuple[str, ...], key: tuple[str, ...]) -> TextClause:
    sets = ", ".join(f"{column} = v.{column}" for column in columns if column not in key)
    where = " AND ".join(f"t.{column} = v.{column}" for column in key)
    return text(f"UPDATE {_table(model).name} t SET {sets} FROM {_unnest(model, columns)} WHERE {where}")


def _unnest(model: type[Base], columns: tuple[str, ...]) -> str:
    """Names come from our own tables, values are bound: nothing of a caller's text is in the statement."""
    table = _table(model)
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    arrays = ", ".join(f"CAST(:{column} AS {table.c[column].type.compile(dialect=dialect)}[])" for column in columns)
    return f"unnest({arrays}) AS v({', '.join(columns)})"


def _table(model: type[Base]) -> Table:
    table = model.__table__
    if not isinstance(table, Table):
        raise TypeError(f"{model.__name__} is not mapped to a table")
    return table
