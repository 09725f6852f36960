"""What do subscriptions owe a period? All that stands for a batch of them is gathered here, for who opens and foresees.

The reckoning itself is ``domain/owing.py``; here are the rows that it is made of, and the rows that tell of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from domain.billing_period import Billed
from domain.coupon import Discount, RunningCoupon, uses_left
from domain.invoice_line import Item, LineKind, Owed
from domain.owing import AddOn, Beside, Part, Terms, WaitingItem, owes, owes_for_use
from domain.price import Price, Vat
from domain.usage import WaitingUsage
from models.queries import beside as queries
from models.queries import usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from uuid import UUID

    from sqlalchemy import Row

    from domain.billing_period import BillingPeriod
    from domain.proration import Share
    from models.session import Transaction


def price_of(row: Row[Any]) -> Price:
    """The price in a row that has a version's columns."""
    return Price(
        amount=row.amount,
        tax_free=row.tax_free,
        vat=Vat(row.vat),
        card_quota=row.card_quota,
        setup_fee=row.setup_fee,
    )


@dataclass(slots=True, kw_only=True)
class Gathered:
    """What stands for a batch of subscriptions beside their prices.

    ``credit`` is by customer, and shared by all of their subscriptions: it shrinks as their periods are reckoned.
    """

    add_ons: dict[UUID, tuple[AddOn, ...]] = field(default_factory=dict)
    items: dict[UUID, tuple[WaitingItem, ...]] = field(default_factory=dict)
    usage: dict[UUID, tuple[WaitingUsage, ...]] = field(default_factory=dict)
    coupons: dict[UUID, Row[Any]] = field(default_factory=dict)
    credit: dict[UUID, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodOwed:
    """What a period owes, and what it used up of what stands: item ids, won of credit, whether a coupon.

    ``usage``: of which periods it has what they used.
    """

    owed: Owed
    items: tuple[UUID, ...]
    usage: tuple[int, ...]
    credit: int
    is_coupon_used: bool


def gather(tx: Transaction, subscriptions: Sequence[Row[Any]], *, lock: bool = False) -> Gathered:
    """All that stands beside the prices of a batch; so many statements, however many they are.

    Args:
        tx: Where; with ``lock`` the subscriptions are locked already.
        subscriptions: Rows with ``id`` and ``customer_id``.
        lock: It is going to be used: credit is locked, last.
    """
    ids = [row.id for row in subscriptions]
    found = Gathered()
    if not ids:
        return found
    for row in queries.add_ons(tx, ids):
        add_on = AddOn(item=item_of(row, LineKind.ADD_ON), first=row.first_ordinal, until=row.until_ordinal)
        found.add_ons[row.subscription_id] = (*found.add_ons.get(row.subscription_id, ()), add_on)
    for row in queries.waiting_items(tx, ids):
        waiting = WaitingItem(id=row.id, item=item_of(row, LineKind.ITEM))
        found.items[row.subscription_id] = (*found.items.get(row.subscription_id, ()), waiting)
    for row in usage.waiting_usage(tx, ids):
        used = WaitingUsage(ordinal=row.ordinal, items=tuple(Item(kind=LineKind.USAGE, **line) for line in row.lines))
        found.usage[row.subscription_id] = (*found.usage.get(row.subscription_id, ()), used)
    found.coupons = {row.subscription_id: row for row in queries.running_coupons(tx, ids)}
    found.credit = dict(queries.credit_of(tx, [row.customer_id for row in subscriptions], lock=lock))
    return found


class Reckoning:
    """One subscription on its way from period to period, with what stands for it after each."""

    def __init__(self, subscription: Row[Any], gathered: Gathered, *, credit: dict[UUID, int] | None = None) -> None:
        self._customer_id: UUID = subscription.customer_id
        self._credit = gathered.credit if credit is None else credit
        self.coupon = gathered.coupons.get(subscription.id)
        self._is_in_arrears = subscription.billed == Billed.IN_ARREARS
        self._pinned = Terms(
            plan_name=subscription.plan_name, quantity=subscription.quantity, price=price_of(subscription)
        )
        self.beside = Beside(
            add_ons=gathered.add_ons.get(subscription.id, ()),
            carried=Part(amount=subscription.carried, tax_free=subscription.carried_tax_free),
            items=gathered.items.get(subscription.id, ()),
            usage=gathered.usage.get(subscription.id, ()),
            coupon=None if self.coupon is None else _running(self.coupon),
        )

    def end_coupon(self) -> None:
        """Its coupon has ended: that is decided."""
        self.beside = replace(self.beside, coupon=None)

    def period(self, period: BillingPeriod, *, price: Price | None = None) -> PeriodOwed:
        """What its next period owes, which is this one; ``price``: by another one than it is pinned to.

        Raises:
            RuleBroken: It is more than can be charged at once.
        """
        before = replace(self.beside, credit=self._credit.get(self._customer_id, 0))
        terms = self._pinned if price is None else replace(self._pinned, price=price)
        below = self.used_below(period.ordinal)
        found = owes(terms, before, ordinal=period.ordinal, share=period.share, used_below=below)
        return self._used_up(before, *found)

    def used_below(self, ordinal: int) -> int:
        """An invoice of a period has what those before this one used: those before itself, or itself as well."""
        return ordinal + 1 if self._is_in_arrears else ordinal

    def final(self, ordinal: int, share: Share | None) -> PeriodOwed | None:
        """What its final invoice owes, after the end: for so much of a period in arrears, and for what was used.

        None: nothing was delivered that is not billed.

        Raises:
            RuleBroken: It is more than can be charged at once.
        """
        before = replace(self.beside, credit=self._credit.get(self._customer_id, 0))
        below = ordinal + 1
        if self._is_in_arrears:
            found = owes(self._pinned, before, ordinal=ordinal, share=share, used_below=below, is_last=True)
            if not any(line.amount for line in found[0].lines):
                return None
            return self._used_up(before, *found)
        for_use = owes_for_use(self._pinned, before, used_below=below)
        return None if for_use is None else self._used_up(before, *for_use)

    def _used_up(self, before: Beside, owed: Owed, after: Beside) -> PeriodOwed:
        self.beside = after
        used = before.credit - after.credit
        if used:
            self._credit[self._customer_id] = after.credit
        waits, left = {each.ordinal for each in before.usage}, {each.ordinal for each in after.usage}
        kept = {waiting.id for waiting in after.items}
        return PeriodOwed(
            owed=owed,
            items=tuple(waiting.id for waiting in before.items if waiting.id not in kept),
            usage=tuple(sorted(waits - left)),
            credit=used,
            is_coupon_used=any(line.kind is LineKind.COUPON for line in owed.lines),
        )


def _running(row: Row[Any]) -> RunningCoupon:
    return RunningCoupon(
        code=row.code,
        discount=Discount(percent=row.percent, won=row.won),
        left=uses_left(periods=row.periods, used=row.used),
    )


def item_of(row: Row[Any], kind: LineKind) -> Item:
    """What a row of an item or of an add-on says is owed."""
    return Item(
        kind=kind,
        description=row.description,
        quantity=row.quantity,
        unit_amount=row.unit_amount,
        unit_tax_free=row.unit_tax_free,
    )


def coupon_row(coupon: Row[Any], *, used: int) -> dict[str, Any]:
    """The row of a coupon that so many more periods have used; it ends by a decision."""
    return {"id": coupon.id, "used": coupon.used + used}


def line_rows(invoice_id: UUID, owed: Owed) -> Iterator[dict[str, Any]]:
    """The rows of an invoice's lines."""
    for line in owed.lines:
        yield {
            "invoice_id": invoice_id,
            "line_no": line.line_no,
            "kind": line.kind,
            "description": line.description,
            "quantity": line.quantity,
            "unit_amount": line.unit_amount,
            "amount": line.amount,
            "tax_free": line.tax_free,
            "vat_amount": line.vat_amount,
        }
