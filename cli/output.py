"""How do answers reach a person or a program: tables and sentences on stdout, or one JSON document."""

from __future__ import annotations

import json
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from domain.invoice import Purpose

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from zoneinfo import ZoneInfo

_SHOWN: Final = 4  # characters of a card's public name that tell it from others


def say(text: str = "") -> None:
    """A sentence on stdout."""
    typer.echo(text)


def warn(text: str) -> None:
    """A sentence on stderr."""
    typer.echo(text, err=True)


def say_json(document: object) -> None:
    """One JSON document on stdout; instants as ISO in UTC, won as numbers."""
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2, default=_json_of))


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]], zone: ZoneInfo, *, title: str = "") -> None:
    """A table on stdout; instants in a zone, numbers to the right. Never wraps where nobody looks on."""
    found = [list(row) for row in rows]
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for position, column in enumerate(columns):
        is_number = bool(found) and all(isinstance(row[position], int) for row in found)
        table.add_column(column, justify="right" if is_number else "left", overflow="fold")
    for row in found:
        table.add_row(*(Text(shown(value, zone)) for value in row))
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=400)
    console.print(table)


def shown(value: object, zone: ZoneInfo) -> str:
    """A value as a person reads it."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case datetime():
            return f"{value.astimezone(zone):%Y-%m-%d %H:%M:%S}"
        case _:
            return str(value)


def numbered(invoice: Any) -> object:  # noqa: ANN401 - a row
    """Which of its subscription's invoices it is: a period's ordinal, or what it is for and its number in that."""
    return invoice.ordinal if invoice.purpose == Purpose.PERIOD else f"{invoice.purpose} {invoice.ordinal}"


def masked_uid(customer_uid: str | None) -> str | None:
    """A card's public name, as far as it tells it from others."""
    return None if customer_uid is None else customer_uid[:_SHOWN] + "***"


def masked_email(email: str) -> str:
    """An e-mail address, as far as its owner recognises it."""
    local, at, host = email.partition("@")
    return f"{local[:1]}***{at}{host}" if at else ""


def masked_tel(tel: str) -> str:
    """A telephone number's last four digits."""
    return f"***{tel[-4:]}" if tel else ""


def as_dict(row: Any, *, without: Sequence[str] = ()) -> dict[str, Any]:  # noqa: ANN401 - a row of any query
    """A row as JSON takes it, its personal data masked."""
    found: Mapping[str, Any] = row._mapping  # noqa: SLF001 - public by its documentation, named so to avoid columns
    masks = {"customer_uid": masked_uid, "email": masked_email, "tel": masked_tel}
    return {
        name: masks[name](value) if name in masks else value for name, value in found.items() if name not in without
    }


def _json_of(value: object) -> object:
    match value:
        case datetime() | date():
            return value.isoformat()
        case time():
            return f"{value:%H:%M}"
        case UUID():
            return str(value)
        case _:
            raise TypeError(type(value).__name__)
