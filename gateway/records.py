"""How are the gateway's envelopes and payment records read? Leniently in form, strictly in money.

Unknown fields are ignored, an unknown ``status`` is kept as it is, times of 0 or null are none; an amount that is not
a whole number of won is no amount.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from domain.decline_rules import NO_RULES
from domain.evidence import Cancellation, Record
from domain.outcome import DeclineCode
from gateway.decline_map import decline_code_of
from gateway.mask import clean_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from domain.decline_rules import DeclineRules

#: How an answer that was worked on may come: some stand-ins and gateways answer a POST with 201.
ANSWERED: Final = frozenset({200, 201})
#: Refusals with these statuses come from the gateway's own code, so their envelope is believed.
REFUSALS: Final = ANSWERED | {400, 403, 404, 422}
_IDENTIFIER: Final = re.compile(r"[\x21-\x7e]{1,100}")
#: 31 December 9999: later seconds are no instant, or milliseconds by mistake.
_LATEST_SECOND: Final = 253_402_300_799
#: Beyond this a float no longer tells neighbouring won apart.
_LARGEST_AMOUNT: Final = 2**53
_REASON_LENGTH: Final = 500
_WORD_LENGTH: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """``{"code", "message", "response"}``: what every answer of the gateway comes in. Code 0 = was worked on."""

    code: int
    message: str = field(repr=False)
    response: object = field(repr=False)
    whole: Mapping[str, object] = field(repr=False)


def read_envelope(body: bytes) -> Envelope | None:
    """The envelope in these bytes, or None if they are anything else."""
    try:
        whole = json.loads(body.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    if not isinstance(whole, dict):
        return None
    code = whole.get("code")
    message = whole.get("message")
    if not isinstance(code, int) or isinstance(code, bool):
        return None
    if message is not None and not isinstance(message, str):
        return None
    return Envelope(code=code, message=message or "", response=whole.get("response"), whole=whole)


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


def whole_won(value: object) -> int | None:
    """Won, if this is a whole number of them, written as an integer or as a float."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if not -_LARGEST_AMOUNT < value < _LARGEST_AMOUNT:  # also False for NaN
        return None
    won = int(value)
    return won if won == value else None


def instant(value: object) -> datetime | None:
    """Unix seconds as an aware instant in UTC; 0, null and what is no time are None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if not 0 < value <= _LATEST_SECOND:
        return None
    return datetime.fromtimestamp(int(value), tz=UTC)


def identifier(value: object) -> str | None:
    """An id of the gateway: printable ASCII without spaces, or a number written out."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST_AMOUNT:
        return str(value)
    if isinstance(value, str) and _IDENTIFIER.fullmatch(value):
        return value
    return None


def read_record(found: Mapping[str, object], *, is_test: bool, rules: DeclineRules = NO_RULES) -> Record | None:
    """One payment record in won, or None if an id, the status or an amount is missing or not to be trusted.

    Args:
        found: The gateway's own words.
        is_test: The channel is a test one: only there is a payment that is marked ``sandbox`` taken for money.
    """
    imp_uid = identifier(found.get("imp_uid"))
    merchant_uid = identifier(found.get("merchant_uid"))
    status = found.get("status")
    amount = whole_won(found.get("amount"))
    cancelled = found.get("cancel_amount")
    cancel_amount = 0 if cancelled is None else whole_won(cancelled)
    if imp_uid is None or merchant_uid is None or not isinstance(status, str):
        return None
    if amount is None or cancel_amount is None or not is_won(found):
        return None
    customer_uid = found.get("customer_uid")
    customer = customer_uid if isinstance(customer_uid, str) and customer_uid else None
    told = found.get("fail_reason")
    reason = told if isinstance(told, str) else ""
    kept = clean_text(reason, secrets=(customer,) if customer else ())
    is_failed = status == "failed"
    return Record(
        imp_uid=imp_uid,
        merchant_uid=merchant_uid,
        status=clean_text(status, length=40),
        amount=amount,
        cancel_amount=cancel_amount,
        customer_uid=customer,
        fail_reason=kept,
        decline_code=decline_code_of(reason, rules, as_stored=kept) if is_failed else DeclineCode.UNCLASSIFIED,
        started_at=instant(found.get("started_at")),
        paid_at=instant(found.get("paid_at")),
        failed_at=instant(found.get("failed_at")),
        sandbox=is_sandbox(found),
        is_money=is_test or not is_sandbox(found),
        cancellations=_cancellations(found.get("cancel_history")),
        issuer_code=issuer_of(found),
        pg=".".join(filter(None, (_word(found.get("pg_provider")), _word(found.get("pg_id"))))),
        usage=_word(found.get("customer_uid_usage")),
    )


def issuer_of(found: object) -> str:
    """The card company's code in a payment; empty if it tells none."""
    if not isinstance(found, dict):
        return ""
    return _word(found.get("card_issuer_code")) or _word(found.get("card_code"))


def _cancellations(history: object) -> tuple[Cancellation, ...]:
    """The entries that tell an amount; what was cancelled in all is ``cancel_amount``, told apart from them."""
    entries = [entry for entry in history if isinstance(entry, dict)] if isinstance(history, list) else []
    return tuple(
        Cancellation(
            amount=amount, cancelled_at=instant(entry.get("cancelled_at")), reason=_sentence(entry.get("reason"))
        )
        for entry in entries
        if (amount := whole_won(entry.get("amount"))) is not None and amount > 0
    )


def _sentence(value: object) -> str:
    return clean_text(value, length=_REASON_LENGTH) if isinstance(value, str) else ""


def _word(value: object) -> str:
    return (identifier(value) or "")[:_WORD_LENGTH]


def is_sandbox(found: Mapping[str, object]) -> bool:
    """The record is marked as a test channel's; whatever is not plainly false or left out counts as marked."""
    return found.get("sandbox") not in (None, False, 0, "", "false")


def is_won(found: Mapping[str, object]) -> bool:
    """The record is in won; one that names no currency is."""
    return found.get("currency") in (None, "", "KRW")
