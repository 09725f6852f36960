"""The table of KG Inicis codes, read from ``decline_codes.csv`` once a process: code -> our decline code."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from domain.outcome import DeclineCode

if TYPE_CHECKING:
    from collections.abc import Mapping

_FILE: Final = Path(__file__).with_name("decline_codes.csv")
_VERSION: Final = "# version: "


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    """One code of the code book: its message there, what we take it for, where it is from, and why if not plain."""

    code: str
    message: str
    decline_code: DeclineCode
    source: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclineTable:
    """The whole file."""

    version: str
    head: tuple[str, ...]
    rows: Mapping[str, TableRow]


def _read(text: str) -> DeclineTable:
    lines = text.splitlines()
    head = tuple(line for line in lines if line.startswith("#"))
    version = next(line.removeprefix(_VERSION) for line in head if line.startswith(_VERSION))
    found = csv.DictReader(line for line in lines if not line.startswith("#"))
    rows = {
        row["code"]: TableRow(
            code=row["code"],
            message=row["message"],
            decline_code=DeclineCode(row["decline_code"]),
            source=row["source"],
            note=row["note"],
        )
        for row in found
    }
    return DeclineTable(version=version, head=head, rows=rows)


TABLE: Final = _read(_FILE.read_text(encoding="utf-8"))
