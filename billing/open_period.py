"""Step 2 of a charge: periods that have begun get their invoice, once each.

One commit a batch. Two of these at once take different subscriptions; the unique (subscription, ordinal, purpose)
stands behind that. A batch that fails is done again row by row, and the row that fails is set aside, visibly.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import structlog

from billing.calendars import calendar_of
from domain.billing_period import CatchUp
from domain.instants import ONE_DAY, civil_date, instant_of
from domain.invoice import InvoiceState, Purpose, Trigger
from domain.schedule import BILLING_TIME
from models.ids import new_id
from models.queries import installation, open_period
from models.session import CommitInDoubt, DatabaseTrouble

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Row

    from billing.ports import Ports
    from models.session import Transaction

_log = structlog.get_logger("billing")

#: Subscriptions in one commit.
BATCH: Final = 500
#: Periods of one subscription in one commit; the rest follow in the next.
PERIODS_AT_ONCE: Final = 150


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """How many subscriptions were looked at, invoices opened, subscriptions set aside."""

    subscriptions: int
    invoices: int
    set_aside: int = 0


def open_due_periods(ports: Ports) -> Opened:
    """Open a batch of due periods; gives zero subscriptions once nothing is due."""
    try:
        return _open_batch(ports, limit=BATCH)
    except (DatabaseTrouble, CommitInDoubt):
        raise  # nobody's row is to blame, and the next tick finds what is still due
    except Exception as error:  # noqa: BLE001 - whatever one row did, the others must be opened
        _log.warning("open.batch_failed", error=type(error).__name__)
        return _open_one_by_one(ports)


def _open_batch(ports: Ports, *, limit: int, only: UUID | None = None) -> Opened:
    with ports.database.transaction() as tx:
        due = open_period.lock_due_subscriptions(tx, limit=limit, only=only)
        invoices: list[dict[str, Any]] = []
        moved: list[dict[str, Any]] = []
        for subscription in due:
            opened = _periods_of(tx, subscription)
            invoices.extend(opened)
            last = opened[-1]
            moved.append({"id": subscription.id, "ordinal": last["ordinal"], "next_billing_at": last["period_end"]})
        open_period.write_opened(tx, invoices=invoices, subscriptions=moved)
        installation.write_events(
            tx,
            [
                installation.event(
                    tx,
                    "invoice.opened",
                    subscription_id=row["subscription_id"],
                    invoice_id=row["id"],
                    ordinal=row["ordinal"],
                    amount=row["amount"],
                )
                for row in invoices
            ],
        )
    return Opened(subscriptions=len(due), invoices=len(invoices))


def _open_one_by_one(ports: Ports) -> Opened:
    """The same batch, a commit each; what fails even alone is set aside with its reason."""
    with ports.database.transaction() as tx:
        ids = [row.id for row in open_period.lock_due_subscriptions(tx, limit=BATCH)]
    invoices = set_aside = 0
    for subscription_id in ids:
        try:
            invoices += _open_batch(ports, limit=1, only=subscription_id).invoices
        except (DatabaseTrouble, CommitInDoubt):
            raise
        except Exception as error:  # noqa: BLE001 - the row is to blame, whatever it did
            set_aside += 1
            with ports.database.transaction() as tx:
                reason = f"opening its period failed: {type(error).__name__}: {error}"
                open_period.set_subscription_aside(tx, subscription_id=subscription_id, reason=reason)
                installation.write_events(
                    tx,
                    [
                        installation.event(
                            tx,
                            "subscription.set_aside",
                            subscription_id=subscription_id,
                            is_incident=True,
                            reason=reason,
                        )
                    ],
                )
    return Opened(subscriptions=len(ids), invoices=invoices, set_aside=set_aside)


def _periods_of(tx: Transaction, subscription: Row[Any]) -> list[dict[str, Any]]:
    calendar = calendar_of(subscription)
    rows: list[dict[str, Any]] = []
    period = calendar.period(subscription.ordinal + 1)
    while period.start <= tx.now and len(rows) < PERIODS_AT_ONCE:
        is_catch_up = period.ordinal < subscription.catch_up_below and subscription.catch_up == CatchUp.ALL
        rows.append(
            {
                "id": new_id(tx.real),
                "subscription_id": subscription.id,
                "purpose": Purpose.PERIOD,
                "ordinal": period.ordinal,
                "period_start": period.start,
                "period_end": period.end,
                "amount": subscription.amount,
                "state": InvoiceState.OPEN,
                "is_catch_up": is_catch_up,
                "next_attempt_at": _catch_up_day(tx, subscription, period.ordinal) if is_catch_up else period.start,
                "next_trigger": Trigger.SCHEDULE,
                "ladder_step": 0,
                "attempt_count": 0,
                "opened_at": tx.now,
            }
        )
        period = calendar.period(period.ordinal + 1)
    return rows


def _catch_up_day(tx: Transaction, subscription: Row[Any], ordinal: int) -> datetime:
    """One a day, the oldest tomorrow: today is the running period's. The claim moves on what meets another charge."""
    today = civil_date(tx.now, subscription.timezone)
    behind_before = ordinal - _first_behind(subscription)
    return instant_of(today + ONE_DAY + timedelta(days=behind_before), BILLING_TIME, subscription.timezone)


def _first_behind(subscription: Row[Any]) -> int:
    first: int = subscription.ordinal + 1
    return first
