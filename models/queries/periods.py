"""SQL of calendars: all that a subscription's periods and due times depend on (``billing.calendars``)."""

from __future__ import annotations

from typing import Final

_SCHEDULE: Final = "p.every, p.cron, p.charge_time, p.shift, p.spread_minutes, p.billed"
#: Of a plan ``p``; ``billing_day`` is that of a new subscription.
PLAN_CALENDAR: Final = f"{_SCHEDULE}, p.billing_day"
#: Of a plan ``p`` that bills every day: waiting for a day on which it does not would be waiting for ever.
IS_DAILY: Final = "(p.every = '1 day' OR coalesce(p.cron LIKE '% * * *', false))"
#: Of a subscription ``s`` and its plan ``p``; ``billing_day`` is its own.
CALENDAR: Final = (
    "s.id AS subscription_id, s.timezone, s.anchored_on, s.anchor_ordinal, s.stub_from, s.billing_day, s.periods,"
    f" {_SCHEDULE}"
)
