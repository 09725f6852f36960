"""Valid rows of the tables of brakes, and what their guards refuse: (guard, table, the values that differ)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Sequence

_AT: Final = datetime(2026, 1, 31, 1, tzinfo=UTC)
_VOLUMES: Final = (
    "expected_charges",
    "expected_won",
    "allowed_charges",
    "allowed_won",
    "claimed_charges",
    "claimed_won",
)


def brake_rows(number: int, own: UUID) -> dict[str, dict[str, Any]]:
    """One of each table."""
    return {
        "maintenance_window": {
            "id": own,
            "channel": "default",
            "begins": time(23, 30),
            "ends": time(0, 30),
            "timezone": "Asia/Seoul",
            "weekdays": [7],
            "nth": 2,
            "note": "",
        },
        "charge_envelope": {
            "channel": "default",
            "day": date(2026, 1, 31) + timedelta(days=number),
            "begins_at": _AT,
            "ends_at": _AT + timedelta(days=1),
            **dict.fromkeys(_VOLUMES, 0),
            "forecast_at": _AT,
        },
    }


FORBIDDEN_BRAKE: Final[Sequence[tuple[str, str, dict[str, Any]]]] = (
    ("ck_channel_state_halt_cause", "channel_state", {"halt_cause": "whim"}),
    ("ck_channel_state_breaker_state", "channel_state", {"breaker_state": "ajar", "breaker_until": _AT}),
    *(
        ("ck_channel_state_breaker_counts_not_negative", "channel_state", {count: -1})
        for count in ("breaker_trouble_count", "breaker_merchant_count", "breaker_openings", "slow_steps")
    ),
    ("ck_channel_state_breaker_pauses_until", "channel_state", {"breaker_until": _AT}),
    ("ck_channel_state_breaker_pauses_until", "channel_state", {"breaker_state": "open"}),
    ("ck_channel_state_breaker_pauses_until", "channel_state", {"breaker_state": "half_open"}),
    ("ck_channel_state_one_probe_while_half_open", "channel_state", {"breaker_probe_id": UUID(int=7)}),
    (
        "ck_channel_state_one_probe_while_half_open",
        "channel_state",
        {"breaker_state": "open", "breaker_until": _AT, "breaker_probe_id": UUID(int=7)},
    ),
    ("ck_maintenance_window_leaves_some_of_the_day", "maintenance_window", {"ends": time(23, 30)}),
    ("ck_maintenance_window_nth_of_a_month", "maintenance_window", {"nth": -1}),
    ("ck_maintenance_window_nth_of_a_month", "maintenance_window", {"nth": 6}),
    ("ck_maintenance_window_nth_needs_weekdays", "maintenance_window", {"weekdays": []}),
    ("ck_maintenance_window_weekdays_are_days", "maintenance_window", {"weekdays": [0]}),
    ("ck_maintenance_window_weekdays_are_days", "maintenance_window", {"weekdays": [7, 8]}),
    ("ck_maintenance_window_weekdays_are_days", "maintenance_window", {"weekdays": [7, None]}),
    ("fk_maintenance_window_channel", "maintenance_window", {"channel": "nobodys"}),
    *(("ck_charge_envelope_volumes_not_negative", "charge_envelope", {volume: -1}) for volume in _VOLUMES),
    ("ck_charge_envelope_a_span", "charge_envelope", {"ends_at": _AT}),
    ("fk_charge_envelope_channel", "charge_envelope", {"channel": "nobodys"}),
)
