"""A valid line, and what the guards of prices, quantities and lines refuse: (guard, table, values that differ)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from tests.support.beside_rows import FORBIDDEN_BESIDE

if TYPE_CHECKING:
    from collections.abc import Sequence

_NOBODY: Final = UUID(int=99)
_OTHER_INVOICE: Final = UUID(int=14)  # without an attempt, and without a line


def line_rows() -> dict[str, dict[str, Any]]:
    """One of each table."""
    return {
        "invoice_line": {
            "invoice_id": _OTHER_INVOICE,
            "line_no": 1,
            "kind": "base",
            "description": "plan",
            "quantity": 1,
            "unit_amount": 9_900,
            "amount": 9_900,
            "tax_free": 0,
            "vat_amount": None,
        },
    }


FORBIDDEN_PRICE: Final[Sequence[tuple[str, str, dict[str, Any]]]] = (
    ("ck_plan_price_tax_free_within_amount", "plan_price", {"tax_free": -1}),
    ("ck_plan_price_tax_free_within_amount", "plan_price", {"tax_free": 9_901}),
    ("ck_plan_price_vat", "plan_price", {"vat": "none"}),
    ("ck_plan_price_card_quota_from_two", "plan_price", {"card_quota": 1}),
    ("ck_plan_price_card_quota_from_two", "plan_price", {"card_quota": 13}),
    ("ck_plan_price_setup_fee_not_negative", "plan_price", {"setup_fee": -1}),
    ("ck_subscription_quantity_from_one", "subscription", {"quantity": 0}),
    ("ck_invoice_tax_parts_within_amount", "invoice", {"tax_free": -1}),
    ("ck_invoice_tax_parts_within_amount", "invoice", {"vat_amount": -1}),
    ("ck_invoice_tax_parts_within_amount", "invoice", {"tax_free": 9_000, "vat_amount": 901}),
    ("ck_invoice_instalments_are_open", "invoice", {"card_quota": 2, "amount": 49_999}),
    ("ck_invoice_instalments_are_open", "invoice", {"card_quota": 1, "amount": 50_000}),
    ("ck_invoice_instalments_are_open", "invoice", {"card_quota": 13, "amount": 50_000}),
    ("ck_invoice_line_kind", "invoice_line", {"kind": "gift"}),
    ("ck_invoice_line_adds_up", "invoice_line", {"quantity": 0}),
    ("ck_invoice_line_adds_up", "invoice_line", {"unit_amount": 9_899}),
    ("fk_invoice_line_invoice_id", "invoice_line", {"invoice_id": _NOBODY}),
    *FORBIDDEN_BESIDE,
)
