"""Which periods of a subscription are due by an instant, and when is each charged? Who opens asks, and who foresees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from billing.calendars import calendar_of
from domain.billing_period import AfterOutage, CatchUp, Skip, SkipReason
from domain.instants import ONE_DAY, civil_date, instant_of
from domain.schedule import BILLING_TIME

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy import Row

    from domain.billing_period import BillingPeriod, Calendar


@dataclass(frozen=True, slots=True, kw_only=True)
class DuePeriod:
    """A period that is due, and when its charge is: at its own due time, or on its day if it catches up. UTC.

    ``is_catch_up``: it is not charged on a civil day on which its customer has another charge.
    """

    period: BillingPeriod
    due_at: datetime
    attempt_at: datetime
    is_catch_up: bool


def due_periods(
    subscription: Row[Any], *, now: datetime, until: datetime, before: int | None = None
) -> Iterator[DuePeriod | Skip]:
    """The periods not yet opened that are due by ``until``, in order, as they are when they are opened ``now``.

    Among them, in their place, those that get no invoice: they were missed, and the plan does not ask for them.
    ``before``: none from this ordinal on, whatever the subscription's own stop is.
    """
    calendar = calendar_of(subscription)
    first = ordinal = subscription.ordinal + 1
    missed = _Missed(subscription, calendar, now=now)
    ends = [bound for bound in (subscription.stops_before, before) if bound is not None]
    while calendar.has(ordinal) and (not ends or ordinal < min(ends)):
        if ordinal == missed.first and missed.opened_from > ordinal:
            yield Skip(first=ordinal, last=missed.opened_from - 1, reason=SkipReason.OUTAGE)
            ordinal = missed.opened_from
            continue
        due_at = calendar.due_at(ordinal)
        if due_at > until:
            return
        is_behind = ordinal < missed.first and subscription.catch_up == CatchUp.ALL
        is_spread = is_behind or (missed.is_spread and missed.first <= ordinal < missed.below)
        yield DuePeriod(
            period=calendar.period(ordinal),
            due_at=due_at,
            attempt_at=_catch_up_day(subscription, now=now, after=ordinal - first) if is_spread else due_at,
            is_catch_up=is_spread or (ordinal > subscription.catch_up_below and missed.is_of_another_day(due_at)),
        )
        ordinal += 1


class _Missed:
    """Periods ``first`` to ``below`` were over before anybody opened them; those from ``opened_from`` on are opened.

    What is behind, from an import or a pause, is another matter: ``catch_up`` has decided about it.
    """

    def __init__(self, subscription: Row[Any], calendar: Calendar, *, now: datetime) -> None:
        self._subscription, self._now = subscription, now
        self.first = max(subscription.ordinal + 1, subscription.catch_up_below)
        self.below = calendar.missed_below(now, from_ordinal=self.first)
        if subscription.stops_before is not None:
            self.below = max(self.first, min(self.below, subscription.stops_before))
        self.is_spread = subscription.after_outage == AfterOutage.ALL
        self.opened_from = {
            AfterOutage.ALL: self.first,
            AfterOutage.LATEST: max(self.first, self.below - 1),
            AfterOutage.NONE: self.below,
        }[AfterOutage(subscription.after_outage)]

    def is_of_another_day(self, due_at: datetime) -> bool:
        """Whether a charge would have been made on an earlier day, by itself, had somebody been there."""
        zone = self._subscription.timezone
        return self.is_spread and civil_date(due_at, zone) < civil_date(self._now, zone)


def _catch_up_day(subscription: Row[Any], *, now: datetime, after: int) -> datetime:
    """One a day, the oldest tomorrow: today is the running period's. The claim moves on what meets another charge."""
    day = civil_date(now, subscription.timezone) + (1 + after) * ONE_DAY
    return instant_of(day, subscription.charge_time or BILLING_TIME, subscription.timezone)
