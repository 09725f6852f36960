"""A valid change within a period, what its guards refuse, and how its invariant is broken."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Sequence

_AT: Final = datetime(2026, 1, 31, 1, tzinfo=UTC)
_NOBODY: Final = UUID(int=99)
_PRICE, _SUBSCRIPTION, _INVOICE = UUID(int=2), UUID(int=5), UUID(int=6)


def proration_rows(number: int) -> dict[str, dict[str, Any]]:
    """One that was charged by an invoice."""
    return {
        "proration": {
            "subscription_id": _SUBSCRIPTION,
            "number": number,
            "ordinal": 0,
            "changed_on": date(2026, 1, 31),
            "days": 14,
            "of_days": 28,
            "old_won": 9_900,
            "new_won": 19_800,
            "won": 4_950,
            "all_won": 4_950,
            "quantity": 2,
            "plan_price_id": _PRICE,
            "is_cut": False,
            "invoice_id": _INVOICE,
            "item_id": None,
            "credit_entry_id": None,
            "actor": "kim",
            "recorded_at": _AT,
        }
    }


FORBIDDEN_PRORATION: Final[Sequence[tuple[str, str, dict[str, Any]]]] = (
    ("ck_proration_number_from_zero", "proration", {"number": -1}),
    ("ck_proration_days_of_the_period", "proration", {"days": 29, "won": 10_253}),
    ("ck_proration_days_of_the_period", "proration", {"days": -1, "won": -354}),
    ("ck_proration_a_share_of_the_difference", "proration", {"won": 4_951}),
    ("ck_proration_a_share_of_the_difference", "proration", {"days": 1, "of_days": 3, "new_won": 9_890, "won": -3}),
    ("ck_proration_quantity_from_one", "proration", {"quantity": 0}),
    ("ck_proration_cut_is_worth_nothing", "proration", {"is_cut": True}),
    ("ck_proration_settled_one_way", "proration", {"invoice_id": None}),
    ("ck_proration_settled_one_way", "proration", {"all_won": 99}),
    ("ck_proration_settled_one_way", "proration", {"all_won": -1}),
    ("ck_proration_settled_one_way", "proration", {"all_won": 0}),
    ("fk_proration_subscription_id", "proration", {"subscription_id": _NOBODY}),
    ("fk_proration_plan_price_id", "proration", {"plan_price_id": _NOBODY}),
    ("fk_proration_invoice_id", "proration", {"invoice_id": _NOBODY}),
    ("fk_proration_item_id", "proration", {"all_won": 99, "invoice_id": None, "item_id": _NOBODY}),
    ("fk_proration_credit_entry_id", "proration", {"all_won": -1, "invoice_id": None, "credit_entry_id": 999}),
    ("fk_invoice_plan_price_id", "invoice", {"plan_price_id": _NOBODY}),
)

#: An invoice for a change that nobody made; and a period that begins a day after the one before it ends.
BROKEN_PRORATION: Final[Sequence[tuple[str, tuple[str, ...]]]] = (
    (
        "change_within_a_period_is_settled",
        ("UPDATE invoice SET purpose = 'change' WHERE id = (SELECT id FROM invoice ORDER BY id LIMIT 1)",),
    ),
    (
        "periods_follow_each_other",
        (
            (
                "INSERT INTO invoice (id, subscription_id, purpose, ordinal, period_start, period_end, amount, state,"
                " is_catch_up, next_trigger, ladder_step, attempt_count, opened_at)"
                " SELECT gen_random_uuid(), subscription_id, purpose, ordinal + 1, period_end + interval '1 day',"
                " period_end + interval '28 days', amount, 'void', false, 'schedule', 0, 0, opened_at"
                " FROM invoice WHERE state = 'paid' ORDER BY id LIMIT 1"
            ),
        ),
    ),
)
