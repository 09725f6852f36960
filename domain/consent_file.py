"""What does a file of answers, or of notices, say: a CSV row each, checked, or why the row is refused."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from domain.consent import Answer
from domain.errors import BadInput
from domain.subscription_file import Refused, decoded_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

#: Columns of a file of answers, and of one of notices; the optional ones come last.
CONSENT_COLUMNS: Final = ("subscription", "given_at", "through", "text_version", "ref", "answer")
NOTICE_COLUMNS: Final = ("subscription", "told_at", "through", "text_version", "ref")
_REQUIRED: Final = 3

_WORD: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_LENGTH: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What a customer said, or was told, of the change of price ahead of a subscription. ``line`` from 1; 0: no file.

    ``at`` is aware; ``through`` is how: a word such as ``web``, ``app``, ``sms``. ``ref`` leads to the evidence.
    """

    subscription: str
    at: datetime
    through: str
    text_version: str | None = None
    ref: str | None = None
    answer: Answer = Answer.AGREED
    line: int = 0


def read_said(fields: Mapping[str, str], *, at: str, line: int = 0) -> Statement:
    """Check what is told; ``at`` is the name of its instant.

    Raises:
        BadInput: The sentence names the field.
    """
    values = {name: (value or "").strip() for name, value in fields.items()}
    if not values.get("subscription"):
        raise BadInput("subscription is empty; give its id")
    through = values.get("through", "")
    if not _WORD.fullmatch(through):
        raise BadInput(f"through {through[:40]!r} cannot be used; give a word such as web, app, phone or sms")
    return Statement(
        subscription=values["subscription"],
        at=read_instant(at, values.get(at, "")),
        through=through,
        text_version=_text("text_version", values.get("text_version", "")),
        ref=_text("ref", values.get("ref", "")),
        answer=_answer(values.get("answer", "")),
        line=line,
    )


def read_instant(name: str, value: str) -> datetime:
    """An instant with its offset from UTC.

    Raises:
        BadInput: It is none.
    """
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise BadInput(f"{name} {value[:40]!r} is no instant; write it with its offset, as 2026-02-20T14:30:00+09:00")
    return instant


def _answer(value: str) -> Answer:
    try:
        return Answer(value or Answer.AGREED)
    except ValueError:
        choices = " or ".join(Answer)
        raise BadInput(f"answer {value[:20]!r} is unknown; give {choices}") from None


def _text(name: str, value: str) -> str | None:
    if len(value) > _LENGTH or not value.isprintable():
        raise BadInput(f"{name} is longer than {_LENGTH} characters, or holds one that cannot be printed; shorten it")
    return value or None


def read_said_file(lines: Iterable[bytes], columns: Sequence[str]) -> Iterator[Statement | Refused]:
    """The rows of a file, taken or refused; ``columns`` are one of those above.

    Raises:
        BadInput: It is no such CSV file; the sentence tells the line.
    """
    reader = csv.reader(decoded_lines(lines), strict=True)
    header: list[str] | None = None
    try:
        for cells in reader:
            if not cells:
                continue
            if header is None:
                header = _checked_header([cell.strip() for cell in cells], columns)
            elif len(cells) != len(header):
                yield Refused(line=reader.line_num, reason=f"has {len(cells)} columns, the header has {len(header)}")
            else:
                yield _row(dict(zip(header, cells, strict=True)), at=columns[1], line=reader.line_num)
    except csv.Error as error:
        raise BadInput(f"line {reader.line_num}: is not CSV: {error}") from error
    if header is None:
        raise BadInput(f"the file is empty; its first line must be {','.join(columns)}")


def _checked_header(header: list[str], columns: Sequence[str]) -> list[str]:
    for name in columns[:_REQUIRED]:
        if name not in header:
            raise BadInput(f"the header has no {name}; it must be {','.join(columns)}")
    for name in header:
        if name not in columns or header.count(name) > 1:
            raise BadInput(f"the header's {name[:40]!r} is no column, or stands twice; it must be {','.join(columns)}")
    return header


def _row(fields: Mapping[str, str], *, at: str, line: int) -> Statement | Refused:
    try:
        return read_said(fields, at=at, line=line)
    except BadInput as error:
        return Refused(line=line, reason=str(error))
