"""What the guards of plans and their prices refuse: (guard, table, values that differ)."""

from __future__ import annotations

from datetime import time
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Sequence

FORBIDDEN_PLAN: Final[Sequence[tuple[str, str, dict[str, Any]]]] = (
    ("ck_plan_catch_up", "plan", {"catch_up": "some"}),
    ("ck_plan_after_outage", "plan", {"after_outage": "some"}),
    ("ck_plan_term_from_one", "plan", {"periods": 0}),
    ("ck_plan_term_from_one", "plan", {"minimum_periods": 0}),
    ("ck_plan_term_from_one", "plan", {"periods": 2, "minimum_periods": 3}),
    ("ck_plan_billing_day_of_a_month", "plan", {"billing_day": 0}),
    ("ck_plan_billing_day_of_a_month", "plan", {"billing_day": 32}),
    ("ck_plan_billing_day_of_a_month", "plan", {"billing_day": 1, "every": "4 weeks"}),
    ("ck_plan_billing_day_of_a_month", "plan", {"billing_day": 1, "every": None, "cron": "0 10 1 * *"}),
    ("ck_plan_one_schedule", "plan", {"cron": "0 10 1 * *"}),
    ("ck_plan_one_schedule", "plan", {"every": None}),
    ("ck_plan_price_amount_chargeable", "plan_price", {"amount": 99}),
    ("uq_plan_code", "plan", {"code": "basic"}),
    ("fk_plan_price_plan_id", "plan_price", {"plan_id": UUID(int=99)}),
    ("ck_plan_shift", "plan", {"shift": "monday"}),
    ("ck_plan_spread_within_a_day", "plan", {"spread_minutes": 1_440}),
    ("ck_plan_spread_within_a_day", "plan", {"spread_minutes": -1}),
    (
        "ck_plan_cron_has_its_own_time",
        "plan",
        {"every": None, "cron": "0 9 1 * *", "charge_time": time(9, 30)},
    ),
)
