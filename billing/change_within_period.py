"""Other terms from today on, within a period that is paid: what the days left are worth more is charged, less is given.

More is charged at once, by an invoice of its own (or with the next one, if it is too little for one); less becomes the
customer's credit, which lowers their next invoices. ``domain/proration.py`` has the rule by which a day is reckoned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from billing.forecast import expect_charge, expect_item
from billing.left_to_bill import is_in_arrears
from billing.lines import line_rows
from billing.new_invoice import new_invoice
from billing.one_off_items import refuse_too_much
from billing.running_periods import changeable_periods, paid_for
from domain.credit import CreditKind
from domain.errors import BadInput, Conflict
from domain.instants import civil_date
from domain.invoice import Purpose
from domain.invoice_line import Item, LineKind, reckon
from domain.price import MAXIMUM_AMOUNT, MINIMUM_AMOUNT
from domain.subscription import BILLABLE
from models.ids import new_id
from models.queries import beside, credit, installation, open_period, proration
from models.queries import item as items

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from sqlalchemy import Row

    from billing.change_subscription import By
    from billing.running_periods import Changeable, Rate
    from models.session import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodChanged:
    """A period that runs, changed from today on. Won: of the whole of it before and after, and what is left of that.

    ``won`` is negative if it is given back.
    """

    ordinal: int
    days: int
    of_days: int
    old_won: int
    new_won: int
    won: int
    tax_free: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What a change within periods comes to, in won: one of the three, or none."""

    periods: tuple[PeriodChanged, ...]
    charged: int = 0  # at once
    on_next_invoice: int = 0
    credited: int = 0

    def as_data(self) -> dict[str, Any]:
        """What is told of it beside what was changed."""
        days = [f"{each.days} of {each.of_days} days of period {each.ordinal}" for each in self.periods]
        amounts = {"charged": self.charged, "on_next_invoice": self.on_next_invoice, "credited": self.credited}
        return {"left": days, **amounts}


