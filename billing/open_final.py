"""A subscription has ended: its final invoice is opened, for what was delivered and not billed, once its use is known.

The end wrote down that there is one to be opened, and the opening takes that away, each in its transaction: so it is
opened once, whoever dies between. It is charged as any other is, although its subscription has ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import structlog

from billing.calendars import calendar_of
from billing.forecast import expect_charge
from billing.left_to_bill import Left, final_owed, share_left
from billing.lines import Reckoning, coupon_row, gather, line_rows
from billing.new_invoice import new_invoice
from domain.invoice import Purpose
from domain.invoice_line import LineKind
from models.queries import final, installation, open_period
from models.queries.beside import Used
from models.session import CommitInDoubt, DatabaseTrouble

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Row

    from billing.lines import PeriodOwed
    from billing.ports import Ports
    from models.session import Transaction

_log = structlog.get_logger("billing")

#: Subscriptions of one call, a commit each: they end one by one.
BATCH: Final = 100


def open_finals(ports: Ports) -> int:
    """Open final invoices; gives how many subscriptions were looked at, zero once there are none.

    Raises:
        DatabaseTrouble, CommitInDoubt: The next tick finds what is still to be opened.
    """
    with ports.database.reading() as tx:
        ids = final.to_be_opened(tx, limit=BATCH)
    for subscription_id in ids:
        try:
            with ports.database.transaction() as tx:
                subscription = final.lock_to_be_opened(tx, subscription_id)
                if subscription is not None:
                    _open(tx, subscription)
        except (DatabaseTrouble, CommitInDoubt):
            raise
        except Exception as error:  # noqa: BLE001 - whatever one row did, the others must be opened
            _log.warning("open.batch_failed", error=type(error).__name__)
            _set_aside(ports, subscription_id, error)
    return len(ids)


def _open(tx: Transaction, subscription: Row[Any]) -> None:
    left = Left(ordinal=subscription.final_ordinal, until=subscription.final_at)
    # The day's envelope is locked before a customer's credit: what is expected is reckoned before that is locked.
    expected = final_owed(subscription, Reckoning(subscription, gather(tx, [subscription])), left)
    if expected is not None and expected.owed.amount:
        expect_charge(tx, subscription.id, won=expected.owed.amount)
    reckoning = Reckoning(subscription, gather(tx, [subscription], lock=True))
    period = final_owed(subscription, reckoning, left)
    carried = reckoning.beside.carried
    final.write_opened(tx, subscription.id, carried=carried.amount, carried_tax_free=carried.tax_free)
    of = {"subscription_id": subscription.id, "ordinal": left.ordinal}
    if period is None:
        installation.write_events(tx, [installation.event(tx, "subscription.nothing_left_to_bill", **of)])
        return
    invoice = _invoice(tx, subscription, left, period)
    used = Used()
    used.items.extend((item, invoice["id"]) for item in period.items)
    used.usage.extend((subscription.id, ordinal, invoice["id"]) for ordinal in period.usage)
    if period.credit:
        used.credit.append((subscription.customer_id, invoice["id"], period.credit))
    if reckoning.coupon is not None and period.is_coupon_used:
        used.coupons.append(coupon_row(reckoning.coupon, used=1))
    open_period.write_invoice(tx, invoice, list(line_rows(invoice["id"], period.owed)), used=used)
    of["invoice_id"] = invoice["id"]
    events = [installation.event(tx, "invoice.opened_after_the_end", **of, amount=invoice["amount"])]
    if not invoice["amount"]:
        events.append(installation.event(tx, "invoice.owes_nothing", **of))
    too_little = -sum(line.amount for line in period.owed.lines if line.kind is LineKind.CARRIED and line.amount < 0)
    if too_little:
        events.append(installation.event(tx, "invoice.too_little_to_charge", **of, won=too_little))
    installation.write_events(tx, events)


def _invoice(tx: Transaction, subscription: Row[Any], left: Left, period: PeriodOwed) -> dict[str, Any]:
    whole = calendar_of(subscription).period(left.ordinal)
    return new_invoice(
        tx,
        subscription.id,
        period.owed,
        purpose=Purpose.FINAL,
        ordinal=left.ordinal,
        begin=subscription.opened_start or whole.start,
        end=min(whole.end, left.until),
        quantity=subscription.quantity,
        plan_price_id=subscription.plan_price_id,
        attempt_at=tx.now,
        share=share_left(subscription, left),
        is_delivered=True,
    )


def _set_aside(ports: Ports, subscription_id: UUID, error: Exception) -> None:
    reason = f"opening its final invoice failed: {type(error).__name__}: {error}"
    with ports.database.transaction() as tx:
        open_period.set_subscription_aside(tx, subscription_id=subscription_id, reason=reason)
        told = installation.event(
            tx, "subscription.set_aside", subscription_id=subscription_id, is_incident=True, reason=reason
        )
        installation.write_events(tx, [told])
