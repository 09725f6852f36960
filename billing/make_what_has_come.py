"""Stops and resumes whose instant has come are made, each by the code that makes one now.

That they hold does not rest on this: from their instant on nothing is opened or claimed. What this writes is the state,
what becomes of debts, and where billing goes on. As of that instant, however late it is: an engine that was down for
weeks ends where one would have ended that was not. Safe to repeat, and at once; two of them take different rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog

from billing.change_subscription import By, change_within, lock_subscription, resume_within
from billing.forecast import expect_more
from domain.subscription import Change, SubscriptionState
from models.queries import installation, open_period, stop
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
        resumed = [each for each in come if _make(tx, ports, lock_subscription(tx, each))]
        if resumed:  # once, and last: whoever makes more due takes the days' rows in one order
            expect_more(tx, resumed)
    return len(come)


def _make(tx: Transaction, ports: Ports, subscription: Row[Any]) -> bool:
    """Gives whether it was resumed."""
    stops_at = subscription.stops_at
    if stops_at is None or stops_at > tx.now:
        by = By(actor=subscription.resumes_by, reason=_ON_ITS_DATE)
        resume_within(tx, subscription, by=by, at=subscription.resumes_at, max_behind=ports.limits.max_behind)
        return True
    wanted = Change(subscription.stops_as)
    if wanted is Change.PAUSE and subscription.state == SubscriptionState.PAUSED:  # no use case leaves it so
        stop.drop_stop(tx, subscription.id)
        return False
    # If it waits for an outcome its instant stays in the row: nothing is opened from it on meanwhile.
    by = By(actor=subscription.stops_by, reason=_AT_THE_END)
    change_within(tx, subscription, wanted, by=by, planned_at=stops_at.isoformat())
    return False


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
            _set_aside(ports, subscription_id, f"its stop or resume could not be made: {type(error).__name__}: {error}")
    return Come(subscriptions=len(ids), set_aside=set_aside)


def _set_aside(ports: Ports, subscription_id: UUID, reason: str) -> None:
    with ports.database.transaction() as tx:
        open_period.set_subscription_aside(tx, subscription_id=subscription_id, reason=reason)
        told = installation.event(
            tx, "subscription.set_aside", subscription_id=subscription_id, is_incident=True, reason=reason
        )
        installation.write_events(tx, [told])
