"""Where in a refusal's free text may a code stand, and what of the text is the same from one refusal to the next?"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

#: Four or six characters, as KG Inicis and others write their codes.
_CODE: Final = r"[0-9A-Z]{4}|[0-9A-Z]{6}"
_IN_BRACKETS: Final = re.compile(rf"[\[(<{{]\s*(?:코드\s*:?\s*|code\s*:?\s*)?({_CODE})\s*[\])>}}:]", re.IGNORECASE)
#: A number at the start is a code only if it ends like one: `1,200` and `1203 원` are money, `1588 1234` rings,
#: but `120002 1일 한도초과` and `550654 5000원 미만` are a code and its message.
_NO_NUMBER: Final = r"(?!\d{3,}(?![0-9원가-힣])|\d+[:.-]\d|원|won|krw)"
_AT_START: Final = re.compile(rf"\s*({_CODE})(?=$|\s*[:,\])|/-](?!\s*\d)|\s+{_NO_NUMBER})", re.IGNORECASE)
#: What stands before a bracket and makes a sum of money, or somebody's number, of what is in it.
_NUMBER_BEFORE: Final = re.compile(
    r"(?:금액|가격|요금|합계|총액|잔액|한도액?|원|amount|price|total|sum|won|krw|₩|번호|bin|tel|tid|no\.?)\s*[:=]?\s*$",
    re.IGNORECASE,
)
#: A sum of money; a name that was drawn for this one payment; a number longer than a code's.
_AMOUNT: Final = re.compile(r"\d[\d,]*(?=\s*(?:원|won|krw))", re.IGNORECASE)
_DRAWN: Final = re.compile(r"(?<![\w-])(?=[\w-]*\d)[A-Za-z0-9_-]{7,}", re.ASCII)
_LONG_NUMBER: Final = re.compile(r"\d(?:[ -]?\d){4,}")
_READ: Final = 2000  # as much as is kept of a text
_LONGEST: Final = 300
_ELLIPSIS: Final = "…"


def plain(text: str) -> str:
    """The text, as far as it is read, with one form for each character: full width, composed or not, is the same."""
    text = text[:_READ]
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


def codes_in(text: str) -> tuple[str, ...]:
    """Whatever stands where a code may stand, in capitals, in order: at the very start, or in brackets."""
    return tuple(text[begin:end].upper() for begin, end in _spans(text))


def normalized(text: str) -> str:
    """The text without what differs from one refusal to the next: sums, drawn names, long numbers, spaces.

    Two refusals with the same normalized text say the same. Nothing that names anybody by number is left in it, and
    nothing that a terminal would obey.
    """
    whole = plain(text)
    pieces, last = [], 0
    for begin, end in _spans(whole):
        pieces += [_masked(whole[last:begin]), whole[begin:end].upper()]
        last = end
    pieces.append(_masked(whole[last:]))
    printable = (letter if letter.isprintable() else " " for letter in "".join(pieces))
    told = " ".join("".join(printable).split())
    return told if len(told) <= _LONGEST else told[: _LONGEST - 1] + _ELLIPSIS


def _spans(text: str) -> list[tuple[int, int]]:
    start = _AT_START.match(text)
    spans = [] if start is None else [start.span(1)]
    spans += [
        found.span(1) for found in _IN_BRACKETS.finditer(text) if not _NUMBER_BEFORE.search(text[: found.start()][-20:])
    ]
    return spans


def _masked(text: str) -> str:
    for pattern in (_AMOUNT, _DRAWN, _LONG_NUMBER):
        text = pattern.sub("#", text)
    return text
