"""Stops, resumes and ends of a term that have come are made, each by the code that makes one now; prices are decided.

That they hold does not rest on this: from their instant on nothing is opened or claimed, nor is a period whose price
is to be decided. What this writes is the state, what becomes of debts, and where billing goes on. As of that instant,
however late it is: an engine that was down for weeks ends where one would have ended that was not. Safe to repeat,
and at once; two of them take different rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog

from billing.change_subscription import By, change_within, lock_subscription, resume_within
from billing.complete_term import complete_within, is_resumed_now
from billing.forecast import expect_more, expect_rises
from billing.price_changes import Decided, decide_price
from billing.promotions import plan_ends
from domain.subscription import BILLABLE, Change, SubscriptionState
from models.queries import installation, open_period, stop
from models.queries.beside import ENGINE
from models.session import CommitInDoubt, DatabaseTrouble

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Row

    from billing.ports import Ports
    from models.session import Transaction

_log = structlog.get_logger("billing")

#: Subscriptions in one commit.
BATCH: Final = 100
_AT_THE_END: Final = "asked for before: with the end of the paid period"
_ON_ITS_DATE: Final = "asked for before: on its date"


@dataclass(frozen=True, slots=True, kw_only=True)
class Come:
    """How many subscriptions were looked at, and how many of them set aside."""

    subscriptions: int
    set_aside: int = 0


def make_what_has_come(ports: Ports) -> Come:
    """Make a batch of what has come; gives zero subscriptions once nothing has.

    Raises:
        DatabaseTrouble, CommitInDoubt: The next tick finds what is still to be made.
    """
    try:
        return Come(subscriptions=_make_batch(ports, limit=BATCH))
    except (DatabaseTrouble, CommitInDoubt):
        raise
    except Exception as error:  # noqa: BLE001 - whatever one row did, the others' must be made
        _log.warning("stop.batch_failed", error=type(error).__name__)
        return _make_one_by_one(ports)


def _make_batch(ports: Ports, *, limit: int, only: UUID | None = None) -> int:
    with ports.database.transaction() as tx:
        come = stop.lock_come(tx, limit=limit, only=only)
        more: list[UUID] = []
        rises: list[tuple[UUID, int]] = []
        for each in come:
            decided = _make(tx, ports, lock_subscription(tx, each))
            if decided.is_billed_anew:
                more.append(each)
            elif decided.rise_won:
                rises.append((each, decided.rise_won))
        # Once, and last: whoever makes more due takes the days' rows in one order.
        if more:
            expect_more(tx, more)
        if rises:
            expect_rises(tx, rises)
    return len(come)


def _make(tx: Transaction, ports: Ports, subscription: Row[Any]) -> Decided:
    """Gives what of it is due now that nobody expected."""
    if _price_has_come(tx, subscription):
        decided = decide_price(tx, subscription)
        plan_ends(tx, [subscription.id], actor=ENGINE)
        return decided
    stops_at = subscription.stops_at
    if stops_at is None or stops_at > tx.now:
        if not is_resumed_now(subscription, now=tx.now):
            complete_within(tx, subscription)
            return Decided()
        by = By(actor=subscription.resumes_by, reason=_ON_ITS_DATE)
        resume_within(tx, subscription, by=by, at=subscription.resumes_at, max_behind=ports.limits.max_behind)
        return Decided(is_billed_anew=True)
    wanted = Change(subscription.stops_as)
    if wanted is Change.PAUSE and subscription.state == SubscriptionState.PAUSED:  # no use case leaves it so
        stop.drop_stop(tx, subscription.id)
        return Decided()
    # If it waits for an outcome its instant stays in the row: nothing is opened from it on meanwhile.
    by = By(actor=subscription.stops_by, reason=_AT_THE_END)
    change_within(tx, subscription, wanted, by=by, planned_at=stops_at.isoformat())
    return Decided()


def _price_has_come(tx: Transaction, subscription: Row[Any]) -> bool:
    """As ``stop.PRICE_HAS_COME``; by the row itself, for a stop that has come as well waits for the periods before."""
    row = subscription
    return (
        row.changes_at is not None
        and row.state in {*BILLABLE, SubscriptionState.TRIALING}
        and max(row.changes_at, row.next_billing_at) <= tx.now
        and row.ordinal + 1 >= row.changes_from
        and (row.stops_before is None or row.ordinal + 1 < row.stops_before)
        and (row.periods is None or row.ordinal + 1 < row.periods)
        and row.requested_change != Change.CANCEL
    )


def _make_one_by_one(ports: Ports) -> Come:
    """The same batch, a commit each; what fails even alone is set aside with its reason."""
    with ports.database.transaction() as tx:
        ids = stop.lock_come(tx, limit=BATCH)
    set_aside = 0
    for subscription_id in ids:
        try:
            _make_batch(ports, limit=1, only=subscription_id)
        except (DatabaseTrouble, CommitInDoubt):
            raise
        except Exception as error:  # noqa: BLE001 - the row is to blame, whatever it did
            set_aside += 1
            told = f"what has come of it could not be made: {type(error).__name__}: {error}"
            _set_aside(ports, subscription_id, told)
    return Come(subscriptions=len(ids), set_aside=set_aside)


def _set_aside(ports: Ports, subscription_id: UUID, reason: str) -> None:
    with ports.database.transaction() as tx:
        open_period.set_subscription_aside(tx, subscription_id=subscription_id, reason=reason)
        told = installation.event(
            tx, "subscription.set_aside", subscription_id=subscription_id, is_incident=True, reason=reason
        )
        installation.write_events(tx, [told])
