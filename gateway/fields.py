"""What may stand in the fields of a request? What the gateway would refuse is refused before anything is sent.

Pure. Errors name the field and the mend, never the value.

Source of lengths: the PortOne V1 API schema, in characters. It tells no limit in bytes, so those are our
choice: three bytes of UTF-8 for each character of a name, one for each of a number or an address on the net.
``merchant_uid``: documents tell 40 and 80, and samples hold 44; 40 of these letters fit all of them, and a path.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from domain.errors import BadInput
from domain.price import LEAST_FOR_INSTALMENTS

MERCHANT_UID: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")
#: In a path these mean another path.
DOTS: Final = frozenset({".", ".."})
#: Beyond this a float no longer tells neighbouring won apart.
LARGEST_WON: Final = 2**53
MOST_INSTALMENTS: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The longest value of a field, in UTF-16 units and in bytes of UTF-8."""

    characters: int
    octets: int


#: Texts that are cut, at whole characters.
CUT: Final = {
    "name": Limit(characters=40, octets=120),
    "buyer_name": Limit(characters=16, octets=48),
    "buyer_email": Limit(characters=64, octets=64),
    "buyer_tel": Limit(characters=16, octets=16),
    "buyer_addr": Limit(characters=128, octets=384),
    "buyer_postcode": Limit(characters=8, octets=8),
    "customer_name": Limit(characters=20, octets=60),
    "customer_tel": Limit(characters=20, octets=20),
    "customer_email": Limit(characters=200, octets=200),
    "customer_addr": Limit(characters=200, octets=600),
    "customer_postcode": Limit(characters=8, octets=8),
}
#: Values that mean something else once they are cut, so they are refused.
WHOLE: Final = {
    "customer_uid": Limit(characters=80, octets=240),
    "channel_key": Limit(characters=55, octets=55),
    "pg": Limit(characters=80, octets=80),
    "notice_url": Limit(characters=2000, octets=2000),
    "custom_data": Limit(characters=4000, octets=8000),
    "reason": Limit(characters=200, octets=600),
    "promotion_id": Limit(characters=80, octets=80),
    "browser_ip": Limit(characters=45, octets=45),
    "bypass": Limit(characters=4000, octets=8000),
    "imp_uid": Limit(characters=32, octets=32),
    "customer_id": Limit(characters=80, octets=240),
}
_JOINERS: Final = frozenset("\u200d\ufe0e\ufe0f")
_JAMO_TAILS: Final = range(0x1160, 0x1200)
_ONE_UNIT: Final = 0xFFFF


def require_merchant_uid(value: str) -> None:
    """An order number that every part of the gateway takes.

    Raises:
        BadInput: It is not.
    """
    if not MERCHANT_UID.fullmatch(value):
        raise BadInput("merchant_uid is 1 to 40 letters, digits, hyphens and underscores: make another one")


def require_customer_uid(value: str) -> None:
    """The name of a billing key: 1 to 80 characters.

    Raises:
        BadInput: It is none.
    """
    if not value.strip() or not value.isprintable() or value in DOTS:
        raise BadInput("customer_uid names a billing key: 1 to 80 printable characters")
    require_whole("customer_uid", value)


def require_whole(name: str, value: str) -> None:
    """A value that is sent as it is, within its limit.

    Raises:
        BadInput: It is too long, or holds half a character.
    """
    limit = WHOLE[name]
    if value.isascii() and len(value) <= min(limit.characters, limit.octets):
        return
    if units(value) > limit.characters or octets(name, value) > limit.octets:
        raise BadInput(f"{name} has at most {limit.characters} characters and {limit.octets} bytes: shorten it")


def octets(name: str, value: str) -> int:
    """The length in bytes, as it is sent.

    Raises:
        BadInput: It holds half a character, which no UTF-8 can carry.
    """
    try:
        return len(value.encode())
    except UnicodeEncodeError:
        pass  # not chained: it would tell the value
    raise BadInput(f"{name} holds half a character: give whole ones")


def require_won(name: str, value: int, *, least: int = 1) -> None:
    """Won: a whole, positive number.

    Raises:
        BadInput: It is something else.
    """
    if type(value) is not int or not least <= value < LARGEST_WON:
        raise BadInput(f"{name} is a whole number of won, at least {least}")


def require_tax_parts(amount: int, tax_free: int, vat_amount: int | None) -> None:
    """Both parts lie within the amount, together.

    Raises:
        BadInput: They do not.
    """
    require_won("tax_free", tax_free, least=0)
    if vat_amount is not None:
        require_won("vat_amount", vat_amount, least=0)
    if tax_free + (vat_amount or 0) > amount:
        raise BadInput("tax_free and vat_amount are parts of the amount: together they exceed it")


def require_card_quota(card_quota: int, amount: int) -> None:
    """Months of instalments: none (0), or 2 and more from 50,000 won on.

    Raises:
        BadInput: They are not to be had.
    """
    if type(card_quota) is not int or card_quota not in range(MOST_INSTALMENTS + 1) or card_quota == 1:
        raise BadInput(f"card_quota is 0 (at once) or 2 to {MOST_INSTALMENTS} months")
    if card_quota and amount < LEAST_FOR_INSTALMENTS:
        raise BadInput(f"card_quota: instalments are open from {LEAST_FOR_INSTALMENTS} won on")


def units(text: str) -> int:
    """The length as the gateway counts it: UTF-16 units."""
    return len(text) + sum(1 for char in text if ord(char) > _ONE_UNIT)


def cut(name: str, text: str) -> str:
    """A text cut to its field's limit."""
    limit = CUT[name]
    return cut_text(text, limit.characters, octets=limit.octets)


def cut_text(text: str, length: int, *, octets: int | None = None) -> str:
    """At most ``length`` characters as the gateway counts them, and ``octets`` bytes of UTF-8; never half of one."""
    most = length if octets is None else min(length, octets)
    if text.isprintable():  # nothing to replace; and mostly nothing to cut, whatever each character counts
        if text.isascii():
            return text[:most].strip()
        fits = 2 * len(text) <= length and (octets is None or 4 * len(text) <= octets)
        if fits and unicodedata.is_normalized("NFC", text):
            return text.strip()
    plain = unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode("utf-8"))
    plain = "".join(char if char in _JOINERS or unicodedata.category(char) != "Cc" else " " for char in plain).strip()
    end = _whole_end(plain, length, octets)
    while 0 < end < len(plain) and (_continues(plain[end]) or plain[end - 1] == "\u200d"):
        end -= 1
    return plain[:end].strip()


def _whole_end(plain: str, length: int, octets: int | None) -> int:
    """How many characters fit, in units and in bytes."""
    used = size = end = 0
    for char in plain:
        used += 2 if ord(char) > _ONE_UNIT else 1
        size += len(char.encode())
        if used > length or (octets is not None and size > octets):
            break
        end += 1
    return end


def _continues(char: str) -> bool:
    return char in _JOINERS or ord(char) in _JAMO_TAILS or unicodedata.category(char) in {"Mn", "Me", "Mc"}
