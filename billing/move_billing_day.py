"""A subscription gets another billing day: once the period that runs is over, a partial one leads up to that day.

What is opened keeps its dates. The partial period costs its share, and every whole one after it begins on the new day.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from billing.calendars import anchor_columns, calendar_of
from billing.change_subscription import lock_subscription
from billing.forecast import expect_item, expect_more
from billing.left_to_bill import is_in_arrears
from billing.lines import Reckoning, gather
from billing.one_off_items import next_due
from billing.promotions import plan_end_anew
from domain.errors import BadInput, Conflict
from domain.foreign import AdoptionState
from domain.plan_dates import LAST_BILLING_DAY
from domain.schedule import has_billing_days
from domain.subscription import SubscriptionState
from models.queries import adoption, anchor, installation

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row

    from billing.change_subscription import By
    from domain.billing_period import BillingPeriod, Calendar
    from models.session import Database, Transaction

#: Days are forecast so far ahead at most.
_FORECAST: Final = timedelta(days=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComingPeriod:
    """A period that is still to be opened: what it will owe as things stand, in won, and when it is due.

    ``days`` of ``of_days`` civil days of a whole period: of a partial one; None: it is whole. ``due_at`` None: it is
    paused, or has no card yet. UTC.
    """

    ordinal: int
    start: datetime
    end: datetime
    days: int | None
    of_days: int | None
    won: int
    due_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedDay:
    """A billing day that was moved, or would be: from which day to which, and the next periods by it, at most two.

    ``term_ends_at``: when the last of its periods is over, now; None: it has no last one. UTC.
    """

    subscription_id: UUID
    old_day: int
    new_day: int
    periods: tuple[ComingPeriod, ...]
    term_ended_at: datetime | None
    term_ends_at: datetime | None


def move_billing_day(database: Database, subscription_id: UUID, day: int, *, by: By, dry_run: bool = False) -> MovedDay:
    """Let a subscription's whole periods begin on another day of the month, or only tell what comes of it.

    Args:
        database: Where it is kept.
        subscription_id: Whose.
        day: 1 to 31; of a shorter month its last one.
        by: Who asks, and why.
        dry_run: Only tell, by the same code.

    Raises:
        NotFound, Conflict: There is none, it bills on that day, no period follows, or something else is ahead of it.
        BadInput: That is no day of a month, or its plan has none.
    """
    if not 1 <= day <= LAST_BILLING_DAY:
        raise BadInput(
            f"day {day} is no day of a month; give 1 to {LAST_BILLING_DAY}, which is the last of every month"
        )
    with database.transaction() as tx:
        subscription = lock_subscription(tx, subscription_id)
        calendar = calendar_of(subscription)
        terms = anchor.terms_of(tx, subscription_id)
        if not has_billing_days(calendar.schedule):
            raise BadInput(
                f"plan {terms.plan!r} bills by {terms.schedule!r}: only periods of months or years have a billing day"
            )
        _refuse_what_is_ahead(tx, subscription)
        _refuse_without_next(tx, subscription, calendar)
        if calendar.day == day:
            raise Conflict(f"subscription {subscription_id} bills on day {day} already, from its next period on")
        moved_to = calendar.from_billing_day(subscription.ordinal + 1, day)
        stood = _coming(tx, subscription, terms, calendar)
        moved = MovedDay(
            subscription_id=subscription_id,
            old_day=calendar.day,
            new_day=day,
            periods=_coming(tx, subscription, terms, moved_to),
            term_ended_at=calendar.ends_at,
            term_ends_at=moved_to.ends_at,
        )
        if not dry_run:
            anchor.write_anchor(tx, subscription_id, anchor=anchor_columns(moved_to), term_ends_at=moved_to.ends_at)
            if subscription.in_promotion:
                plan_end_anew(tx, subscription_id, actor=by.actor)
            _expect(tx, subscription, moved_to, more=moved.periods[0].won - stood[0].won)
            _tell(tx, moved, by)
        return moved


def _refuse_what_is_ahead(tx: Transaction, subscription: Row[Any]) -> None:
    """What is asked for ahead counts by the calendar that stands, and was told with its dates."""
    row = subscription
    if row.state == SubscriptionState.ENDED:
        raise Conflict(f"subscription {row.id} has ended ({row.ended_reason}): no period follows")
    if row.requested_change is not None:
        raise Conflict(
            f"subscription {row.id} has a {row.requested_change} that waits for the outcome of a charge; ask again once"
            " it is made"
        )
    if is_in_arrears(row):
        raise Conflict(
            f"subscription {row.id} is billed in arrears, and the period that runs is charged with the days it has; end"
            " it with that period (--at-period-end), and begin another on the day that is wanted"
        )
    if row.stops_at is not None:
        raise Conflict(
            f"subscription {row.id} has a {row.stops_as} ahead, at {row.stops_at}; `jeonggi subscription keep` takes"
            " that back"
        )
    if row.in_trial:
        raise Conflict(
            f"the trial of subscription {row.id} is decided at {row.changes_at}, and its customer was told what is paid"
            " from then on; ask again once that is over"
        )
    if row.changes_at is not None and not row.in_promotion:
        raise Conflict(
            f"subscription {row.id} has a change of price ahead, from {row.changes_at} on; ask again after it, or"
            " `jeonggi price-change withdraw` takes it back"
        )
    if adoption.states_of(tx, [row.id]).get(row.id, AdoptionState.DONE) != AdoptionState.DONE:
        raise Conflict(
            f"the gateway's schedules for subscription {row.id} are not all revoked, and were made for its periods as"
            " they are; `jeonggi schedule resume` ends that"
        )


def _refuse_without_next(tx: Transaction, subscription: Row[Any], calendar: Calendar) -> None:
    """There must be a next period, and it must not have begun: nobody's running period is cut."""
    ordinal = subscription.ordinal + 1
    if not calendar.has(ordinal):
        raise Conflict(
            f"subscription {subscription.id} completes with its last period, at {subscription.term_ends_at}: nothing"
            " begins after it"
        )
    if calendar.start(ordinal) <= tx.now or subscription.next_billing_at <= tx.now:
        mend = {
            SubscriptionState.PAUSED: "`jeonggi subscription resume` it first",
            SubscriptionState.PENDING: "give it a card first, by `jeonggi subscription change-card`",
        }.get(SubscriptionState(subscription.state), "ask again once it is opened")
        raise Conflict(f"period {ordinal} of subscription {subscription.id} has begun and is not opened yet; {mend}")


