"""A valid hold, and what the guards of holds and of stops ahead refuse: (guard, table, the values that differ)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Sequence

_AT: Final = datetime(2026, 1, 31, 1, tzinfo=UTC)
_NOBODY: Final = UUID(int=99)
_ENDED: Final = {"ended_at": _AT, "ended_real_at": _AT, "ended_by": "kim"}
_CANCELLED: Final = {"state": "ended", "next_billing_at": None, "ended_reason": "cancelled"}


def stop_rows(own: UUID, *, subscription_id: UUID) -> dict[str, dict[str, Any]]:
    """One of each table."""
    return {
        "hold": {
            "id": own,
            "customer_id": None,
            "subscription_id": subscription_id,
            "kind": "dispute",
            "reason": "",
            "placed_by": "kim",
            "placed_at": _AT,
            "placed_real_at": _AT,
            "until": None,
            "state": "standing",
            "ended_at": None,
            "ended_real_at": None,
            "ended_by": None,
        }
    }


FORBIDDEN_STOP: Final[Sequence[tuple[str, str, dict[str, Any]]]] = (
    ("ck_subscription_term_from_one", "subscription", {"periods": 2, "minimum_periods": 3, "term_ends_at": _AT}),
    ("ck_subscription_a_term_says_when_it_ends", "subscription", {"periods": 2}),
    ("ck_subscription_a_term_says_when_it_ends", "subscription", {"term_ends_at": _AT}),
    ("ck_subscription_nothing_after_the_term", "subscription", {"periods": 2, "ordinal": 2, "term_ends_at": _AT}),
    (
        "ck_subscription_stops_as",
        "subscription",
        {"stops_at": _AT, "stops_as": "sleep", "stops_by": "kim", "stops_before": 1},
    ),
    ("ck_subscription_a_stop_says_when_what_and_by_whom", "subscription", {"stops_at": _AT}),
    ("ck_subscription_a_stop_says_when_what_and_by_whom", "subscription", {"stops_as": "cancel"}),
    ("ck_subscription_a_stop_says_when_what_and_by_whom", "subscription", {"stops_at": _AT, "stops_as": "cancel"}),
    ("ck_subscription_a_stop_says_when_what_and_by_whom", "subscription", {"stops_before": 1}),
    ("ck_subscription_a_resume_says_when_and_by_whom", "subscription", {"resumes_at": _AT}),
    ("ck_subscription_a_resume_says_when_and_by_whom", "subscription", {"resumes_by": "kim"}),
    (
        "ck_subscription_ended_has_nothing_ahead",
        "subscription",
        {**_CANCELLED, "stops_at": _AT, "stops_as": "cancel", "stops_by": "kim", "stops_before": 1},
    ),
    (
        "ck_subscription_ended_has_nothing_ahead",
        "subscription",
        {**_CANCELLED, "resumes_at": _AT, "resumes_by": "kim"},
    ),
    (
        "ck_subscription_resumes_after_its_pause",
        "subscription",
        {
            "stops_at": _AT,
            "stops_as": "pause",
            "stops_by": "kim",
            "stops_before": 1,
            "resumes_at": _AT,
            "resumes_by": "kim",
        },
    ),
    ("ck_hold_of_one_or_the_other", "hold", {"subscription_id": None}),
    ("ck_hold_kind", "hold", {"kind": "mood"}),
    ("ck_hold_state", "hold", {"state": "asleep", **_ENDED}),
    *(("ck_hold_ended_says_when_and_by_whom", "hold", {"state": "released", **_ENDED, name: None}) for name in _ENDED),
    ("ck_hold_ended_says_when_and_by_whom", "hold", _ENDED),
    ("ck_hold_only_what_has_a_date_expires", "hold", {"state": "expired", **_ENDED}),
    ("fk_hold_subscription_id", "hold", {"subscription_id": _NOBODY}),
    ("fk_hold_customer_id", "hold", {"subscription_id": None, "customer_id": _NOBODY}),
)
