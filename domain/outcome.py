"""How one charge attempt ended: approved, declined, proven not executed, or unknown."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class DeclineCode(StrEnum):
    """Our canonical reason for a refusal; the gateway's own text is kept beside it as ``raw_reason``.

    What each means, its class and what follows: ``domain.decline``.
    """

    # The card is good, but not for this much now.
    INSUFFICIENT_BALANCE = "insufficient_balance"
    LIMIT_EXCEEDED = "limit_exceeded"
    LIMIT_EXCEEDED_ONCE = "limit_exceeded_once"
    LIMIT_EXCEEDED_DAILY = "limit_exceeded_daily"
    LIMIT_EXCEEDED_MONTHLY = "limit_exceeded_monthly"
    USAGE_COUNT_EXCEEDED = "usage_count_exceeded"
    SHARED_LIMIT_EXCEEDED = "shared_limit_exceeded"
    # The card, or its billing key, will never pay again.
    CARD_EXPIRED = "card_expired"
    CARD_NUMBER_WRONG = "card_number_wrong"
    CARD_NOT_REGISTERED = "card_not_registered"
    CARD_LOST_OR_STOLEN = "card_lost_or_stolen"
    CARD_CANCELLED = "card_cancelled"
    CARD_REPLACED = "card_replaced"
    CARD_NOT_ACTIVATED = "card_not_activated"
    CARD_BARRED = "card_barred"
    CARD_NOT_USABLE = "card_not_usable"
    BILLING_KEY_GONE = "billing_key_gone"
    # Who holds the card was not proven.
    IDENTITY_MISMATCH = "identity_mismatch"
    PASSWORD_WRONG = "password_wrong"  # noqa: S105 - a reason, not a secret
    PASSWORD_LOCKED = "password_locked"  # noqa: S105
    CVC_WRONG = "cvc_wrong"
    AUTHENTICATION_REQUIRED = "authentication_required"
    # The issuer does not let this card pay, for now or here.
    CARD_SUSPENDED = "card_suspended"
    PAYMENTS_OVERDUE = "payments_overdue"
    CARD_RESTRICTED = "card_restricted"
    CALL_ISSUER = "call_issuer"
    # Somebody's machines.
    ISSUER_UNREACHABLE = "issuer_unreachable"
    ISSUER_FAILURE = "issuer_failure"
    ISSUER_MAINTENANCE = "issuer_maintenance"
    PG_COMMUNICATION = "pg_communication"
    PG_FAILURE = "pg_failure"
    # The text itself doubts the refusal: an Unknown until it still stands after settling.
    ISSUER_TIMEOUT = "issuer_timeout"
    DUPLICATE_TRANSACTION = "duplicate_transaction"
    PG_ANSWER_LOST = "pg_answer_lost"
    PG_BROKE_OFF = "pg_broke_off"
    APPROVAL_IN_DOUBT = "approval_in_doubt"
    # The shop's contract or its settings.
    MERCHANT_NOT_REGISTERED = "merchant_not_registered"
    MERCHANT_SUSPENDED = "merchant_suspended"
    MERCHANT_NOT_CONTRACTED = "merchant_not_contracted"
    MERCHANT_LIMIT = "merchant_limit"
    MERCHANT_MISCONFIGURED = "merchant_misconfigured"
    # What we asked.
    AMOUNT_TOO_SMALL = "amount_too_small"
    AMOUNT_WRONG = "amount_wrong"
    INSTALLMENT_REFUSED = "installment_refused"
    REQUEST_MALFORMED = "request_malformed"
    REQUEST_REFUSED = "request_refused"
    # Nothing to go by.
    UNSPECIFIED = "unspecified"  # a text that we know, and that says nothing
    UNCLASSIFIED = "unclassified"  # a text that nothing here knows


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
    REFUSED_REQUEST = "refused_request"  # another refusal: Declined(request_refused) once absence is proven
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
