"""Which periods of a subscription are due by an instant, and when is each charged? Who opens asks, and who foresees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from billing.calendars import calendar_of
from domain.billing_period import CatchUp
from domain.instants import ONE_DAY, civil_date, instant_of
from domain.schedule import BILLING_TIME

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy import Row

    from domain.billing_period import BillingPeriod


@dataclass(frozen=True, slots=True, kw_only=True)
class DuePeriod:
    """A period that is due, and when its charge is: at its own due time, or on its day if it catches up. UTC."""

    period: BillingPeriod
    due_at: datetime
    attempt_at: datetime
    is_catch_up: bool


def due_periods(
    subscription: Row[Any], *, now: datetime, until: datetime, before: int | None = None
) -> Iterator[DuePeriod]:
    """The periods not yet opened that are due by ``until``, in order, as they are when they are opened ``now``.

    ``before``: none from this ordinal on, whatever the subscription's own stop is.
    """
    calendar = calendar_of(subscription)
    first = ordinal = subscription.ordinal + 1
    ends = [bound for bound in (subscription.stops_before, before) if bound is not None]
    while not ends or ordinal < min(ends):
        due_at = calendar.due_at(ordinal)
        if due_at > until:
            return
        is_catch_up = ordinal < subscription.catch_up_below and subscription.catch_up == CatchUp.ALL
        yield DuePeriod(
            period=calendar.period(ordinal),
            due_at=due_at,
            attempt_at=_catch_up_day(subscription, now=now, after=ordinal - first) if is_catch_up else due_at,
            is_catch_up=is_catch_up,
        )
        ordinal += 1


def _catch_up_day(subscription: Row[Any], *, now: datetime, after: int) -> datetime:
    """One a day, the oldest tomorrow: today is the running period's. The claim moves on what meets another charge."""
    day = civil_date(now, subscription.timezone) + (1 + after) * ONE_DAY
    return instant_of(day, subscription.charge_time or BILLING_TIME, subscription.timezone)
