"""What of the gateway's words may be kept: no card, no billing key, no name, no mail, no telephone number."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from gateway.config import MASKED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gateway.port import Charge

#: Ids of others, whose digits are no card's; in every other text something personal may stand, whatever its field.
_IDS: Final = frozenset({"imp_uid", "merchant_uid", "pg_tid"})
#: Fields of a payment record that are evidence and name nobody.
KEPT_FIELDS: Final = (
    "imp_uid",
    "merchant_uid",
    "status",
    "amount",
    "cancel_amount",
    "currency",
    "fail_reason",
    "started_at",
    "paid_at",
    "failed_at",
    "cancelled_at",
    "pg_provider",
    "pg_tid",
    "sandbox",
    "card_code",
    "card_issuer_code",
    "card_name",
)
_EVIDENCE_LENGTH: Final = 200
_REASON_LENGTH: Final = 2000
_SHORTEST_SECRET: Final = 2
#: The largest number that survives in JSON; beyond it a value is no evidence but an attack on the reader.
_LARGEST: Final = 2**53
_CARD_NUMBER: Final = re.compile(
    r"(?<!\d)\d{4}(?:(?:[ -]?[\d*]{4}){2}[ -]?[\d*]{1,7}|[ -]?[\d*]{6}[ -]?[\d*]{4,5})(?!\d)"
)
_EMAIL: Final = re.compile(r"[^\s@<>()\[\]]+@[^\s@<>()\[\]]+\.[^\s@<>()\[\]]+")
_TEL: Final = re.compile(r"(?<!\d)01\d[- .]?\d{3,4}[- .]?\d{4}(?!\d)")


def secrets_of(charge: Charge) -> tuple[str, ...]:
    """What this charge's answer must not repeat into our records; the longest first."""
    values = {charge.customer_uid, charge.buyer_name, charge.buyer_email, charge.buyer_tel}
    # A one-letter value would blank out half of every sentence and name nobody.
    return tuple(sorted((value for value in values if len(value) >= _SHORTEST_SECRET), key=len, reverse=True))


def plain_text(text: str, *, length: int) -> str:
    """Text that every store takes: no NUL, no half characters, at most ``length`` long."""
    return text[:length].encode("utf-8", "replace").decode("utf-8").replace("\x00", "")


def clean_text(text: str, *, secrets: Iterable[str] = (), length: int = _REASON_LENGTH) -> str:
    """A sentence as it may be stored: no NUL, no half characters, nothing personal, at most ``length`` long."""
    # Four times the wanted length is masked, so that cutting never leaves half of a number.
    plain = plain_text(text, length=length * 4)
    for secret in secrets:
        plain = plain.replace(secret, MASKED)
    for pattern in (_CARD_NUMBER, _EMAIL, _TEL):
        plain = pattern.sub(MASKED, plain)
    return plain[:length]


def masked_body(envelope: Mapping[str, object], *, secrets: Iterable[str] = ()) -> dict[str, object]:
    """The evidence kept of an answer: ``code``, ``message``, and the listed fields of ``response``."""
    secrets = tuple(secrets)
    kept = _kept(envelope, ("code", "message"), secrets)
    response = envelope.get("response")
    if isinstance(response, dict):
        kept["response"] = _kept(response, KEPT_FIELDS, secrets)
    return kept


def _kept(source: Mapping[str, object], names: Iterable[str], secrets: tuple[str, ...]) -> dict[str, object]:
    kept: dict[str, object] = {}
    for name in names:
        value = source.get(name)
        if isinstance(value, str):
            kept[name] = (
                plain_text(value, length=_EVIDENCE_LENGTH)
                if name in _IDS
                else clean_text(value, secrets=secrets, length=_EVIDENCE_LENGTH)
            )
        elif value is None or isinstance(value, bool):
            if name in source:
                kept[name] = value
        elif isinstance(value, (int, float)) and abs(value) <= _LARGEST:  # False for NaN
            kept[name] = value
    return kept
