"""How one charge attempt ended: approved, declined, proven not executed, or unknown."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class DeclineCode(StrEnum):
    """Our canonical reason for a refusal; the gateway's own text is kept beside it as ``raw_reason``."""

    LIMIT_OR_BALANCE = "limit_or_balance"
    CARD_DEAD = "card_dead"
    IDENTITY = "identity"
    ISSUER_BLOCK = "issuer_block"
    CALL_ISSUER = "call_issuer"
    SYSTEM = "system"
    MERCHANT = "merchant"
    REQUEST_BUG = "request_bug"
    UNCLASSIFIED = "unclassified"
    #: The text says that the issuer itself does not know; an Unknown until it still stands after settling.
    AMBIGUOUS = "ambiguous"


class NotExecutedReason(StrEnum):
    """Why it is certain that the gateway did nothing."""

    NOT_SENT = "not_sent"  # our own flag: no byte of the request left
    TOO_LATE = "too_late"  # past `send_before`: refused by ourselves before the transport
    HANDED_BACK = "handed_back"  # the run stopped (halt, shutdown) before this one was started
    UNAUTHORIZED = "unauthorized"  # HTTP 401: the gateway refused the token
    PROVEN_ABSENT = "proven_absent"  # look-ups after settling, on more than one endpoint


class UnknownReason(StrEnum):
    """Why it is not known what the gateway did."""

    NO_ANSWER = "no_answer"  # broken connection, time limit, half an answer
    SERVER_ERROR = "server_error"  # 5xx, 408, 409, 425
    SLOW_DOWN = "slow_down"  # 429
    UNREADABLE = "unreadable"  # a body that is not the envelope
    DUPLICATE = "duplicate"  # the gateway says this merchant_uid was used
    REFUSED_REQUEST = "refused_request"  # another refusal: Declined(request_bug) once absence is proven
    NOT_FINAL = "not_final"  # status ready, or one that we do not know
    AMBIGUOUS_DECLINE = "ambiguous_decline"  # failed, but the text itself doubts it
    MISMATCH = "mismatch"  # paid, but amount, merchant_uid or customer_uid differ: an operator's, at once
    LEASE_EXPIRED = "lease_expired"  # whoever sent it never reported


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """The money moved. ``amount`` in won; ``paid_at`` is the gateway's instant, aware UTC, if it told one."""

    imp_uid: str
    amount: int
    paid_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Declined:
    """The gateway said no, definitely. ``raw_reason`` is its text as received."""

    decline_code: DeclineCode
    raw_reason: str
    imp_uid: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotExecuted:
    """It is proven that nothing happened at the gateway."""

    reason: NotExecutedReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """Nobody knows yet; ``raw_reason`` is whatever text there was, for the operator."""

    reason: UnknownReason
    raw_reason: str = ""


Outcome = Approved | Declined | NotExecuted | Unknown
