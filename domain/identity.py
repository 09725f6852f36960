"""What is a thing's id: pure functions, so that a crash, a replay or a re-import makes the same ids again."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid5

from domain.errors import RuleBroken

if TYPE_CHECKING:
    from datetime import date

    from domain.invoice import Purpose

#: The root of every id of ours; any fixed UUID would do.
_ROOT: Final = UUID("6e1c3a52-7a6b-5b0e-9d3f-0d4a4c5f7e21")
_SEPARATOR: Final = "\x1f"  # cannot occur in a validated field, so that joined fields stay apart

_NAMESPACE_WIDTH: Final = 3
_ID_WIDTH: Final = 26  # 128 bits
_ORDINAL_WIDTH: Final = 6  # 32**6: a thousand million
_ATTEMPT_WIDTH: Final = 3  # 32**3: 32,768
_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz234567"

MERCHANT_UID: Final = re.compile(r"j[a-z2-7]{39}")


def subscription_id(*, namespace: str, customer_ref: str, plan_code: str, started_on: date) -> UUID:
    """The id of a subscription: the same file imported into an empty database makes it again."""
    return uuid5(_ROOT, _SEPARATOR.join((namespace, customer_ref, plan_code, started_on.isoformat())))


def merchant_uid(*, namespace: str, subscription_id: UUID, purpose: Purpose, ordinal: int, attempt_no: int) -> str:
    """The order number under which the gateway knows one charge attempt.

    40 characters of ``[a-z2-7]``, fixed-width fields: ``j``, the namespace's tag, the subscription, the purpose, the
    ordinal (from 0), the attempt number (from 1). Different attempts differ, for no two field tuples give one text.

    Raises:
        RuleBroken: A number does not fit its field.

    Source of the limit: PortOne V1 API, ``merchant_uid`` at most 40 characters; letters and digits only, for one of
    the gateway's PGs takes no others.
    """
    return "".join(
        (
            "j",
            _namespace_tag(namespace),
            base64.b32encode(subscription_id.bytes).decode("ascii").rstrip("=").lower(),
            purpose.letter,
            _base32(ordinal, _ORDINAL_WIDTH),
            _base32(attempt_no, _ATTEMPT_WIDTH),
        )
    )


def is_ours(uid: str, *, namespace: str) -> bool:
    """Whether an order number has the form that this installation makes."""
    return MERCHANT_UID.fullmatch(uid) is not None and uid[1 : 1 + _NAMESPACE_WIDTH] == _namespace_tag(namespace)


def _namespace_tag(namespace: str) -> str:
    digest = hashlib.sha256(namespace.encode("utf-8")).digest()
    return _base32(int.from_bytes(digest[:2], "big") >> 1, _NAMESPACE_WIDTH)


def _base32(number: int, width: int) -> str:
    if not 0 <= number < 32**width:
        raise RuleBroken(f"{number} does not fit {width} base32 digits")
    digits = []
    for _ in range(width):
        number, digit = divmod(number, 32)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
