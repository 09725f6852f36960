"""A valid day, line and difference of a forecast, and what their guards refuse: (guard, table, values that differ)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Sequence

_AT: Final = datetime(2026, 1, 31, 1, tzinfo=UTC)
_DAY: Final = date(2026, 1, 31)
_NOBODY: Final = UUID(int=99)


def forecast_rows(number: int, *, subscription_id: UUID) -> dict[str, dict[str, Any]]:
    """One of each table."""
    of = {"day": _DAY, "subscription_id": subscription_id, "ordinal": number}
    return {
        "forecast_day": {
            "day": _DAY + timedelta(days=number),
            "begins_at": _AT,
            "ends_at": _AT + timedelta(days=1),
            "kept_at": _AT,
            "charges": 1,
            "won": 9_900,
            "digest": "digest",
            "compared_at": _AT,
            "differences": 1,
            "unexplained": 1,
        },
        "forecast_line": {**of, "amount": 9_900, "due_at": _AT},
        "forecast_difference": {**of, "foreseen": 9_900, "opened": None, "cause": None},
    }


#: What stands in the world that the rows hang on.
FURNISHED_FORECAST: Final = {"forecast_day": {"day": _DAY}, "forecast_line": {}, "forecast_difference": {}}

FORBIDDEN_FORECAST: Final[Sequence[tuple[str, str, dict[str, Any]]]] = (
    ("ck_forecast_day_a_span", "forecast_day", {"ends_at": _AT}),
    ("ck_forecast_day_compared_says_what_it_found", "forecast_day", {"differences": None, "unexplained": None}),
    ("ck_forecast_day_unexplained_of_the_differences", "forecast_day", {"unexplained": 2}),
    ("ck_forecast_day_unexplained_of_the_differences", "forecast_day", {"unexplained": -1}),
    ("ck_forecast_difference_a_difference", "forecast_difference", {"opened": 9_900}),
    ("fk_forecast_line_day", "forecast_line", {"day": date(2025, 1, 1)}),
    ("fk_forecast_line_subscription_id", "forecast_line", {"subscription_id": _NOBODY}),
    ("fk_forecast_difference_day", "forecast_difference", {"day": date(2025, 1, 1)}),
    ("fk_forecast_difference_subscription_id", "forecast_difference", {"subscription_id": _NOBODY}),
)
