"""Valid rows of the tables of money given back, and what their guards refuse: (guard, table, values that differ)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Sequence

_AT: Final = datetime(2026, 1, 31, 1, tzinfo=UTC)
_PAYMENT, _NOBODY = UUID(int=8), UUID(int=99)
#: Surplus money of which nothing is given back yet, without tax parts and with both; a refund that is out.
UNTOUCHED, TAXED, REFUND = UUID(int=11), UUID(int=12), UUID(int=13)
_SENT: Final = {
    "checksum": 9_900,
    "token_digest": "digest",
    "first_sent_at": _AT,
    "sent_at": _AT,
    "send_before": _AT,
    "lease_until": _AT,
    "send_no": 1,
}
_OUT: Final = {"state": "in_flight", "next_at": _AT, **_SENT}


def refund_rows(number: int, own: UUID) -> dict[str, dict[str, Any]]:
    """One of each table."""
    return {
        "refund": {
            "id": own,
            "payment_id": UNTOUCHED,
            "channel": "default",
            "amount": 100,
            "tax_free": 0,
            "vat_amount": None,
            "reason": "told",
            "requested_by": "ops",
            "requested_at": _AT,
            "mark": f"mark {number}",
            "state": "requested",
            "send_no": 0,
            "fence": 0,
            "absent_count": 0,
            "next_at": _AT,
        },
        "refund_evidence": {
            "refund_id": REFUND,
            "send_no": 1,
            "source": "payment",
            "trace": "none",
            "began_at": _AT,
            "token_digest": "digest",
            "body": {},
        },
        "payment_cancellation": {
            "payment_id": _PAYMENT,
            "entry": f"entry {number}",
            "amount": 100,
            "refund_id": None,
            "recorded_at": _AT,
        },
    }


FORBIDDEN_REFUND: Final[Sequence[tuple[str, str, dict[str, Any]]]] = (
    ("ck_payment_tax_parts_within_amount", "payment", {"tax_free": -1}),
    ("ck_payment_tax_parts_within_amount", "payment", {"vat_amount": -1}),
    ("ck_payment_tax_parts_within_amount", "payment", {"tax_free": 9_901}),
    ("ck_payment_tax_parts_within_amount", "payment", {"tax_free": 9_000, "vat_amount": 901}),
    ("ck_refund_state", "refund", {"state": "lost"}),
    ("ck_refund_unknown_reason", "refund", {"unknown_reason": "mood"}),
    ("ck_refund_amount_positive", "refund", {"amount": 0}),
    ("ck_refund_tax_parts_within_amount", "refund", {"tax_free": -1}),
    ("ck_refund_tax_parts_within_amount", "refund", {"payment_id": TAXED, "vat_amount": -1}),
    ("ck_refund_tax_parts_within_amount", "refund", {"payment_id": TAXED, "tax_free": 50, "vat_amount": 51}),
    ("ck_refund_amount_within_checksum", "refund", {"checksum": 99}),
    *(("ck_refund_sent_says_what", "refund", _OUT | {untold: None}) for untold in _SENT if untold != "send_no"),
    ("ck_refund_sent_says_what", "refund", _OUT | {"send_no": 0}),
    ("ck_refund_unknown_is_never_forgotten", "refund", _OUT | {"next_at": None}),
    ("ck_refund_unknown_is_never_forgotten", "refund", _OUT | {"state": "unknown", "next_at": None}),
    ("uq_refund_mark", "refund", {"mark": "mark"}),
    *(
        ("uq_refund_out", "refund", _OUT | {"payment_id": _PAYMENT, "state": state})
        for state in ("in_flight", "unknown", "not_executed")
    ),
    ("fk_refund_payment_id", "refund", {"payment_id": _NOBODY}),
    ("fk_refund_channel", "refund", {"channel": "nobodys"}),
    ("ck_refund_evidence_source", "refund_evidence", {"source": "rumour"}),
    ("ck_refund_evidence_trace", "refund_evidence", {"trace": "hunch"}),
    ("fk_refund_evidence_refund_id", "refund_evidence", {"refund_id": _NOBODY}),
    ("ck_payment_cancellation_amount_positive", "payment_cancellation", {"amount": 0}),
    ("uq_payment_cancellation_refund_id", "payment_cancellation", {"refund_id": REFUND}),
    ("fk_payment_cancellation_payment_id", "payment_cancellation", {"payment_id": _NOBODY}),
    ("fk_payment_cancellation_refund_id", "payment_cancellation", {"refund_id": _NOBODY}),
)
#: Refunds that are more than is left of their payment.
BEYOND_PAYMENT: Final[Sequence[dict[str, Any]]] = (
    {"amount": 9_901},
    {"amount": 9_901, "state": "proposed"},
    {"payment_id": _PAYMENT, "amount": 9_801},  # 100 are out
    {"payment_id": TAXED, "amount": 8_901, "vat_amount": 0},  # 1000 are cancelled
    {"tax_free": 1},
    {"vat_amount": 0},  # its payment was made without a word about it
    {"payment_id": TAXED, "amount": 2_000, "tax_free": 1_001, "vat_amount": 0},
    {"payment_id": TAXED, "amount": 2_000, "vat_amount": 891},
    {"payment_id": TAXED},
)
#: What the furnished world holds of them, under the names that the forbidden ones repeat.
FURNISHED_REFUND: Final[Sequence[tuple[str, dict[str, Any]]]] = (
    ("payment", {"id": UNTOUCHED}),
    ("payment", {"id": TAXED, "tax_free": 1_000, "vat_amount": 890, "cancelled_amount": 1_000}),
    ("refund", {"id": REFUND, "payment_id": _PAYMENT, "mark": "mark", **_OUT}),
    ("refund_evidence", {}),
    ("payment_cancellation", {"refund_id": REFUND}),
)
