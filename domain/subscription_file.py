"""What does a subscription file hold: rows of a CSV text, read one after the other in bounded memory.

A row that is wrong is handed on with its reason; a text that is not CSV stops the reading.
"""

from __future__ import annotations

import codecs
import csv
import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from domain.errors import BadInput
from domain.subscription_row import OPTIONAL, REQUIRED, SubscriptionRow, read_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

#: Bytes. A row of ours has some hundred; a file without line ends must not fill the memory.
LONGEST_LINE: Final = 65_536
#: Bounds what an import must remember about a file.
MAXIMUM_ROWS: Final = 500_000

_COLUMNS: Final = (*REQUIRED, *OPTIONAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A row that is not taken, and why. ``line`` is where it begins, from 1."""

    line: int
    reason: str


class SubscriptionFile:
    """The rows of a file; its header is read and checked first.

    Args:
        lines: The file's lines as bytes, each with its line end, none longer than ``LONGEST_LINE`` + 1.
        default_timezone: For rows whose timezone is empty.

    Raises:
        BadInput: It is empty, not UTF-8, not CSV, or its header is not ours; the sentence tells the line.
    """

    def __init__(self, lines: Iterable[bytes], *, default_timezone: str) -> None:
        self._default_timezone = default_timezone
        self._reader = csv.reader(decoded_lines(lines), strict=True)
        header = self._next_row()
        while header is not None and not header[1]:
            header = self._next_row()
        if header is None:
            raise BadInput(f"the file is empty; its first line must be {','.join(_COLUMNS)}")
        self._header = _checked_header(header[1], line=header[0])
        self.ignored_columns: Final = tuple(name for name in self._header if name not in _COLUMNS)

    def __iter__(self) -> Iterator[SubscriptionRow | Refused]:
        """Every row in order, taken or refused; blank lines are passed over.

        Raises:
            BadInput: From here on the text is not CSV, or there are too many rows.
        """
        count = 0
        while (found := self._next_row()) is not None:
            line, cells = found
            if not cells:
                continue
            count += 1
            if count > MAXIMUM_ROWS:
                raise BadInput(f"line {line}: the file has more than {MAXIMUM_ROWS:,} rows; split it")
            yield self._read(line, cells)

    def _read(self, line: int, cells: Sequence[str]) -> SubscriptionRow | Refused:
        if len(cells) != len(self._header):
            return Refused(line=line, reason=f"has {len(cells)} columns, the header has {len(self._header)}")
        fields = {name: cell for name, cell in zip(self._header, cells, strict=True) if name in _COLUMNS}
        try:
            return read_row(fields, line=line, default_timezone=self._default_timezone)
        except BadInput as error:
            return Refused(line=line, reason=str(error))

    def _next_row(self) -> tuple[int, list[str]] | None:
        line = self._reader.line_num + 1
        try:
            return line, next(self._reader)
        except StopIteration:
            return None
        except csv.Error as error:
            raise BadInput(f"line {line}: {_why_not_csv(str(error))}") from error


def decoded_lines(lines: Iterable[bytes]) -> Iterator[str]:
    """The text of a CSV file's lines.

    Raises:
        BadInput: One is not UTF-8, holds a NUL, or is too long to be a row; the sentence tells which.
    """
    for number, raw in enumerate(lines, start=1):
        if len(raw) > LONGEST_LINE:
            raise BadInput(f"line {number}: is longer than {LONGEST_LINE:,} bytes; is this a CSV file with line ends?")
        if b"\0" in raw:
            raise BadInput(f"line {number}: holds a NUL byte; save the file as CSV in UTF-8")
        line = raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise BadInput(f"line {number}: is not UTF-8; save the file as CSV in UTF-8") from error


def _checked_header(cells: Sequence[str], *, line: int) -> tuple[str, ...]:
    header = tuple(cell.strip() for cell in cells)
    if len(header) == 1 and (";" in header[0] or "\t" in header[0]):
        raise BadInput(f"line {line}: the header has one column; separate columns by commas")
    for position, name in enumerate(header, start=1):
        if not name or not name.isprintable():
            raise BadInput(f"line {line}: column {position} of the header has no name")
        if header.count(name) > 1:
            raise BadInput(f"line {line}: the header names {name[:40]} twice")
    missing = [name for name in REQUIRED if name not in header]
    if missing:
        near = difflib.get_close_matches(missing[0], [name for name in header if name not in _COLUMNS], n=1)
        mend = f"is {near[0]!r} meant?" if near else f"write {','.join(_COLUMNS)}"
        raise BadInput(f"line {line}: the header lacks {', '.join(missing)}; {mend}")
    return header


def _why_not_csv(told: str) -> str:
    if "unexpected end of data" in told or "field larger" in told:
        return 'a quoted field that begins in this row is never closed; write " inside quotes as ""'
    if "expected after" in told:
        return 'a quoted field is followed by something else than a comma; write " inside quotes as ""'
    if "new-line character" in told:
        return "lines end with a lone carriage return; save the file with ordinary line ends"
    return f"is not CSV: {told}"
