"""A valid hold, and what the guards of holds, stops and calendars refuse: (guard, table, the values that differ)."""

from __future__ import annotations

from datetime import UTC, date, datetime
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


#: Its anchor is 31 January.
_STUB: Final = {"anchor_ordinal": 1, "stub_from": date(2026, 1, 17), "billing_day": 31}

FORBIDDEN_STOP: Final[Sequence[tuple[str, str, dict[str, Any]]]] = (
    ("ck_subscription_billing_day_of_a_month", "subscription", {"billing_day": 32}),
    ("ck_subscription_a_partial_period_ends_at_the_anchor", "subscription", {"anchor_ordinal": -1}),
    ("ck_subscription_a_partial_period_ends_at_the_anchor", "subscription", {**_STUB, "anchor_ordinal": 0}),
    (
        "ck_subscription_a_partial_period_ends_at_the_anchor",
        "subscription",
        {**_STUB, "stub_from": date(2026, 1, 31)},
    ),
    ("ck_subscription_anchored_before_its_next_period", "subscription", {"anchor_ordinal": 2}),
    ("ck_subscription_anchored_before_its_next_period", "subscription", {**_STUB, "anchor_ordinal": 3}),
    *(
        ("ck_invoice_share_of_a_whole", "invoice", {"share_days": days, "share_of_days": of_days})
        for days, of_days in ((15, None), (None, 31), (0, 31), (31, 31))
    ),
    ("ck_subscription_a_final_invoice_follows_the_end", "subscription", {"final_ordinal": 0, "final_at": _AT}),
    ("ck_subscription_a_final_invoice_follows_the_end", "subscription", {**_CANCELLED, "final_ordinal": 0}),
    (
        "ck_subscription_a_final_invoice_follows_the_end",
        "subscription",
        {**_CANCELLED, "final_ordinal": -1, "final_at": _AT},
    ),
    ("ck_plan_billed", "plan", {"billed": "sometimes"}),
    ("ck_invoice_a_final_one_is_delivered", "invoice", {"purpose": "final"}),
    *(
        ("ck_plan_in_arrears_once_it_is_over", "plan", {"billed": "in-arrears", **terms})
        for terms in (
            {"shift": "previous"},
            {"trial_days": 7},
            {"without_consent": "end"},
            {"usage": "messages", "after_outage": "none"},
        )
    ),
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