def _coming(tx: Transaction, subscription: Row[Any], terms: Row[Any], calendar: Calendar) -> tuple[ComingPeriod, ...]:
    """The next two periods, as the opening will reckon them if nothing else changes."""
    reckoning = Reckoning(terms, gather(tx, [terms]))
    next_two = (subscription.ordinal + 1, subscription.ordinal + 2)
    is_billed = next_due(subscription) is not None
    return tuple(
        _as_it_comes(period, won=reckoning.period(period).owed.amount, due_at=due_at if is_billed else None)
        for period, due_at in (
            (calendar.period(each), calendar.due_at(each)) for each in next_two if calendar.has(each)
        )
    )


def _as_it_comes(period: BillingPeriod, *, won: int, due_at: datetime | None) -> ComingPeriod:
    share = period.share
    return ComingPeriod(
        ordinal=period.ordinal,
        start=period.start,
        end=period.end,
        days=None if share is None else share.days,
        of_days=None if share is None else share.of_days,
        won=won,
        due_at=due_at,
    )


def _expect(tx: Transaction, subscription: Row[Any], calendar: Calendar, *, more: int) -> None:
    """Days that are forecast already: a longer partial period costs more, and what follows a short one comes soon."""
    if more > 0:
        expect_item(tx, subscription.id, won=more)
    if calendar.due_at(subscription.ordinal + 2) <= tx.now + _FORECAST:
        expect_more(tx, [subscription.id])


def _tell(tx: Transaction, moved: MovedDay, by: By) -> None:
    first = moved.periods[0]
    told: dict[str, Any] = {
        "old_day": moved.old_day,
        "new_day": moved.new_day,
        "ordinal": first.ordinal,
        "days": first.days,
        "of_days": first.of_days,
        "until": first.end.isoformat(),
    }
    installation.write_events(
        tx, [installation.event(tx, "subscription.billing_day_moved", subscription_id=moved.subscription_id, **told)]
    )
    installation.write_audit(
        tx,
        actor=by.actor,
        action="subscription.billing_day_moved",
        subject="subscription",
        subject_id=moved.subscription_id,
        reason=by.reason,
        **told,
    )
