"""A valid answer about what a period used, what its guards refuse, and how its invariant is broken."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Sequence

_AT: Final = datetime(2026, 1, 31, 1, tzinfo=UTC)
_NOBODY: Final = UUID(int=99)
_SUBSCRIPTION: Final = UUID(int=5)


def usage_rows(number: int) -> dict[str, dict[str, Any]]:
    """One that waits for an invoice."""
    return {
        "usage": {
            "subscription_id": _SUBSCRIPTION,
            "ordinal": number,
            "failures": 0,
            "reason": None,
            "next_at": None,
            "lines": '[{"description": "messages", "quantity": 2, "unit_amount": 11, "unit_tax_free": 0}]',
            "amount": 22,
            "resolved_at": _AT,
            "resolved_by": "resolver",
            "invoice_id": None,
        }
    }


_ASKED: Final = {"next_at": _AT, "lines": None, "amount": None, "resolved_at": None, "resolved_by": None}
FORBIDDEN_USAGE: Final[Sequence[tuple[str, str, dict[str, Any]]]] = (
    ("ck_usage_of_a_period", "usage", {"ordinal": -1}),
    ("ck_usage_failed_says_why", "usage", {"failures": 1}),
    ("ck_usage_failed_says_why", "usage", {"failures": -1}),
    ("ck_usage_resolved_or_asked_for", "usage", {"next_at": _AT}),
    ("ck_usage_resolved_or_asked_for", "usage", {"amount": None}),
    ("ck_usage_resolved_or_asked_for", "usage", {"resolved_by": None}),
    ("ck_usage_resolved_or_asked_for", "usage", {**_ASKED, "next_at": None}),
    ("ck_usage_amount_not_negative", "usage", {"amount": -1}),
    ("ck_usage_resolved_before_it_is_owed", "usage", {**_ASKED, "invoice_id": UUID(int=6)}),
    ("fk_usage_subscription_id", "usage", {"subscription_id": _NOBODY}),
    ("fk_usage_invoice_id", "usage", {"invoice_id": _NOBODY}),
)

#: An invoice is said to have what no line of it shows.
BROKEN_USAGE: Final[Sequence[tuple[str, tuple[str, ...]]]] = (
    (
        "usage_is_owed_once",
        ("INSERT INTO usage SELECT subscription_id, 0, 0, NULL, NULL, '[]', 22, now(), 'me', id FROM invoice LIMIT 1",),
    ),
    (
        "final_invoice_is_opened",
        (
            "UPDATE subscription SET state = 'ended', ended_reason = 'cancelled', next_billing_at = NULL",
            "UPDATE subscription SET final_ordinal = 0, final_at = '2026-01-01'",
            "DELETE FROM outbox_event",
        ),
    ),
    (
        "final_invoice_follows_the_end",
        ("UPDATE invoice SET purpose = 'final', is_delivered = true WHERE state = 'paid'",),
    ),
    (
        "delivered_outlives_the_end",
        ("UPDATE invoice SET state = 'void', next_attempt_at = NULL, is_delivered = true WHERE state = 'past_due'",),
    ),
)
