"""What is written to ``POST /subscribe/payments/again``, and what does its answer mean?

Pure: no clock, no network. ``classify_charge`` is the decision table, once, for one call; it never raises. ``onetime``
is judged by it, too: both move money.
"""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from domain.decline import is_ambiguous
from domain.decline_rules import NO_RULES
from domain.evidence import SANDBOX_ON_LIVE
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
from gateway.payment_fields import body_of
from gateway.records import ANSWERED, REFUSALS, identifier, instant, is_sandbox, is_won, read_envelope, whole_won

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from domain.decline_rules import DeclineRules
    from gateway.port import Charge
    from gateway.records import Envelope

AGAIN_PATH: Final = "/subscribe/payments/again"

_UNAUTHORIZED: Final = 401
_SLOW_DOWN: Final = 429
_MAYBE_DONE: Final = frozenset({408, 409, 425})
_SERVER_ERRORS: Final = range(500, 600)
_DUPLICATE: Final = re.compile(r"이미|중복")
#: "Not registered" and "cannot be found" are said of channels and shops, too: the customer must be named.
_NO_CUSTOMER: Final = re.compile(
    r"등록되지\s*않은\s*(?:구매자|사용자|고객)|(?:customer_uid|구매자|사용자|고객|빌링키|빌키).*찾을\s*수\s*없습니다",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was asked for: what an answer must show to be an approval of it. Won.

    ``customer_uid`` None: a one-off charge that names no billing key. ``clean`` masks whatever text is kept.
    """

    merchant_uid: str
    amount: int
    customer_uid: str | None = field(repr=False)
    clean: Callable[[str], str] = field(repr=False)
    rules: DeclineRules = NO_RULES  # what operators taught about refusals


def again_body(charge: Charge) -> bytes:
    """The JSON body of one charge; names and addresses cut to what the gateway takes, empty ones left out."""
    body = {"customer_uid": charge.customer_uid, **body_of(charge)}
    if charge.channel_key:
        body["channel_key"] = charge.channel_key
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def classify_again(
    charge: Charge, status: int, body_bytes: bytes, *, is_test: bool, rules: DeclineRules = NO_RULES
) -> tuple[Outcome, Mapping[str, object] | None]:
    """``classify_charge`` for one ``again``.

    Returns:
        The outcome, and what may be kept of the body (None if it is not the gateway's envelope).
    """
    envelope = read_envelope(body_bytes)
    secrets = secrets_of(charge)
    kept = None if envelope is None else masked_body(envelope.whole, secrets=secrets)
    wanted = Wanted(
        merchant_uid=charge.merchant_uid,
        amount=charge.amount,
        customer_uid=charge.customer_uid,
        clean=functools.partial(clean_text, secrets=secrets),
        rules=rules,
    )
    return classify_charge(wanted, status, envelope, is_test=is_test), kept


def classify_charge(wanted: Wanted, status: int, envelope: Envelope | None, *, is_test: bool) -> Outcome:
    """Say what an answer proves; whatever it does not prove is Unknown.

    Args:
        wanted: What was asked for.
        status: HTTP.
        envelope: What was read of the body, whatever it was; None: not the gateway's envelope.
        is_test: The channel is a test one: only there is a payment that is marked ``sandbox`` taken for money.
    """
    outcome = _judge(wanted, status, envelope)
    if envelope is not None and not is_test and isinstance(outcome, (Approved, Declined)):
        response = envelope.response
        if isinstance(response, dict) and is_sandbox(response):
            return Unknown(reason=UnknownReason.MISMATCH, raw_reason=SANDBOX_ON_LIVE)
    return outcome


def _judge(wanted: Wanted, status: int, envelope: Envelope | None) -> Outcome:
    text = "" if envelope is None else wanted.clean(envelope.message)
    if status == _UNAUTHORIZED:
        return NotExecuted(reason=NotExecutedReason.UNAUTHORIZED)
    if status == _SLOW_DOWN:
        return Unknown(reason=UnknownReason.SLOW_DOWN, raw_reason=text)
    if status in _MAYBE_DONE or status in _SERVER_ERRORS:
        return Unknown(reason=UnknownReason.SERVER_ERROR, raw_reason=text)
    if envelope is not None and envelope.code != 0 and status in REFUSALS:
        return _judge_refusal(envelope.message, text)
    if envelope is not None and envelope.code == 0 and status in ANSWERED:
        return _judge_response(wanted, envelope.response)
    return Unknown(reason=UnknownReason.UNREADABLE, raw_reason=text)


def _judge_refusal(message: str, text: str) -> Outcome:
    if _DUPLICATE.search(message):
        return Unknown(reason=UnknownReason.DUPLICATE, raw_reason=text)
    if _NO_CUSTOMER.search(message):
        return Declined(decline_code=DeclineCode.BILLING_KEY_GONE, raw_reason=text)
    return Unknown(reason=UnknownReason.REFUSED_REQUEST, raw_reason=text)


def _judge_response(wanted: Wanted, payment: object) -> Outcome:
    if payment is None:
        return Unknown(reason=UnknownReason.NOT_FINAL, raw_reason="no payment in the answer")
    if not isinstance(payment, dict):
        return Unknown(reason=UnknownReason.UNREADABLE)
    match payment.get("status"):
        case "paid":
            return _judge_paid(wanted, payment)
        case "failed":
            return _judge_failed(wanted, payment)
        case other:
            text = wanted.clean(other) if isinstance(other, str) else ""
            return Unknown(reason=UnknownReason.NOT_FINAL, raw_reason=text)


def _judge_paid(wanted: Wanted, payment: Mapping[str, object]) -> Outcome:
    differing = [
        name
        for name, is_same in (
            ("merchant_uid", payment.get("merchant_uid") == wanted.merchant_uid),
            ("amount", whole_won(payment.get("amount")) == wanted.amount),
            ("customer_uid", _is_same_card(payment.get("customer_uid"), wanted)),
            ("currency", is_won(payment)),
        )
        if not is_same
    ]
    if differing:
        return Unknown(reason=UnknownReason.MISMATCH, raw_reason="differs: " + ", ".join(differing))
    imp_uid = identifier(payment.get("imp_uid"))
    if imp_uid is None or (wanted.customer_uid is not None and payment.get("customer_uid") is None):
        # Not proven whose it is, and nothing contradicts it: the look-ups decide.
        return Unknown(reason=UnknownReason.NOT_FINAL, raw_reason="paid, without imp_uid or customer_uid")
    return Approved(imp_uid=imp_uid, amount=wanted.amount, paid_at=instant(payment.get("paid_at")))


def _is_same_card(told: object, wanted: Wanted) -> bool:
    return told in (None, wanted.customer_uid) or (told == "" and wanted.customer_uid is None)


def _judge_failed(wanted: Wanted, payment: Mapping[str, object]) -> Outcome:
    reason = payment.get("fail_reason")
    text = reason if isinstance(reason, str) else ""
    kept = wanted.clean(text)
    if payment.get("merchant_uid") != wanted.merchant_uid:
        return Unknown(reason=UnknownReason.NOT_FINAL, raw_reason=kept)  # somebody else's failure
    code = decline_code_of(text, wanted.rules, as_stored=kept)
    if is_ambiguous(code):
        return Unknown(reason=UnknownReason.AMBIGUOUS_DECLINE, raw_reason=kept)
    return Declined(decline_code=code, raw_reason=kept, imp_uid=identifier(payment.get("imp_uid")))
