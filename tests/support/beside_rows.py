"""Valid rows of what stands beside prices, what their guards refuse, and how each invariant of them is broken."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Sequence

_AT: Final = datetime(2026, 1, 31, 1, tzinfo=UTC)
_NOBODY: Final = UUID(int=99)
_PLAN, _CUSTOMER, _SUBSCRIPTION, _INVOICE = (UUID(int=number) for number in (1, 3, 5, 6))
_ADOPTED, _COUPON, _TAKEN, _OTHER_CUSTOMER = (UUID(int=number) for number in (10, 41, 42, 43))
_OVER: Final = {"ended_at": _AT, "ended_unasked": True}


def beside_rows(number: int, own: UUID) -> dict[str, dict[str, Any]]:
    """One of each table."""
    return {
        "add_on": {
            "id": own,
            "subscription_id": _SUBSCRIPTION,
            "description": "storage",
            "quantity": 1,
            "unit_amount": 2_000,
            "unit_tax_free": 0,
            "first_ordinal": 0,
            "until_ordinal": None,
            "added_by": "kim",
            "reason": "",
            "added_at": _AT,
        },
        "invoice_item": {
            "id": own,
            "subscription_id": _SUBSCRIPTION,
            "description": "setting up",
            "quantity": 1,
            "unit_amount": 30_000,
            "unit_tax_free": 0,
            "added_by": "kim",
            "reason": "",
            "added_at": _AT,
            "invoice_id": None,
            "removed_at": None,
        },
        "credit_account": {"customer_id": _OTHER_CUSTOMER, "balance": 0},
        "credit_entry": {
            "customer_id": _CUSTOMER,
            "kind": "granted",
            "amount": 1_000,
            "invoice_id": None,
            "actor": "kim",
            "reason": "",
            "recorded_at": _AT,
        },
        "coupon": {
            "id": own,
            "code": f"C{number}",
            "percent": 50,
            "won": None,
            "periods": 1,
            "redemption_limit": 10,
            "redeemed": 0,
        },
        "coupon_plan": {"coupon_id": _COUPON, "plan_id": _PLAN},
        "redemption": {
            "id": own,
            "subscription_id": _SUBSCRIPTION,
            "coupon_id": _COUPON,
            "percent": 50,
            "won": None,
            "periods": 2,
            "used": 0,
            "redeemed_at": _AT,
            "ended_at": None,
            "ended_by": None,
            "ended_unasked": False,
        },
    }


_USED: Final = {"kind": "used", "amount": -1_000, "invoice_id": _INVOICE}
#: What other rows here hang on, and what the forbidden ones repeat.
FURNISHED_BESIDE: Final[Sequence[tuple[str, dict[str, Any]]]] = (
    ("customer", {"id": _OTHER_CUSTOMER}),
    ("credit_account", {"customer_id": _CUSTOMER}),
    ("credit_entry", _USED),
    ("coupon", {"id": _COUPON, "code": "STANDING"}),
    ("coupon", {"id": _TAKEN, "code": "TAKEN"}),
    ("redemption", {"subscription_id": _ADOPTED, "coupon_id": _TAKEN}),
)

FORBIDDEN_BESIDE: Final[Sequence[tuple[str, str, dict[str, Any]]]] = (
    ("ck_invoice_amount_chargeable", "invoice", {"amount": 0}),
    ("ck_invoice_amount_chargeable", "invoice", {"amount": 1, "state": "paid", "next_attempt_at": None}),
    ("ck_subscription_carried_has_its_parts", "subscription", {"carried": -1}),
    ("ck_subscription_carried_has_its_parts", "subscription", {"carried": 1, "carried_tax_free": 2}),
    ("ck_add_on_costs_something", "add_on", {"quantity": 0}),
    ("ck_add_on_costs_something", "add_on", {"unit_amount": 0}),
    ("ck_add_on_tax_free_within_amount", "add_on", {"unit_tax_free": -1}),
    ("ck_add_on_tax_free_within_amount", "add_on", {"unit_tax_free": 2_001}),
    ("ck_add_on_a_span", "add_on", {"first_ordinal": -1}),
    ("ck_add_on_a_span", "add_on", {"first_ordinal": 2, "until_ordinal": 1}),
    ("fk_add_on_subscription_id", "add_on", {"subscription_id": _NOBODY}),
    ("ck_invoice_item_costs_something", "invoice_item", {"quantity": 0}),
    ("ck_invoice_item_costs_something", "invoice_item", {"unit_amount": 0}),
    ("ck_invoice_item_tax_free_within_amount", "invoice_item", {"unit_tax_free": -1}),
    ("ck_invoice_item_tax_free_within_amount", "invoice_item", {"unit_tax_free": 30_001}),
    ("ck_invoice_item_not_removed_once_it_is_owed", "invoice_item", {"invoice_id": _INVOICE, "removed_at": _AT}),
    ("fk_invoice_item_subscription_id", "invoice_item", {"subscription_id": _NOBODY}),
    ("fk_invoice_item_invoice_id", "invoice_item", {"invoice_id": _NOBODY}),
    ("ck_credit_account_never_below_nothing", "credit_account", {"balance": -1}),
    ("fk_credit_account_customer_id", "credit_account", {"customer_id": _NOBODY}),
    ("ck_credit_entry_kind", "credit_entry", {"kind": "gift", "invoice_id": _INVOICE}),
    ("ck_credit_entry_sign_is_its_kinds", "credit_entry", {"amount": -1}),
    ("ck_credit_entry_sign_is_its_kinds", "credit_entry", {"amount": 0}),
    ("ck_credit_entry_sign_is_its_kinds", "credit_entry", {"kind": "withdrawn"}),
    ("ck_credit_entry_an_invoices_or_a_persons", "credit_entry", {"invoice_id": _INVOICE}),
    ("ck_credit_entry_an_invoices_or_a_persons", "credit_entry", {"kind": "returned"}),
    ("fk_credit_entry_customer_id", "credit_entry", {"customer_id": _OTHER_CUSTOMER}),
    ("fk_credit_entry_invoice_id", "credit_entry", {**_USED, "invoice_id": _NOBODY}),
    ("uq_credit_entry_invoice", "credit_entry", _USED),
    ("uq_coupon_code", "coupon", {"code": "TAKEN"}),
    ("ck_coupon_percent_or_won", "coupon", {"percent": None}),
    ("ck_coupon_percent_or_won", "coupon", {"won": 1_000}),
    ("ck_coupon_takes_something_off", "coupon", {"percent": 0}),
    ("ck_coupon_takes_something_off", "coupon", {"percent": 101}),
    ("ck_coupon_takes_something_off", "coupon", {"percent": None, "won": 0}),
    ("ck_coupon_periods_from_one", "coupon", {"periods": 0}),
    ("ck_coupon_within_its_limit", "coupon", {"redeemed": 11}),
    ("ck_coupon_within_its_limit", "coupon", {"redeemed": -1}),
    ("fk_coupon_plan_coupon_id", "coupon_plan", {"coupon_id": _NOBODY}),
    ("fk_coupon_plan_plan_id", "coupon_plan", {"plan_id": _NOBODY}),
    ("ck_redemption_percent_or_won", "redemption", {"percent": None}),
    ("ck_redemption_used_from_nothing", "redemption", {"used": -1}),
    ("ck_redemption_ended_once_it_is_used_up", "redemption", {"used": 1, **_OVER}),
    ("ck_redemption_ended_once_it_is_used_up", "redemption", {"periods": None, **_OVER}),
    ("ck_redemption_ended_by_a_decision", "redemption", {"used": 2, "ended_at": _AT}),
    ("ck_redemption_ended_by_a_decision", "redemption", {"ended_unasked": True}),
    ("fk_redemption_ended_by", "redemption", {"used": 2, "ended_at": _AT, "ended_by": _NOBODY}),
    ("fk_redemption_subscription_id", "redemption", {"subscription_id": _NOBODY}),
    ("fk_redemption_coupon_id", "redemption", {"coupon_id": _NOBODY}),
    ("uq_redemption_running", "redemption", {"subscription_id": _ADOPTED}),
    (
        "uq_redemption_subscription_id_coupon_id",
        "redemption",
        {"subscription_id": _ADOPTED, "coupon_id": _TAKEN, "used": 2, **_OVER},
    ),
    ("ck_invoice_line_sign_is_its_kinds", "invoice_line", {"kind": "coupon"}),
)

_SOME: Final = "(SELECT id FROM subscription ORDER BY id LIMIT 1)"
_PAID: Final = "(SELECT id FROM invoice WHERE state = 'paid' ORDER BY id LIMIT 1)"
_ACCOUNT: Final = f"INSERT INTO credit_account SELECT customer_id, {{won}} FROM subscription WHERE id = {_SOME}"
_ENTRY: Final = (
    "INSERT INTO credit_entry (customer_id, kind, amount, invoice_id, actor, reason, recorded_at)"
    f" SELECT customer_id, '{{kind}}', {{amount}}, {{invoice}}, 'kim', '', now() FROM subscription WHERE id = {_SOME}"
)
_ITEM: Final = (
    "INSERT INTO invoice_item (id, subscription_id, description, quantity, unit_amount, unit_tax_free, added_by,"
    " reason, added_at, invoice_id) SELECT gen_random_uuid(), {subscription}, 'x', 1, 1, 0, 'kim', '', now(), {invoice}"
)
_CODE: Final = "INSERT INTO coupon (id, code, percent, redeemed) VALUES (gen_random_uuid(), 'X', 50, {redeemed})"
_HAS_IT: Final = (
    "INSERT INTO redemption (id, subscription_id, coupon_id, percent, used, redeemed_at)"
    f" SELECT gen_random_uuid(), {_SOME}, id, 50, 1, now() FROM coupon"
)

#: Each invariant, and statements that break it.
BROKEN_BESIDE: Final[Sequence[tuple[str, tuple[str, ...]]]] = (
    ("credit_is_the_sum_of_its_entries", (_ACCOUNT.format(won=1),)),
    (
        "credit_used_is_on_its_invoice",
        (
            _ACCOUNT.format(won=0),
            _ENTRY.format(kind="granted", amount=1, invoice="NULL::uuid"),
            _ENTRY.format(kind="used", amount=-1, invoice=_PAID),
        ),
    ),
    (
        "credit_comes_back_with_a_void_invoice",
        (
            _ACCOUNT.format(won=1),
            _ENTRY.format(kind="granted", amount=1, invoice="NULL::uuid"),
            _ENTRY.format(kind="used", amount=-1, invoice=_PAID),
            _ENTRY.format(kind="returned", amount=1, invoice=_PAID),
        ),
    ),
    ("item_is_owed_once", (_ITEM.format(subscription=_SOME, invoice=_PAID),)),
    ("coupon_is_used_for_its_periods", (_CODE.format(redeemed=1), _HAS_IT)),
    *(
        ("promotion_end_is_decided", (_CODE.format(redeemed=1), _HAS_IT, *wrong))
        for wrong in (
            (
                "ALTER TABLE redemption DROP CONSTRAINT ck_redemption_ended_by_a_decision",
                "UPDATE redemption SET periods = 1, ended_at = now()",
            ),
            ("UPDATE redemption SET periods = 1",),
            (),  # the last invoice of who has it is not lowered
        )
    ),
    ("coupon_counts_its_redemptions", (_CODE.format(redeemed=1),)),
    ("nothing_carried_is_lost", (f"UPDATE subscription SET carried = 1 WHERE id = {_SOME}",)),
)
#: What a person has to look at.
ITEM_OF_AN_ENDED_SUBSCRIPTION: Final = _ITEM.format(
    subscription="(SELECT id FROM subscription WHERE state = 'ended' LIMIT 1)", invoice="NULL::uuid"
)
