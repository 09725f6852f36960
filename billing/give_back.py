"""What does a customer get back who leaves within a period that they paid: for the days left, or all of it?

For the days left: what they are worth, less what is owed and becomes void. All of it: where the right of withdrawal
stands, within seven days of the payment, of a digital service that was not used (전자상거래법 art. 17); that it was not
used is the operator's word. Money goes back first, newest payment first; then credit, as far as it had paid.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from billing.refund import request_share
from billing.running_periods import paid_for, running_periods
from domain.credit import CreditKind
from domain.errors import Conflict
from domain.instants import civil_date, instant_of
from models.queries import beside, installation, proration
from models.queries import item as items

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Row

    from billing.change_subscription import By
    from billing.running_periods import Paid
    from models.session import Transaction

#: Days after that of the payment within which a customer may withdraw. Source: 전자상거래법 art. 17 (1).
WITHDRAWAL_DAYS: Final = 7


class GiveBack(StrEnum):
    """What is given back of a period that runs."""

    PRO_RATA = "pro-rata"
    WITHDRAWAL = "withdrawal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Giving:
    """Won that go back: as refunds of payments, and as credit."""

    refunded: int = 0
    credited: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a customer could get back who leaves now; ``withdrawal_until`` None: that right is over. UTC."""

    pro_rata: Giving
    withdrawal: Giving
    withdrawal_until: datetime | None


class Leaving:
    """What can be given back of a locked subscription's running periods; ``write`` asks for it.

    Its payments are locked; what is told is what is then written.
    """

    def __init__(self, tx: Transaction, subscription: Row[Any]) -> None:
        self._tx, self._row = tx, subscription
        running = running_periods(tx, subscription)
        ordinals = [each.ordinal for each in running]
        self._paid = paid_for(tx, subscription, ordinals)
        unused = sum(each.unused for each in running)
        owed = proration.owed_for_changes(tx, subscription.id, ordinals)
        owed += sum(row.won for row in proration.waiting_changes(tx, subscription.id))
        until = self._until(self._paid.first_at)
        self.offer = Offer(
            pro_rata=_giving(min(max(0, unused - owed), self._paid.left), self._paid),
            withdrawal=Giving() if until is None else _giving(self._paid.left, self._paid),
            withdrawal_until=until,
        )

    def _until(self, paid_at: datetime | None) -> datetime | None:
        """The end of the last civil day of the right of withdrawal: of what was paid first."""
        if paid_at is None:
            return None
        zone_name = self._row.timezone
        day = civil_date(paid_at, zone_name) + timedelta(days=WITHDRAWAL_DAYS + 1)
        until = instant_of(day, time.min, zone_name)
        return until if self._tx.now < until else None

    def giving(self, wanted: GiveBack) -> Giving:
        """What goes back.

        Raises:
            Conflict: That right is over, or there is nothing to give back.
        """
        offer = self.offer
        if self._paid.first_at is None and not self._paid.credit:
            raise Conflict(f"no period of subscription {self._row.id} runs that was paid: leave out --refund")
        if wanted is GiveBack.WITHDRAWAL and offer.withdrawal_until is None:
            raise Conflict(
                f"nothing of subscription {self._row.id} was paid within the last {WITHDRAWAL_DAYS} days: the right of"
                f" withdrawal is over; --refund pro-rata gives back {offer.pro_rata.refunded:,} won"
            )
        found = offer.pro_rata if wanted is GiveBack.PRO_RATA else offer.withdrawal
        if found == Giving():
            raise Conflict(
                f"nothing that was paid for subscription {self._row.id} is left to give back: leave out --refund"
            )
        return found

    def write(self, wanted: GiveBack, by: By) -> None:
        """Ask for the refunds, which the next refund run sends, and give the credit."""
        giving = self.giving(wanted)
        for waits in proration.waiting_changes(self._tx, self._row.id):  # it is taken off what goes back
            items.remove_item(self._tx, waits.id)
        rest = giving.refunded
        for payment_id, left in self._paid.payments:
            amount = min(rest, left)
            if amount:
                request_share(self._tx, payment_id, amount, by=by)
            rest -= amount
        if giving.credited:
            self._credit(giving.credited, by)

    def _credit(self, won: int, by: By) -> None:
        tx, customer_id = self._tx, self._row.customer_id
        balance = beside.lock_account(tx, customer_id) + won
        beside.write_credit(
            tx, customer_id=customer_id, kind=CreditKind.GRANTED, amount=won, actor=by.actor, reason=by.reason
        )
        told = installation.event(tx, "credit.granted", customer_id=str(customer_id), amount=won, balance=balance)
        installation.write_events(tx, [told])


def _giving(won: int, paid: Paid) -> Giving:
    refunded = min(won, paid.money)
    return Giving(refunded=refunded, credited=min(won - refunded, paid.credit))
