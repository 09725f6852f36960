"""What do foreign hands at the gateway do to cards of ours, and when may their work be taken over?

The gateway can charge a card by schedules of its own. Whoever made them, we did not: none of ours exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from domain.errors import BadInput
from domain.evidence import Said
from domain.instants import ONE_DAY, civil_date, instant_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import date, datetime, timedelta

    from domain.billing_period import Calendar
    from domain.evidence import Patience


class ForeignState(StrEnum):
    """Where a foreign schedule stands, as far as we have seen it."""

    SCHEDULED = "scheduled"
    OTHER = "other"  # a word that we do not know: taken to be waiting
    EXECUTED = "executed"
    REVOKED = "revoked"
    GONE = "gone"  # the gateway does not know it any more


#: Words of a payment that moved won, also where they went back afterwards.
MONEY: Final = frozenset({Said.PAID, Said.CANCELLED})

#: It may still charge.
WAITING: Final = (ForeignState.SCHEDULED, ForeignState.OTHER)
#: It says that it charged nothing, which its order number must bear out once its time has come.
QUIET: Final = (ForeignState.REVOKED, ForeignState.GONE)


class AdoptionState(StrEnum):
    """How far the moving of one subscription off the gateway's schedules has come."""

    CREATED = "created"  # our subscription is there and blocked; nothing was asked of the gateway
    UNSCHEDULING = "unscheduling"  # written before the gateway is asked to revoke
    DONE = "done"  # every schedule was read back


class AdoptionEvent(StrEnum):
    """What happens to it."""

    ASKED = "asked"
    FINISHED = "finished"


ADOPTION_TABLE: Final = {
    (AdoptionState.CREATED, AdoptionEvent.ASKED): AdoptionState.UNSCHEDULING,
    # All of them ran, or somebody else revoked them, before we asked.
    (AdoptionState.CREATED, AdoptionEvent.FINISHED): AdoptionState.DONE,
    (AdoptionState.UNSCHEDULING, AdoptionEvent.ASKED): AdoptionState.UNSCHEDULING,
    (AdoptionState.UNSCHEDULING, AdoptionEvent.FINISHED): AdoptionState.DONE,
}


class Became(StrEnum):
    """What became of an adopted schedule."""

    OPEN = "open"  # not proven yet
    REVOKED = "revoked"
    PAID = "paid"  # it ran meanwhile: its period was paid elsewhere
    FAILED = "failed"  # it ran meanwhile and was declined: its period is ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A schedule that may still charge. Won; ``at`` aware UTC."""

    merchant_uid: str
    at: datetime
    amount: int


def may_have_begun(*, at: datetime, by: datetime, longest_processing: timedelta) -> bool:
    """Whether the gateway may have been at it by an instant, whatever it says: its clock is not ours."""
    return by >= at - longest_processing


def became(
    *,
    state: ForeignState,
    payment_status: str,
    saids: Collection[Said],
    at: datetime,
    asked_at: datetime,
    now: datetime,
    seen_by: datetime,
    patience: Patience,
) -> Became:
    """What an adopted schedule has become, by what the gateway says of it after it was asked to revoke.

    Args:
        state: What it says of the schedule.
        payment_status: What it says of the payment, if executed.
        saids: What a look-up of its order number says of payments. That is owed of what does not wait any more and may
            have begun by ``seen_by``, or by when it was asked; and of what ran and does not say how it ended.
        at: When it should have run.
        asked_at: When it was last asked to revoke. Real time, as all instants here.
        now: When it was looked at, not later than the look began.
        seen_by: When it had answered about the schedule, not earlier.
        patience: So long it may be at a charge, and so long absence must hold.
    """
    is_executed = state is ForeignState.EXECUTED
    if not MONEY.isdisjoint(saids) or (is_executed and payment_status in MONEY):
        return Became.PAID
    if is_executed and (payment_status == Said.FAILED or set(saids) == {Said.FAILED}):
        return Became.FAILED
    if state not in QUIET or Said.OTHER in saids:
        return Became.OPEN
    if state is ForeignState.GONE and now < asked_at + patience.settling:
        return Became.OPEN
    # We may have asked hours before its time, and it may have been revoked in the very second in which it ran.
    is_near = may_have_begun(at=at, by=max(asked_at, seen_by), longest_processing=patience.longest_processing)
    if is_near and now < max(at, asked_at) + _holds(state, patience):
        return Became.OPEN
    return Became.REVOKED


def waits_until(
    *, state: ForeignState, at: datetime, asked_at: datetime, now: datetime, patience: Patience
) -> datetime:
    """From when on a look at a schedule that is left open by ``now`` can be final. Real time."""
    settled = asked_at + patience.settling
    is_early = not may_have_begun(at=at, by=settled, longest_processing=patience.longest_processing)
    if state is ForeignState.GONE and is_early and now < settled:
        return settled
    return max(at, asked_at) + _holds(state, patience)


def _holds(state: ForeignState, patience: Patience) -> timedelta:
    """How long after its time nothing may be heard of its money."""
    return patience.settling if state is ForeignState.GONE else patience.longest_processing


def adopted_periods(
    calendar: Calendar,
    waiting: Sequence[Waiting],
    *,
    price: int,
    accept_amount: bool,
    paid_through: date | None,
) -> Sequence[int]:
    """The period that each schedule, in order of time, was to pay for; the first of them is our first.

    Raises:
        BadInput: They are not this plan's: another amount, another rhythm, another day.
    """
    if not waiting:
        raise BadInput(
            "its card has no schedule that waits at the gateway; bring it in by `jeonggi subscription import`"
        )
    days = [civil_date(each.at, calendar.zone_name) for each in waiting]
    first = _period_on(calendar, days[0])
    if first is None:
        raise BadInput(
            f"started_on {calendar.begins_on} makes no period begin on {days[0]}, where its first schedule is; give"
            f" started_on {days[0]}, or the plan that bills then"
        )
    other = next((each.amount for each in waiting if each.amount != price), None)
    if other is not None and not accept_amount:
        raise BadInput(
            f"its schedules charge {other:,} won, the plan {price:,}; give the plan of that price, or --accept-amount"
        )
    if paid_through is not None and _first_after(calendar, paid_through) != first:
        raise BadInput(
            f"paid_through {paid_through} is not the period before {days[0]}, its first schedule; leave it empty"
        )
    ordinals = [_period_of(calendar, each.at, day) for each, day in zip(waiting, days, strict=True)]
    if ordinals != list(range(first, first + len(ordinals))):
        raise BadInput(
            f"its {len(ordinals)} schedules do not charge one period each, one after the other; give the plan that"
            " bills as they do"
        )
    return ordinals


def _period_on(calendar: Calendar, day: date) -> int | None:
    """The period that starts on a civil date."""
    ordinal = _first_after(calendar, day - ONE_DAY)
    return ordinal if civil_date(calendar.start(ordinal), calendar.zone_name) == day else None


def _period_of(calendar: Calendar, at: datetime, day: date) -> int:
    """The period that starts on this civil date, or else the one that runs then."""
    on = _period_on(calendar, day)
    return calendar.first_from(at) - 1 if on is None else on


def _first_after(calendar: Calendar, day: date) -> int:
    return calendar.first_from(instant_of(day + ONE_DAY, time.min, calendar.zone_name))
