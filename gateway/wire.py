"""What is written to ``POST /subscribe/payments/again``, and what does its answer mean?

Pure: no clock, no network. ``classify_again`` is the decision table, once, for one call; it never raises.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import TYPE_CHECKING, Final

from domain.evidence import SANDBOX_ON_LIVE
from domain.decline import is_ambiguous
from domain.outcome import (
    Approved,
    DeclineCode,
    Declined,
    NotExecuted,
    NotExecutedReason,
    Outcome,
    Unknown,
    UnknownReason,
)
from gateway.decline_map import decline_code_of
from gateway.mask import clean_text, masked_body, secrets_of
from gateway.records import ANSWERED, identifier, instant, is_sandbox, is_won, read_envelope, whole_won

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.port import Charge
    from gateway.records import Envelope

AGAIN_PATH: Final = "/subscribe/payments/again"
#: The longest values that the gateway takes, in characters.
FIELD_LENGTHS: Final = {"name": 40, "buyer_name": 16, "buyer_email": 64, "buyer_tel": 16}

_UNAUTHORIZED: Final = 401
_SLOW_DOWN: Final = 429
#: These refusals come from the gateway's own code, so their envelope is believed.
_REFUSALS: Final = ANSWERED | {400, 403, 404, 422}
_MAYBE_DONE: Final = frozenset({408, 409, 425})
_SERVER_ERRORS: Final = range(500, 600)
_DUPLICATE: Final = re.compile(r"이미|중복")
#: "Not registered" and "cannot be found" are said of channels and shops, too: the customer must be named.
_NO_CUSTOMER: Final = re.compile(
    r"등록되지\s*않은\s*(?:구매자|사용자|고객)|(?:customer_uid|구매자|사용자|고객|빌링키|빌키).*찾을\s*수\s*없습니다",
    re.DOTALL,
)
_JOINERS: Final = frozenset("\u200d\ufe0e\ufe0f")
_JAMO_TAILS: Final = range(0x1160, 0x1200)


def again_body(charge: Charge) -> bytes:
    """The JSON body of one charge; names and addresses cut to what the gateway takes, empty ones left out."""
    body: dict[str, object] = {
        "customer_uid": charge.customer_uid,
        "merchant_uid": charge.merchant_uid,  # a string: as a number it loses its last digits over there
        "amount": charge.amount,
        "name": cut_text(charge.name, FIELD_LENGTHS["name"]),
    }
    buyer = (
        ("buyer_name", charge.buyer_name),
        ("buyer_email", charge.buyer_email),
        ("buyer_tel", charge.buyer_tel),
    )
    for name, value in buyer:
        cut = cut_text(value, FIELD_LENGTHS[name]) if value else ""
        if cut:
            body[name] = cut
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def cut_text(text: str, length: int) -> str:
    """At most ``length`` characters as the gateway counts them (UTF-16 units), never half of one."""
    if text.isprintable():  # nothing to replace; and mostly nothing to cut, whatever each character counts
        if text.isascii():
            return text[:length].strip()
        if 2 * len(text) <= length and unicodedata.is_normalized("NFC", text):
            return text.strip()
    plain = unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode("utf-8"))
    plain = "".join(char if char in _JOINERS or unicodedata.category(char) != "Cc" else " " for char in plain).strip()
    units = end = 0
    for char in plain:
        units += 2 if ord(char) > 0xFFFF else 1  # noqa: PLR2004 - the end of UTF-16's single units
        if units > length:
            break
        end += 1
    while 0 < end < len(plain) and (_continues(plain[end]) or plain[end - 1] == "\u200d"):
        end -= 1
    return plain[:end].strip()


def _continues(char: str) -> bool:
    return char in _JOINERS or ord(char) in _JAMO_TAILS or unicodedata.category(char) in {"Mn", "Me", "Mc"}


def classify_again(
    charge: Charge, status: int, body_bytes: bytes, *, is_test: bool
) -> tuple[Outcome, Mapping[str, object] | None]:
    """Say what an answer proves; whatever it does not prove is Unknown.

    Args:
        charge: What was asked for.
        status: HTTP.
        body_bytes: Any bytes at all.
        is_test: The channel is a test one: only there is a payment that is marked ``sandbox`` taken for money.

    Returns:
        The outcome, and what may be kept of the body (None if it is not the gateway's envelope).
    """
    envelope = read_envelope(body_bytes)
    secrets = secrets_of(charge)
    kept = None if envelope is None else masked_body(envelope.whole, secrets=secrets)
    outcome = _judge(charge, status, envelope, secrets)
    if envelope is not None and not is_test and isinstance(outcome, (Approved, Declined)):
        response = envelope.response
        if isinstance(response, dict) and is_sandbox(response):
            outcome = Unknown(reason=UnknownReason.MISMATCH, raw_reason=SANDBOX_ON_LIVE)
    return outcome, kept


def _judge(charge: Charge, status: int, envelope: Envelope | None, secrets: tuple[str, ...]) -> Outcome:
    text = "" if envelope is None else clean_text(envelope.message, secrets=secrets)
    if status == _UNAUTHORIZED:
        return NotExecuted(reason=NotExecutedReason.UNAUTHORIZED)
    if status == _SLOW_DOWN:
        return Unknown(reason=UnknownReason.SLOW_DOWN, raw_reason=text)
    if status in _MAYBE_DONE or status in _SERVER_ERRORS:
        return Unknown(reason=UnknownReason.SERVER_ERROR, raw_reason=text)
    if envelope is not None and envelope.code != 0 and status in _REFUSALS:
        return _judge_refusal(envelope.message, text)
    if envelope is not None and envelope.code == 0 and status in ANSWERED:
        return _judge_response(charge, envelope.response, secrets)
    return Unknown(reason=UnknownReason.UNREADABLE, raw_reason=text)


def _judge_refusal(message: str, text: str) -> Outcome:
    if _DUPLICATE.search(message):
        return Unknown(reason=UnknownReason.DUPLICATE, raw_reason=text)
    if _NO_CUSTOMER.search(message):
        return Declined(decline_code=DeclineCode.BILLING_KEY_GONE, raw_reason=text)
    return Unknown(reason=UnknownReason.REFUSED_REQUEST, raw_reason=text)


def _judge_response(charge: Charge, payment: object, secrets: tuple[str, ...]) -> Outcome:
    if payment is None:
        return Unknown(reason=UnknownReason.NOT_FINAL, raw_reason="no payment in the answer")
    if not isinstance(payment, dict):
        return Unknown(reason=UnknownReason.UNREADABLE)
    match payment.get("status"):
        case "paid":
            return _judge_paid(charge, payment)
        case "failed":
            return _judge_failed(charge, payment, secrets)
        case other:
            text = clean_text(other, secrets=secrets) if isinstance(other, str) else ""
            return Unknown(reason=UnknownReason.NOT_FINAL, raw_reason=text)


def _judge_paid(charge: Charge, payment: Mapping[str, object]) -> Outcome:
    differing = [
        name
        for name, is_same in (
            ("merchant_uid", payment.get("merchant_uid") == charge.merchant_uid),
            ("amount", whole_won(payment.get("amount")) == charge.amount),
            ("customer_uid", payment.get("customer_uid") in (None, charge.customer_uid)),
            ("currency", is_won(payment)),
        )
        if not is_same
    ]
    if differing:
        return Unknown(reason=UnknownReason.MISMATCH, raw_reason="differs: " + ", ".join(differing))
    imp_uid = identifier(payment.get("imp_uid"))
    if imp_uid is None or payment.get("customer_uid") is None:
        # Not proven whose it is, and nothing contradicts it: the look-ups decide.
        return Unknown(reason=UnknownReason.NOT_FINAL, raw_reason="paid, without imp_uid or customer_uid")
    return Approved(imp_uid=imp_uid, amount=charge.amount, paid_at=instant(payment.get("paid_at")))


def _judge_failed(charge: Charge, payment: Mapping[str, object], secrets: tuple[str, ...]) -> Outcome:
    reason = payment.get("fail_reason")
    text = reason if isinstance(reason, str) else ""
    kept = clean_text(text, secrets=secrets)
    if payment.get("merchant_uid") != charge.merchant_uid:
        return Unknown(reason=UnknownReason.NOT_FINAL, raw_reason=kept)  # somebody else's failure
    code = decline_code_of(text)
    if is_ambiguous(code):
        return Unknown(reason=UnknownReason.AMBIGUOUS_DECLINE, raw_reason=kept)
    return Declined(decline_code=code, raw_reason=kept, imp_uid=identifier(payment.get("imp_uid")))
