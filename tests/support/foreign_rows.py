"""Valid rows of the tables of foreign hands, and what their guards refuse: (guard, table, the values that differ)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Sequence

_AT: Final = datetime(2026, 1, 31, 1, tzinfo=UTC)
_KEY, _SUBSCRIPTION, _NOBODY = UUID(int=4), UUID(int=5), UUID(int=99)
#: Whose adoption stands, and is not the one of which there are more rows.
ADOPTED: Final = UUID(int=10)


def foreign_rows(number: int, own: UUID) -> dict[str, dict[str, Any]]:
    """One of each table."""
    seen = {"first_seen_at": _AT, "last_seen_at": _AT}
    return {
        "foreign_payment": {
            "id": own,
            "channel": "default",
            "imp_uid": f"imp_foreign_{number}",
            "merchant_uid": "old",
            "billing_key_id": _KEY,
            "amount": 9_900,
            "cancelled_amount": 0,
            "status": "paid",
            "is_money": True,
            "is_sandbox": False,
            **seen,
        },
        "foreign_schedule": {
            "id": own,
            "channel": "default",
            "merchant_uid": f"old-{number}",
            "billing_key_id": _KEY,
            "schedule_at": _AT,
            "amount": 9_900,
            "state": "scheduled",
            "payment_status": "",
            **seen,
        },
        "gateway_comparison": {"channel": "default", "next_at": _AT, "taken_until": _AT, "payments_until": _AT},
        "adoption": {
            "subscription_id": _SUBSCRIPTION,
            "channel": "default",
            "billing_key_id": _KEY,
            "state": "created",
            "actor": "ops",
            "began_at": _AT,
        },
        "adopted_schedule": {
            "subscription_id": ADOPTED,
            "ordinal": number,
            "channel": "default",
            "merchant_uid": f"old-{number}",
            "schedule_at": _AT,
            "amount": 9_900,
            "became": "open",
        },
    }


FORBIDDEN_FOREIGN: Final[Sequence[tuple[str, str, dict[str, Any]]]] = (
    ("uq_foreign_payment_imp_uid", "foreign_payment", {"imp_uid": "imp_old"}),
    ("ck_foreign_payment_accepted_with_a_reason", "foreign_payment", {"accepted_at": _AT}),
    ("ck_foreign_payment_accepted_with_a_reason", "foreign_payment", {"accepted_because": "told"}),
    ("fk_foreign_payment_channel", "foreign_payment", {"channel": "nobodys"}),
    ("fk_foreign_payment_billing_key_id", "foreign_payment", {"billing_key_id": _NOBODY}),
    ("uq_foreign_schedule_channel_merchant_uid", "foreign_schedule", {"merchant_uid": "old"}),
    ("ck_foreign_schedule_state", "foreign_schedule", {"state": "lost"}),
    ("ck_foreign_schedule_ignored_with_a_reason", "foreign_schedule", {"ignored_at": _AT}),
    ("ck_foreign_schedule_ignored_with_a_reason", "foreign_schedule", {"ignored_because": "told"}),
    ("fk_foreign_schedule_channel", "foreign_schedule", {"channel": "nobodys"}),
    ("fk_foreign_schedule_billing_key_id", "foreign_schedule", {"billing_key_id": _NOBODY}),
    ("fk_gateway_comparison_channel", "gateway_comparison", {"channel": "nobodys"}),
    ("ck_adoption_state", "adoption", {"state": "lost"}),
    ("ck_adoption_asked_is_written_before", "adoption", {"state": "unscheduling"}),
    ("fk_adoption_subscription_id", "adoption", {"subscription_id": _NOBODY}),
    ("fk_adoption_channel", "adoption", {"channel": "nobodys"}),
    ("fk_adoption_billing_key_id", "adoption", {"billing_key_id": _NOBODY}),
    ("ck_adopted_schedule_became", "adopted_schedule", {"became": "lost"}),
    ("ck_adopted_schedule_ordinal_from_zero", "adopted_schedule", {"ordinal": -1}),
    ("uq_adopted_schedule_merchant_uid_channel", "adopted_schedule", {"merchant_uid": "old"}),
    ("fk_adopted_schedule_subscription_id", "adopted_schedule", {"subscription_id": _NOBODY}),
)
#: What the furnished world holds of them, under the names that the forbidden ones repeat.
FURNISHED_FOREIGN: Final[dict[str, dict[str, Any]]] = {
    "foreign_payment": {"imp_uid": "imp_old"},
    "foreign_schedule": {"merchant_uid": "old"},
    "adoption": {"subscription_id": ADOPTED},
    "adopted_schedule": {"ordinal": 0, "merchant_uid": "old"},
}
