"""SQL of calendars: all that a subscription's periods and due times depend on (``billing.calendars``)."""

from __future__ import annotations

from typing import Final

#: Of a plan ``p``.
PLAN_CALENDAR: Final = "p.every, p.cron, p.charge_time, p.shift, p.spread_minutes"
#: Of a plan ``p`` that bills every day: waiting for a day on which it does not would be waiting for ever.
IS_DAILY: Final = "(p.every = '1 day' OR coalesce(p.cron LIKE '% * * *', false))"
#: Of a subscription ``s`` and its plan ``p``. Its periods are counted from the end of its trial, if it had one.
CALENDAR: Final = (
    "s.id AS subscription_id, s.timezone, coalesce(s.trial_until, s.started_on) AS started_on, s.periods,"
    f" {PLAN_CALENDAR}"
)
