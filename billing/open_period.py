"""Step 2 of a charge: periods that are due get their invoice, once each, with all that stands for them.

One commit a batch. Two of these at once take different subscriptions; the unique (subscription, ordinal, purpose)
stands behind that. A batch that fails is done again row by row, and the row that fails is set aside, visibly.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import structlog

from billing.calendars import calendar_of
from billing.due_periods import due_periods
from billing.lines import Reckoning, coupon_row, gather, line_rows
from billing.new_invoice import new_invoice
from billing.promotions import end_planned, planned_end
from domain.billing_period import Billed, Skip
from domain.invoice import Purpose
from models.queries import installation, open_period
from models.queries.beside import ENGINE, Used
from models.session import CommitInDoubt, DatabaseTrouble

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row

    from billing.due_periods import DuePeriod
    from billing.lines import Gathered
    from billing.ports import Ports
    from domain.invoice_line import Owed
    from models.session import Transaction

_log = structlog.get_logger("billing")

#: Subscriptions in one commit.
BATCH: Final = 500
#: Periods of one subscription in one commit; the rest follow in the next.
PERIODS_AT_ONCE: Final = 150


@dataclass(slots=True, kw_only=True)
class _Batch:
    """The rows of one commit."""

    invoices: list[dict[str, Any]] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)
    skips: list[dict[str, Any]] = field(default_factory=list)
    moved: list[dict[str, Any]] = field(default_factory=list)
    used: Used = field(default_factory=Used)
    changes: list[dict[str, Any]] = field(default_factory=list)


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
        gathered = gather(tx, due, lock=True)
        batch = _Batch()
        # In one order, by which who foresees shares a customer's credit, too.
        for subscription in sorted(due, key=lambda row: (row.next_billing_at, row.id)):
            _open(tx, subscription, gathered, batch)
        open_period.write_opened(
            tx,
            invoices=batch.invoices,
            lines=batch.lines,
            subscriptions=batch.moved,
            skips=batch.skips,
            used=batch.used,
            changes=batch.changes,
        )
        installation.write_events(
            tx,
            [
                *(
                    installation.event(
                        tx,
                        "subscription.outage_skipped",
                        subscription_id=row["subscription_id"],
                        first_ordinal=row["first_ordinal"],
                        last_ordinal=row["last_ordinal"],
                    )
                    for row in batch.skips
                ),
                *(end_planned(tx, change) for change in batch.changes),
                *(event for row in batch.invoices for event in _events(tx, row)),
            ],
        )
    return Opened(subscriptions=len(due), invoices=len(batch.invoices))


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


def _skip(subscription: Row[Any], skip: Skip) -> dict[str, Any]:
    return {
        "subscription_id": subscription.id,
        "first_ordinal": skip.first,
        "last_ordinal": skip.last,
        "reason": skip.reason,
    }


def _open(tx: Transaction, subscription: Row[Any], gathered: Gathered, batch: _Batch) -> None:
    """The invoices of one subscription's due periods, what they use up, and how far it came."""
    reckoning = Reckoning(subscription, gathered)
    last, coupons_used = subscription.ordinal, 0
    changes_from, changes_at = _ahead(tx, subscription, reckoning, batch)
    periods = due_periods(subscription, now=tx.now, until=tx.now, before=changes_from)
    for due in islice(periods, PERIODS_AT_ONCE):
        if isinstance(due, Skip):
            batch.skips.append(_skip(subscription, due))
            last = due.last
            continue
        if not _is_known(subscription, due, reckoning, gathered):
            break  # it has fallen due since they were asked for
        last = due.period.ordinal
        period = reckoning.period(due.period)
        invoice = _invoice(tx, subscription, due, period.owed)
        batch.invoices.append(invoice)
        batch.lines.extend(line_rows(invoice["id"], period.owed))
        batch.used.items.extend((item, invoice["id"]) for item in period.items)
        batch.used.usage.extend((subscription.id, ordinal, invoice["id"]) for ordinal in period.usage)
        if period.credit:
            batch.used.credit.append((subscription.customer_id, invoice["id"], period.credit))
        coupons_used += period.is_coupon_used
    if reckoning.coupon is not None and coupons_used:
        batch.used.coupons.append(coupon_row(reckoning.coupon, used=coupons_used))
    carried = reckoning.beside.carried
    batch.moved.append(
        {
            "id": subscription.id,
            "ordinal": last,
            # Nothing opened: a day that the holidays now say is none. Its charge is due later.
            "next_billing_at": calendar_of(subscription).due_at(last + 1),
            "carried": carried.amount,
            "carried_tax_free": carried.tax_free,
            "changes_from": changes_from,
            "changes_at": changes_at,
        }
    )


def _ahead(
    tx: Transaction, subscription: Row[Any], reckoning: Reckoning, batch: _Batch
) -> tuple[int | None, datetime | None]:
    """From which period on, and when, its price is to be decided: the end of a coupon is planned if nothing is."""
    if subscription.changes_from is not None or reckoning.coupon is None:
        return subscription.changes_from, subscription.changes_at
    change = planned_end(tx, subscription, reckoning.coupon, actor=ENGINE)
    if change is None:
        return None, None
    batch.changes.append(change)
    return change["from_ordinal"], change["effective_at"]


def _is_known(subscription: Row[Any], due: DuePeriod, reckoning: Reckoning, gathered: Gathered) -> bool:
    """Whether it is known what the last of the periods used whose use is billed with one, if any."""
    before = reckoning.used_below(due.period.ordinal) - 1
    if subscription.usage is None or before < 0:
        return True
    return any(used.ordinal == before for used in gathered.usage.get(subscription.id, ()))


def _invoice(tx: Transaction, subscription: Row[Any], due: DuePeriod, owed: Owed) -> dict[str, Any]:
    return new_invoice(
        tx,
        subscription.id,
        owed,
        purpose=Purpose.PERIOD,
        ordinal=due.period.ordinal,
        begin=due.period.start,
        end=due.period.end,
        quantity=subscription.quantity,
        plan_price_id=subscription.plan_price_id,
        attempt_at=due.attempt_at,
        share=due.period.share,
        is_delivered=subscription.billed == Billed.IN_ARREARS,
        is_catch_up=due.is_catch_up,
    )


def _events(tx: Transaction, row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    of = {"subscription_id": row["subscription_id"], "invoice_id": row["id"], "ordinal": row["ordinal"]}
    yield installation.event(tx, "invoice.opened", **of, amount=row["amount"])
    if not row["amount"]:
        yield installation.event(tx, "invoice.owes_nothing", **of)
