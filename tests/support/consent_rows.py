"""A valid change of price, answer and notice, and what their guards refuse: (guard, table, the values that differ)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Sequence

_AT: Final = datetime(2026, 1, 31, 1, tzinfo=UTC)
_NOBODY: Final = UUID(int=99)
_CHANGE: Final = UUID(int=41)  # it stands, and is ahead
_ENDED: Final = {"state": "ended", "next_billing_at": None, "ended_reason": "cancelled"}


def consent_rows(own: UUID, *, subscription_id: UUID, price_id: UUID) -> dict[str, dict[str, Any]]:
    """One of each table."""
    change = {
        "id": own,
        "subscription_id": subscription_id,
        "kind": "price",
        "from_price_id": price_id,
        "to_price_id": price_id,
        "old_won": 9_900,
        "new_won": 9_900,
        "from_ordinal": 1,
        "effective_at": _AT,
        "otherwise": "stay",
        "state": "made",
        "planned_by": "kim",
        "planned_at": _AT,
        "decided_at": _AT,
        "decided_for": _AT,
    }
    told = {"id": own, "price_change_id": _CHANGE, "through": "web", "recorded_by": "kim", "recorded_at": _AT}
    consent = {"subscription_id": subscription_id, "answer": "agreed", "given_at": _AT, "new_won": 9_900}
    return {
        "price_change": change,
        "consent": {**told, **consent, "effective_at": _AT},
        "notice": {**told, "told_at": _AT},
    }


#: What stands in the world that the rows hang on.
FURNISHED_CONSENT: Final = {
    "price_change": {"id": _CHANGE, "state": "planned", "decided_at": None, "decided_for": None},
    "consent": {},
    "notice": {},
}

FORBIDDEN_CONSENT: Final[Sequence[tuple[str, str, dict[str, Any]]]] = (
    ("ck_plan_trial_days_from_one", "plan", {"trial_days": 0}),
    ("ck_plan_without_consent", "plan", {"without_consent": "ask"}),
    ("ck_subscription_trial_until_after_its_start", "subscription", {"trial_until": date(2026, 1, 1)}),
    ("ck_subscription_a_change_to_come_says_when", "subscription", {"changes_from": 1}),
    ("ck_subscription_a_change_to_come_says_when", "subscription", {"changes_at": _AT}),
    ("ck_subscription_ended_has_no_change_to_come", "subscription", {**_ENDED, "changes_from": 1, "changes_at": _AT}),
    ("ck_subscription_trialing_is_to_be_decided", "subscription", {"state": "trialing"}),
    ("ck_price_change_kind", "price_change", {"kind": "mood"}),
    ("ck_price_change_state", "price_change", {"state": "asleep", "decided_for": None}),
    ("ck_price_change_otherwise", "price_change", {"otherwise": "ask"}),
    ("ck_price_change_from_a_period", "price_change", {"from_ordinal": -1}),
    ("ck_price_change_amounts", "price_change", {"old_won": -1}),
    ("ck_price_change_amounts", "price_change", {"new_won": 0}),
    ("ck_price_change_decided_says_when", "price_change", {"decided_at": None}),
    ("ck_price_change_decided_says_when", "price_change", {"decided_for": None}),
    ("ck_price_change_decided_says_when", "price_change", {"state": "withdrawn"}),
    ("uq_price_change_planned", "price_change", {"state": "planned", "decided_at": None, "decided_for": None}),
    ("fk_price_change_subscription_id", "price_change", {"subscription_id": _NOBODY}),
    ("fk_price_change_from_price_id", "price_change", {"from_price_id": _NOBODY}),
    ("fk_price_change_to_price_id", "price_change", {"to_price_id": _NOBODY}),
    ("ck_consent_answer", "consent", {"answer": "silence"}),
    ("fk_consent_subscription_id", "consent", {"subscription_id": _NOBODY}),
    ("fk_consent_price_change_id", "consent", {"price_change_id": _NOBODY}),
    ("fk_notice_price_change_id", "notice", {"price_change_id": _NOBODY}),
)
