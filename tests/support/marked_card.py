"""A card whose number is looked for afterwards, in everything that was written."""

from __future__ import annotations

import re
import traceback
import unicodedata
from typing import TYPE_CHECKING, Final

from gateway.card_details import CardDetails

if TYPE_CHECKING:
    from collections.abc import Mapping

_NUMBER: Final = "9876543210987652"
_EXPIRY: Final = "2037-11"
_BIRTH: Final = "8706051239"
_PASSWORD: Final = "73"
_CVC: Final = "9157"
#: The first six digits and the last four may be kept of a number; any eight in a row are more than that.
_WINDOW: Final = 8

_PIECES: Final = "|".join(r"[ .-]?".join(_NUMBER[at : at + _WINDOW]) for at in range(len(_NUMBER) - _WINDOW + 1))
_TRACES: Final = re.compile(
    "|".join(
        [
            f"(?P<number>{_PIECES})",
            _BIRTH,
            *(r"2037-11", r"11/37", r"""expiry["'\\: =]+20"""),
            rf"""pwd_2digit["'\\: =]+{_PASSWORD}""",
            rf"""cvc["'\\: =]+{_CVC}""",
        ]
    )
)


def marked_card() -> CardDetails:
    """The card; nothing else in a test holds it."""
    return CardDetails(
        number=f"{_NUMBER[:4]}-{_NUMBER[4:8]}-{_NUMBER[8:12]}-{_NUMBER[12:]}",
        expiry=_EXPIRY,
        birth=_BIRTH,
        pwd_2digit=_PASSWORD,
        cvc=_CVC,
    )


def sentences() -> list[str]:
    """What a gateway might say back, in every form that it might choose."""
    number, dashed = _NUMBER, "-".join(_NUMBER[at : at + 4] for at in range(0, 16, 4))
    wide = "".join(chr(ord(digit) - ord("0") + 0xFF10) for digit in number)
    return [
        f"[120014] 카드번호 오류 {number}",
        f"카드번호 {dashed} 유효기간 {_EXPIRY} 오류",
        f"카드번호({dashed.replace('-', ' ')}) 생년월일 {_BIRTH}",
        f"{number[:12]}**** 유효기간 11/37",
        f"pwd_2digit={_PASSWORD}, cvc={_CVC}",
        f"카드 {wide}",
    ]


def odd_sentences() -> list[str]:
    """The same in forms that nobody takes for a card's number who does not have it."""
    number = _NUMBER
    return [
        f"카드 {number[:5]}.{number[5:10]}.{number[10:]}",
        f"카드 {' '.join(number)}",
        f"뒤 여덟 자리 {number[8:]}",
        f"앞 여덟 자리 {number[:8]}********",
    ]


def spoilt_cards() -> list[Mapping[str, str]]:
    """Arguments of cards that are none, each with something of the marked one."""
    good = {"number": _NUMBER, "expiry": _EXPIRY, "birth": _BIRTH, "pwd_2digit": _PASSWORD, "cvc": _CVC}
    return [
        good | {"number": _NUMBER + "1"},
        good | {"number": _NUMBER[:15] + "x"},
        good | {"expiry": "1137"},
        good | {"birth": _BIRTH + "0"},
        good | {"pwd_2digit": _PASSWORD + _PASSWORD},
        good | {"cvc": _CVC + "1"},
    ]


class Trawl:
    """Collects what was written, each piece with the place where it was."""

    def __init__(self) -> None:
        self.pieces: list[tuple[str, str]] = []

    def take(self, place: str, written: object) -> None:
        text = written.decode("utf-8", "replace") if isinstance(written, bytes) else str(written)
        self.pieces.append((place, unicodedata.normalize("NFKC", text)))

    def show(self, place: str, value: object) -> None:
        """A value, as anybody may come to write it down."""
        for text in (repr(value), str(value), f"{value}", repr([value]), repr({"value": value})):
            self.take(place, text)

    def caught(self, place: str, error: BaseException) -> None:
        """An exception, its causes and contexts, with every frame's local variables."""
        report = traceback.TracebackException.from_exception(error, capture_locals=True)
        self.take(place, "".join(report.format()))
        self.show(place, error)

    def found(self) -> list[str]:
        """Where something of the card stands; the piece itself is left out."""
        return sorted({f"{place}: {_kind(hit)}" for place, text in self.pieces for hit in _TRACES.finditer(text)})

    def found_of_the_number(self) -> list[str]:
        """Where something of its number stands: whoever never had the card cannot know the rest of it in a sentence."""
        return [each for each in self.found() if each.endswith("of the number")]


def _kind(hit: re.Match[str]) -> str:
    return f"{len(hit.group())} characters of {'the number' if hit['number'] else 'what else is on a card'}"
