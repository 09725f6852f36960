"""A card as it was typed in: on its way to the gateway and nowhere else.

No repr, format, copy, pickle or JSON of it shows anything; it is not stored, logged, or put into an exception. What
comes back from the gateway is masked with it, for a gateway may repeat what it was given.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import TYPE_CHECKING, Final, NoReturn, final

from domain.errors import BadInput
from gateway.config import MASKED
from gateway.mask import clean_text

if TYPE_CHECKING:
    from collections.abc import Callable

_DIGITS: Final = re.compile(r"\D")
_NUMBER: Final = re.compile(r"\d{4}([ -]?)\d{4}\1\d{4}\1\d{2,4}|\d{4}([ -]?)\d{6}\2\d{4,5}")
_EXPIRY: Final = re.compile(r"20\d{2}-(?:0[1-9]|1[0-2])")
_BIRTH: Final = re.compile(r"(?:\d{6}|\d{10})?")
_PASSWORD: Final = re.compile(r"(?:\d{2})?")
_CVC: Final = re.compile(r"(?:\d{3,4})?")
_GROUP: Final = 4
#: So many digits in a row, whatever stands between them, are a piece of the number: the first six name only the bank.
_PIECE: Final = 7


@final
class CardDetails:
    """Number, expiry and what proves the holder. Whoever makes one should keep no other copy of them.

    Args:
        number: 14 to 16 digits, in groups or not.
        expiry: YYYY-MM.
        birth: YYMMDD, or the ten digits of a business.
        pwd_2digit: The first two digits of the card's password.
        cvc: On the back.

    Raises:
        BadInput: One of them is none. Its value is not told.
    """

    __slots__ = ("_read",)
    _read: Callable[[], tuple[str, ...]]

    def __init__(self, *, number: str, expiry: str, birth: str = "", pwd_2digit: str = "", cvc: str = "") -> None:
        # A closure shows nothing by itself, and neither does this frame in a traceback that is printed with locals.
        self._read = functools.partial(_same, _Hidden(map(_secret, (number, expiry, birth, pwd_2digit, cvc))))
        number = expiry = birth = pwd_2digit = cvc = MASKED
        wrong = _what_is_wrong(self._read)
        if wrong:
            raise BadInput(wrong)

    def fields(self) -> dict[str, str]:
        """The fields of a request. For the writing of its body only, where nothing that is raised gets out."""
        number, expiry, birth, pwd_2digit, cvc = self._read()
        digits = _Secret(_DIGITS.sub("", number))
        grouped = _Secret("-".join(digits[at : at + _GROUP] for at in range(0, len(digits), _GROUP)))
        told = {"card_number": grouped, "expiry": expiry, "birth": birth, "pwd_2digit": pwd_2digit, "cvc": cvc}
        return {name: value for name, value in told.items() if value}

    def clean(self, text: str) -> str:
        """A sentence of the gateway as it may be kept: without any piece of this card, in whatever form."""
        number, expiry, birth, pwd_2digit, cvc = self._read()
        digits = _Secret(_DIGITS.sub("", number))
        told = _DIGITS.sub("", unicodedata.normalize("NFKC", text))
        if any(digits[at : at + _PIECE] in told for at in range(len(digits) - _PIECE + 1)):
            return MASKED
        year, month = _Secret(expiry[2:4]), _Secret(expiry[5:7])
        plain = unicodedata.normalize("NFC", text)
        for secret in map(_Secret, (expiry, birth, year + month, month + year, f"{month}/{year}", cvc, pwd_2digit)):
            if secret:
                plain = re.sub(rf"(?<!\d){re.escape(secret)}(?!\d)", MASKED, plain)
        return clean_text(plain)

    def __repr__(self) -> str:  # type: ignore[explicit-override]  # typing has no @override in 3.11
        return f"CardDetails({MASKED})"

    def __str__(self) -> str:  # type: ignore[explicit-override]  # typing has no @override in 3.11
        return MASKED

    def __format__(self, _spec: str) -> str:  # type: ignore[explicit-override]  # typing has no @override in 3.11
        return MASKED

    def __copy__(self) -> CardDetails:
        return self

    def __deepcopy__(self, _memo: object) -> CardDetails:
        return self

    def __getstate__(self) -> NoReturn:  # type: ignore[explicit-override]  # typing has no @override in 3.11
        raise TypeError("card details are not stored")

    def __reduce_ex__(self, _protocol: object) -> NoReturn:  # type: ignore[explicit-override]  # typing has no @override in 3.11
        raise TypeError("card details are not stored")


class HiddenBytes(bytes):
    """A body that holds a card: it shows nothing where it is shown."""

    __slots__ = ()

    def __repr__(self) -> str:  # type: ignore[explicit-override]  # typing has no @override in 3.11
        return MASKED


class _Secret(str):
    """Shows nothing where it is shown, as in a traceback with locals."""

    __slots__ = ()

    def __repr__(self) -> str:  # type: ignore[explicit-override]  # typing has no @override in 3.11
        return MASKED


class _Hidden(tuple[str, ...]):
    """Shows nothing, also when something that holds it is shown."""

    __slots__ = ()

    def __repr__(self) -> str:  # type: ignore[explicit-override]  # typing has no @override in 3.11
        return MASKED


def _secret(value: object) -> str:
    return _Secret(value) if isinstance(value, str) else ""


def _same(hidden: _Hidden) -> tuple[str, ...]:
    return hidden


def _what_is_wrong(read: Callable[[], tuple[str, ...]]) -> str:
    """The first thing that is wrong, without its value; nothing is raised where the values are."""
    checks = (
        (_NUMBER, "card_number has 14 to 16 digits, in groups of four or in one piece"),
        (_EXPIRY, "expiry is a year and a month: YYYY-MM"),
        (_BIRTH, "birth is six digits (YYMMDD), or the ten of a business"),
        (_PASSWORD, "pwd_2digit is two digits"),
        (_CVC, "cvc is three or four digits"),
    )
    for (pattern, told), value in zip(checks, read(), strict=True):
        if not pattern.fullmatch(value):
            return told
    return ""
