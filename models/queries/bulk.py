"""How are many rows written in one statement: arrays in, ``unnest`` inside, one round trip.

A column that is the same in every row goes as one value: most are, and an array costs both sides every element.
"""

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
    varying = _varying(columns, rows)
    statement = _insert(model, columns, varying, or_ignore)
    return tx.connection.execute(statement, _values(model, columns, varying, rows)).rowcount


def update_rows(
    tx: Transaction, model: type[Base], rows: Sequence[Mapping[str, Any]], *, key: tuple[str, ...] = ("id",)
) -> int:
    """Update rows found by ``key``; every row gives the key and the same columns. Gives how many were found."""
    if not rows:
        return 0
    columns = tuple(rows[0])
    varying = _varying(columns, rows)
    statement = _update(model, columns, varying, key)
    return tx.connection.execute(statement, _values(model, columns, varying, rows)).rowcount


def _varying(columns: tuple[str, ...], rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The columns that differ between rows; all of them if none does: something must say how many rows there are."""
    first = rows[0]
    return tuple(column for column in columns if any(row[column] != first[column] for row in rows)) or columns


def _values(
    model: type[Base], columns: tuple[str, ...], varying: tuple[str, ...], rows: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    table = _table(model)
    values = {}
    for column in columns:
        each = [row[column] for row in (rows if column in varying else rows[:1])]
        if isinstance(table.c[column].type, JSONB):
            each = [json.dumps(value, ensure_ascii=False) for value in each]
        values[column] = each if column in varying else each[0]
    return values


@lru_cache(maxsize=256)
def _insert(
    model: type[Base],
    columns: tuple[str, ...],
    varying: tuple[str, ...],
    or_ignore: bool,  # noqa: FBT001 - a cache key
) -> TextClause:
    names = ", ".join(columns)
    given = ", ".join(f"v.{column}" if column in varying else _cast(model, column) for column in columns)
    ignoring = " ON CONFLICT DO NOTHING" if or_ignore else ""
    return text(f"INSERT INTO {_table(model).name} ({names}) SELECT {given} FROM {_unnest(model, varying)}{ignoring}")


@lru_cache(maxsize=256)
def _update(model: type[Base], columns: tuple[str, ...], varying: tuple[str, ...], key: tuple[str, ...]) -> TextClause:
    given = {column: f"v.{column}" if column in varying else _cast(model, column) for column in columns}
    sets = ", ".join(f"{column} = {given[column]}" for column in columns if column not in key)
    where = " AND ".join(f"t.{column} = {given[column]}" for column in key)
    return text(f"UPDATE {_table(model).name} t SET {sets} FROM {_unnest(model, varying)} WHERE {where}")


def _cast(model: type[Base], column: str, *, suffix: str = "") -> str:
    """A bound value with its column's type: alone, its type would be guessed, and differently for NULL."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    return f"CAST(:{column} AS {_table(model).c[column].type.compile(dialect=dialect)}{suffix})"


def _unnest(model: type[Base], columns: tuple[str, ...]) -> str:
    """Names come from our own tables, values are bound: nothing of a caller's text is in the statement."""
    arrays = ", ".join(_cast(model, column, suffix="[]") for column in columns)
    return f"unnest({arrays}) AS v({', '.join(columns)})"


def _table(model: type[Base]) -> Table:
    table = model.__table__
    if not isinstance(table, Table):
        raise TypeError(f"{model.__name__} is not mapped to a table")
    return table