class ChangeWithin:
    """A change of a locked subscription's terms from today on, worked out; ``write`` makes it so.

    ``rate_of``: the terms of a period that runs, from today on; each may have been opened at others. ``is_cut``: what
    runs is over with yesterday, and worth nothing from today on.

    Raises:
        Conflict: No period runs that was paid, something is owed or not opened yet, or the tax parts do not fit.
        BadInput: It is more than can be charged at once.
    """

    def __init__(
        self,
        tx: Transaction,
        subscription: Row[Any],
        rate_of: Callable[[Changeable], Rate],
        *,
        description: str,
        is_cut: bool = False,
    ) -> None:
        self._tx, self._row, self._description = tx, subscription, description
        self._is_cut = is_cut
        if subscription.state not in BILLABLE or subscription.requested_change is not None:
            waits = f", and a {subscription.requested_change} waits" if subscription.requested_change else ""
            raise Conflict(f"subscription {subscription.id} is {subscription.state}{waits}: no paid period runs")
        if is_in_arrears(subscription):
            raise Conflict(
                f"subscription {subscription.id} is billed in arrears: the period that runs is not paid, and costs what"
                " stands at its end; leave out --now"
            )
        if subscription.next_billing_at <= tx.now and subscription.stops_before != subscription.ordinal + 1:
            raise Conflict(
                f"period {subscription.ordinal + 1} of subscription {subscription.id} is due and not opened yet; ask"
                " again once it is paid"
            )
        self.periods: Sequence[Changeable] = changeable_periods(tx, subscription)
        self._rates = [rate_of(each) for each in self.periods]
        changed = tuple(self._changed(each, rate) for each, rate in zip(self.periods, self._rates, strict=True))
        won = sum(each.won for each in changed)
        if won > MAXIMUM_AMOUNT:
            raise BadInput(f"{won:,} won for the rest of the period is more than can be charged at once")
        self.settled = Settled(
            periods=changed,
            charged=won if won >= MINIMUM_AMOUNT else 0,
            on_next_invoice=won if 0 < won < MINIMUM_AMOUNT else 0,
            credited=max(0, -won),
        )
        if self.settled.on_next_invoice:
            refuse_too_much(tx, subscription.id, won)
        if won < 0:
            self._refuse_given_back(-won)
        balance = credit.balance_of(tx, subscription.customer_id) + self.settled.credited
        if balance > MAXIMUM_AMOUNT:
            raise BadInput(
                f"its customer would have {balance:,} won of credit; more than {MAXIMUM_AMOUNT:,} is too much"
            )

    def _refuse_given_back(self, won: int) -> None:
        """What was paid for the period may have gone back already, by a person's refund."""
        paid = paid_for(self._tx, self._row, [each.running.ordinal for each in self.periods])
        if won > paid.left:
            raise Conflict(
                f"{won:,} won would be given back, and of what was paid only {paid.left:,} won are left;"
                " from its next period on it can be changed: leave out --now"
            )

    def _changed(self, period: Changeable, rate: Rate) -> PeriodChanged:
        running = period.running
        new = 0 if self._is_cut else period.worth_at(rate)
        won = running.left.of(new - running.worth)
        tax_free = 0 if self._is_cut else running.left.of(period.tax_free_at(rate))
        if won > 0 and not 0 <= tax_free <= won:
            raise Conflict(
                f"of period {running.ordinal} of subscription {self._row.id} another part would be free of tax, which"
                " cannot be charged for the rest of it; from its next period on it can be changed: leave out --now"
            )
        return PeriodChanged(
            ordinal=running.ordinal,
            days=running.left.days,
            of_days=running.left.of_days,
            old_won=running.worth,
            new_won=new,
            won=won,
            tax_free=tax_free if won > 0 else 0,
        )

    def write(self, by: By) -> None:
        """Charge it, put it on the next invoice, or give it as credit; all in this transaction."""
        number = proration.next_number(self._tx, self._row.id)
        how: dict[str, Any] = {"invoice_id": None, "item_id": None, "credit_entry_id": None}
        if self.settled.charged:
            how["invoice_id"] = self._open(number)
        elif self.settled.on_next_invoice:
            how["item_id"] = self._put_on_next(by)
        elif self.settled.credited:
            how["credit_entry_id"] = self._give_credit(by)
        proration.write_prorations(
            self._tx,
            [
                {
                    "subscription_id": self._row.id,
                    "number": number,
                    "ordinal": each.ordinal,
                    "changed_on": civil_date(self._tx.now, self._row.timezone),
                    "days": each.days,
                    "of_days": each.of_days,
                    "old_won": each.old_won,
                    "new_won": each.new_won,
                    "won": each.won,
                    "all_won": sum(one.won for one in self.settled.periods),
                    "quantity": rate.quantity,
                    "plan_price_id": rate.plan_price_id,
                    "is_cut": self._is_cut,
                    **how,
                    "actor": by.actor,
                    "recorded_at": self._tx.now,
                }
                for each, rate in zip(self.settled.periods, self._rates, strict=True)
            ],
        )

    def _open(self, number: int) -> UUID:
        tx, row = self._tx, self._row
        rate = self._rates[-1]
        owed = reckon(list(self._items()), vat=rate.vat, card_quota=0)
        running = proration.running_periods(tx, row.id)
        invoice = new_invoice(
            tx,
            row.id,
            owed,
            purpose=Purpose.CHANGE,
            ordinal=number,
            begin=tx.now,
            end=running[-1].period_end,
            quantity=rate.quantity,
            plan_price_id=rate.plan_price_id,
            attempt_at=tx.now,
        )
        open_period.write_invoice(tx, invoice, list(line_rows(invoice["id"], owed)))
        expect_charge(tx, row.id, won=owed.amount)
        told = installation.event(
            tx, "invoice.opened_for_change", subscription_id=row.id, invoice_id=invoice["id"], amount=owed.amount
        )
        installation.write_events(tx, [told])
        found: UUID = invoice["id"]
        return found

    def _items(self) -> Sequence[Item]:
        """What is charged, a line a period; where a later period costs less, it is one line for all."""
        periods = self.settled.periods
        if any(each.won < 0 for each in periods):
            won, tax_free = self.settled.charged, sum(each.tax_free for each in periods)
            return [self._item(won, min(tax_free, won), "the rest of what is paid")]
        return [
            self._item(each.won, each.tax_free, f"{each.days} of {each.of_days} days") for each in periods if each.won
        ]

    def _item(self, won: int, tax_free: int, days: str) -> Item:
        return Item(
            kind=LineKind.PRORATION,
            description=f"{self._description} ({days})",
            quantity=1,
            unit_amount=won,
            unit_tax_free=tax_free,
        )

    def _put_on_next(self, by: By) -> UUID:
        tx, won = self._tx, self.settled.on_next_invoice
        item_id = new_id(tx.real)
        items.add_item(
            tx,
            {
                "id": item_id,
                "subscription_id": self._row.id,
                "description": f"{self._description} (the rest of the period before)",
                "quantity": 1,
                "unit_amount": won,
                "unit_tax_free": min(won, sum(each.tax_free for each in self.settled.periods)),
                "added_by": by.actor,
                "reason": by.reason,
                "added_at": tx.now,
            },
        )
        expect_item(tx, self._row.id, won=won)
        return item_id

    def _give_credit(self, by: By) -> int:
        tx, won, customer_id = self._tx, self.settled.credited, self._row.customer_id
        balance = beside.lock_account(tx, customer_id) + won
        entry = beside.write_credit(
            tx, customer_id=customer_id, kind=CreditKind.GRANTED, amount=won, actor=by.actor, reason=by.reason
        )
        told = installation.event(tx, "credit.granted", customer_id=str(customer_id), amount=won, balance=balance)
        installation.write_events(tx, [told])
        return entry
