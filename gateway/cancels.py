"""What is written to ``POST /payments/cancel``, and what does its answer mean?

Pure: no clock, no network; ``classify_cancel`` never raises. What an answer does not prove is asked of the payment.
Source: PortOne V1 documentation, cancel: ``amount`` left out or 0 cancels everything, so it is always sent;
``checksum`` is what the caller believes can still be cancelled; 200 with a code other than 0 is not cancelled.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from domain.evidence import SANDBOX_ON_LIVE
from gateway.mask import clean_text
from gateway.port import CancelAnswer, CancelSaid
from gateway.records import ANSWERED, REFUSALS, read_envelope, read_record

if TYPE_CHECKING:
    from gateway.orders import Sent
    from gateway.port import CancelOrder
    from gateway.records import Envelope

CANCEL_PATH: Final = "/payments/cancel"

_UNAUTHORIZED: Final = 401
#: Words that doubt the refusal: done before, or nobody over there knows either.
_DOUBTS: Final = re.compile(
    r"이미|중복|기처리|time\s*out|타임\s*아웃|시간\s*초과|통신|장애|점검|시스템|재시도|일시적|지연|처리\s*중",
    re.IGNORECASE,
)


def cancel_body(order: CancelOrder) -> bytes:
    """The JSON body of one cancel; both sums always stand in it."""
    body: dict[str, object] = {
        "imp_uid": order.imp_uid,
        "amount": order.amount,
        "checksum": order.checksum,
        "reason": order.reason,
    }
    if order.tax_free:
        body["tax_free"] = order.tax_free
    if order.vat_amount is not None:
        body["vat_amount"] = order.vat_amount
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def after_cancel(order: CancelOrder, sent: Sent, *, is_test: bool) -> CancelAnswer:
    """What came of one cancel, whatever broke on its way."""
    if sent.reply is not None:
        return classify_cancel(order, sent.reply.status, sent.reply.body, is_test=is_test)
    said = CancelSaid.NOT_SENT if sent.is_proven_unsent else CancelSaid.UNKNOWN
    return CancelAnswer(said=said, raw_reason=f"no answer ({sent.broke})")


def classify_cancel(order: CancelOrder, status: int, body_bytes: bytes, *, is_test: bool) -> CancelAnswer:
    """Say what an answer proves of this one cancel; whatever it does not prove is UNKNOWN."""
    if status == _UNAUTHORIZED:
        return CancelAnswer(said=CancelSaid.NOT_SENT, raw_reason="the gateway refused the token")
    envelope = read_envelope(body_bytes)
    if envelope is None:
        return CancelAnswer(said=CancelSaid.UNKNOWN, raw_reason=f"HTTP {status}, outside the gateway's envelope")
    text = clean_text(envelope.message)
    if envelope.code != 0 and status in REFUSALS:
        is_plain = bool(text.strip()) and not _DOUBTS.search(envelope.message)
        return CancelAnswer(said=CancelSaid.REFUSED if is_plain else CancelSaid.UNKNOWN, raw_reason=text)
    if envelope.code == 0 and status in ANSWERED:
        return _judge_done(order, envelope, text, is_test=is_test)
    return CancelAnswer(said=CancelSaid.UNKNOWN, raw_reason=f"HTTP {status} {text}".strip())


def _judge_done(order: CancelOrder, envelope: Envelope, text: str, *, is_test: bool) -> CancelAnswer:
    """Done, if the payment that was told is the one we named and has just so much left as it must."""
    record = read_record(envelope.response, is_test=is_test) if isinstance(envelope.response, dict) else None
    if record is None or record.imp_uid != order.imp_uid:
        return CancelAnswer(said=CancelSaid.UNKNOWN, raw_reason=text or "answered without the payment it was about")
    if not record.is_money:
        return CancelAnswer(said=CancelSaid.UNKNOWN, raw_reason=SANDBOX_ON_LIVE)
    is_done = record.status == "cancelled" and record.amount - record.cancel_amount == order.checksum - order.amount
    if not is_done:
        left = record.amount - record.cancel_amount
        told = f"reads {record.status}, {left} won left"
        return CancelAnswer(said=CancelSaid.UNKNOWN, raw_reason=told, record=record)
    return CancelAnswer(said=CancelSaid.CANCELLED, raw_reason=text, record=record)
