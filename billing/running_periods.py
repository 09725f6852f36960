"""Which opened periods of a subscription are not over, what is each worth, and what would it be on other terms?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from billing.refund import left_of
from domain.coupon import Discount
from domain.errors import Conflict
from domain.invoice import InvoiceState
from domain.price import Vat
from domain.proration import Share, remaining
from models.queries import proration, refund, stop

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row

    from models.session import Transaction

#: What is told wherever nothing within a period can be changed.
_INSTEAD = "from its next period on it can be changed all the same: leave out --now"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What a whole period of a plan costs: ``quantity`` units of a version of its price, in won."""

    quantity: int
    plan_price_id: UUID
    amount: int
    tax_free: int
    vat: Vat


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """An opened and paid period that is not over: the won that the whole of it is worth, and what is left of it."""

    ordinal: int
    worth: int
    left: Share

    @property
    def unused(self) -> int:
        """What the days are worth that are left, in won, rounded up: it is given back."""
        return -self.left.of(-self.worth)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changeable:
    """A running period whose terms are known: ``rate``, and what a coupon takes off what the plan costs.

    It may have been opened as a part of a period: at ``opened_base`` won, of the ``opened_cost`` of a whole one.
    """

    running: Running
    plan_id: UUID
    rate: Rate
    discount: Discount | None
    opened_base: int
    opened_cost: int

    def worth_at(self, rate: Rate) -> int:
        """What the whole of it would be worth on other terms, in won; what stands beside the plan stays."""
        return self.running.worth + self._base(rate.quantity * rate.amount) - self._base(self._cost)

    def tax_free_at(self, rate: Rate) -> int:
        """How many won more of that would be free of tax."""
        mine = self.rate.quantity * self.rate.tax_free
        return self._base(rate.quantity * rate.tax_free) - self._base(mine)

    @property
    def _cost(self) -> int:
        return self.rate.quantity * self.rate.amount

    def _base(self, won: int) -> int:
        base = won * self.opened_base // self.opened_cost
        return base if self.discount is None else base - self.discount.off(base)


def running_periods(tx: Transaction, subscription: Row[Any]) -> list[Running]:
    """The paid periods of a locked subscription that are not over, the first first."""
    rows = proration.running_periods(tx, subscription.id)
    return [_running(tx, row, subscription.timezone) for row in rows if row.state == InvoiceState.PAID]


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """What was paid for running periods and is not given back: won of each payment, newest first, and of credit.

    ``credited``: won of credit that changes within them came to. ``first_at``: when the first payment was made (billing
    time, UTC); None: there is none.
    """

    payments: tuple[tuple[UUID, int], ...]
    credit: int
    credited: int
    first_at: datetime | None

    @property
    def money(self) -> int:
        """Won, of all payments."""
        return sum(left for _, left in self.payments)

    @property
    def left(self) -> int:
        """Won that can be given back at all: what was given as credit is not given again."""
        return max(0, self.money + self.credit - self.credited)


def paid_for(tx: Transaction, subscription: Row[Any], ordinals: Sequence[int]) -> Paid:
    """What is left of what was paid for periods of a locked subscription; the payments are locked, too."""
    payments, times = [], []
    for found in proration.payments_for(tx, subscription.id, ordinals):  # locked in the order of their ids
        payment = refund.lock_payment(tx, found.id)
        if payment is not None:
            payments.append((found.id, max(0, left_of(payment, refund.lock_refunds(tx, found.id)))))
            times.append(found.recorded_at)
    return Paid(
        payments=tuple(reversed(payments)),
        credit=proration.credit_used(tx, subscription.id, ordinals),
        credited=proration.credited_for_changes(tx, subscription.id, ordinals),
        first_at=min(times, default=None),
    )


def changeable_periods(tx: Transaction, subscription: Row[Any]) -> list[Changeable]:
    """The same, all that are opened, with their terms.

    Raises:
        Conflict: None runs, or something is owed, or one was not paid; what can be done instead is said.
    """
    name = f"subscription {subscription.id}"
    owed = stop.owed(tx, subscription.id)
    if owed.invoices:
        raise Conflict(f"{name} owes {owed.won:,} won: within its period nothing changes before that; {_INSTEAD}")
    rows = proration.running_periods(tx, subscription.id)
    if not rows or rows[0].period_start > tx.now:
        raise Conflict(f"no period of {name} runs that was charged here; {_INSTEAD}")
    unpaid = proration.owed_for_changes(tx, subscription.id, [row.ordinal for row in rows])
    if unpaid:
        raise Conflict(f"{name} never paid {unpaid:,} won for a change within its period; {_INSTEAD}")
    found = []
    for row in rows:
        if row.state != InvoiceState.PAID:
            raise Conflict(f"period {row.ordinal} of {name} is {row.state}, not paid; {_INSTEAD}")
        if row.plan_price_id is None or not row.base:
            raise Conflict(f"what period {row.ordinal} of {name} was agreed at is not known; {_INSTEAD}")
        found.append(_changeable(tx, row, subscription.timezone))
    return found


def _running(tx: Transaction, row: Row[Any], zone_name: str) -> Running:
    left = remaining(start=row.period_start, end=row.period_end, now=tx.now, zone_name=zone_name)
    return Running(ordinal=row.ordinal, worth=row.worth, left=left)


def _changeable(tx: Transaction, row: Row[Any], zone_name: str) -> Changeable:
    is_lowered = row.percent is not None or row.coupon_won is not None
    return Changeable(
        running=_running(tx, row, zone_name),
        plan_id=row.plan_id,
        rate=Rate(
            quantity=row.quantity,
            plan_price_id=row.plan_price_id,
            amount=row.unit_amount,
            tax_free=row.unit_tax_free,
            vat=Vat(row.vat),
        ),
        discount=Discount(percent=row.percent, won=row.coupon_won) if is_lowered else None,
        opened_base=row.base,
        opened_cost=row.opened_quantity * row.opened_unit,
    )
