"""Valid rows of what hooks and operators told, and what their guards refuse: (guard, table, the values that differ)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_AT: Final = datetime(2026, 1, 31, 1, tzinfo=UTC)


def told_rows(number: int) -> dict[str, dict[str, Any]]:
    """One of each table."""
    return {
        "gateway_event": {
            "channel": "default",
            "imp_uid": f"imp_{number}",
            "merchant_uid": "j" + "a" * 39,
            "status": "cancelled",
            "cancellation_id": "a-1",
            "digest": f"digest {number}",
            "hour": _AT,
            "times": 1,
            "received_at": _AT,
            "last_received_at": _AT,
            "follow_at": _AT,
            "looks": 0,
        },
        "decline_rule": {
            "kind": "text",
            "match": f"text {number}",
            "decline_code": "card_expired",
            "although_ambiguous": False,
            "actor": "ops",
            "reason": "told",
        },
    }


FORBIDDEN_TOLD: Final[Sequence[tuple[str, str, dict[str, Any]]]] = (
    ("uq_gateway_event_digest_hour", "gateway_event", {"digest": "told"}),
    ("ck_gateway_event_status", "gateway_event", {"status": "lost"}),
    ("ck_gateway_event_outcome", "gateway_event", {"closed_at": _AT, "outcome": "mood"}),
    ("ck_gateway_event_closed_has_an_outcome", "gateway_event", {"closed_at": _AT}),
    ("ck_gateway_event_closed_has_an_outcome", "gateway_event", {"outcome": "news"}),
    ("ck_gateway_event_counts_not_negative", "gateway_event", {"times": 0}),
    ("ck_gateway_event_counts_not_negative", "gateway_event", {"looks": -1}),
    *(
        ("ck_gateway_event_imp_uid_form", "gateway_event", {"imp_uid": imp_uid})
        for imp_uid in ("imp_", "impabcde_1", "uid_1", "imp_1\n", "imp_" + "a" * 33)
    ),
    *(
        ("ck_gateway_event_merchant_uid_form", "gateway_event", {"merchant_uid": merchant_uid})
        for merchant_uid in ("", "k" + "a" * 39, "j" + "a" * 38, "j" + "a" * 40, "j" + "a" * 38 + "1")
    ),
    *(
        ("ck_gateway_event_cancellation_id_form", "gateway_event", {"cancellation_id": cancellation_id})
        for cancellation_id in ("", "a b", "a\n", "a" * 65)
    ),
    ("ck_decline_rule_kind", "decline_rule", {"kind": "rumour"}),
    ("ck_decline_rule_decline_code", "decline_rule", {"decline_code": "mood"}),
    ("ck_decline_rule_teaches_something", "decline_rule", {"decline_code": "unclassified"}),
    ("ck_decline_rule_match_length", "decline_rule", {"match": ""}),
    ("ck_decline_rule_match_length", "decline_rule", {"match": "a" * 301}),
    *(
        ("ck_decline_rule_code_form", "decline_rule", {"kind": "code", "match": match})
        for match in ("abcd", "123", "12345", "1234567", "1234\n")
    ),
)
#: What the furnished world holds of them, under the names that the forbidden ones repeat.
FURNISHED_TOLD: Final[dict[str, dict[str, Any]]] = {"gateway_event": {"digest": "told"}, "decline_rule": {}}
