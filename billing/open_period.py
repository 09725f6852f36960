"""Step 2 of a charge: periods that are due get their invoice, once each.

One commit a batch. Two of these at once take different subscriptions; the unique (subscription, ordinal, purpose)
stands behind that. A batch that fails is done again row by row, and the row that fails is set aside, visibly.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import structlog

from billing.calendars import calendar_of
from billing.due_periods import due_periods
from billing.lines import line_rows, owed_by
from domain.invoice import InvoiceState, Purpose, Trigger
from models.ids import new_id
from models.queries import installation, open_period
from models.session import CommitInDoubt, DatabaseTrouble

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Row

    from billing.ports import Ports
    from domain.invoice_line import Owed
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
        lines: list[dict[str, Any]] = []
        moved: list[dict[str, Any]] = []
        for subscription in due:
            owed = owed_by(subscription)
            opened = _periods_of(tx, subscription, owed)
            invoices.extend(opened)
            lines.extend(row for invoice in opened for row in line_rows(invoice["id"], owed))
            # None: a day that the holidays now say is none. Its charge is due later.
            last = opened[-1]["ordinal"] if opened else subscription.ordinal
            next_at = calendar_of(subscription).due_at(last + 1)
            moved.append({"id": subscription.id, "ordinal": last, "next_billing_at": next_at})
        open_period.write_opened(tx, invoices=invoices, lines=lines, subscriptions=moved)
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


def _periods_of(tx: Transaction, subscription: Row[Any], owed: Owed) -> list[dict[str, Any]]:
    due = islice(due_periods(subscription, now=tx.now, until=tx.now, before=subscription.changes_from), PERIODS_AT_ONCE)
    return [
        {
            "id": new_id(tx.real),
            "subscription_id": subscription.id,
            "purpose": Purpose.PERIOD,
            "ordinal": each.period.ordinal,
            "period_start": each.period.start,
            "period_end": each.period.end,
            "amount": owed.amount,
            "tax_free": owed.tax_free,
            "vat_amount": owed.vat_amount,
            "card_quota": owed.card_quota,
            "state": InvoiceState.OPEN,
            "is_catch_up": each.is_catch_up,
            "next_attempt_at": each.attempt_at,
            "next_trigger": Trigger.SCHEDULE,
            "ladder_step": 0,
            "attempt_count": 0,
            "opened_at": tx.now,
        }
        for each in due
    ]
