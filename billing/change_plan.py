"""A subscription gets another plan: from its next period on, or from today on within the one that runs.

It is the customer's own act, and carries their consent. It stays the same subscription, with its card and its debts.
Where both plans bill alike, its dates stay; where they do not, its periods are counted from a new anchor: the day on
which its next period begins or, from today on, today. The period that runs is then cut short, and what was paid
for its days left is credit, which the first period of the new plan uses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from billing.calendars import anchor_columns, calendar_for, calendar_of, schedule_of
from billing.change_subscription import lock_subscription
from billing.change_within_period import ChangeWithin
from billing.forecast import expect_charge, expect_item
from billing.left_to_bill import is_in_arrears
from billing.one_off_items import refuse_too_much
from billing.promotions import plan_end_anew
from billing.running_periods import Rate
from domain.errors import Conflict, NotFound
from domain.foreign import AdoptionState
from domain.instants import civil_date
from domain.price import Vat
from domain.price import refuse_too_much as refuse_quantity
from domain.schedule import has_billing_days
from domain.subscription import BILLABLE
from models.queries import adoption, installation
from models.queries import change_plan as queries

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row

    from billing.change_subscription import By
    from billing.change_within_period import Settled
    from domain.billing_period import Calendar
    from models.session import Database, Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanChanged:
    """Another plan: won a period before and after, the first period that has it, and when that begins and is due.

    ``settled``: what it comes to for the period that runs; None: that one stays as it is. UTC.
    """

    subscription_id: UUID
    old_plan: str
    new_plan: str
    quantity: int
    old_won: int
    new_won: int
    ordinal: int
    period_start: datetime
    due_at: datetime
    settled: Settled | None


def change_plan(
    database: Database,
    subscription_id: UUID,
    plan: str,
    *,
    quantity: int | None = None,
    now: bool = False,
    by: By,
    dry_run: bool = False,
) -> PlanChanged:
    """Give a subscription another plan, at the price that it has now, or only tell what it comes to.

    Args:
        database: Where it is kept.
        subscription_id: Whose.
        plan: The other plan's code.
        quantity: Units of it; None: as many as it has.
        now: From today on; else from the next period on that is not opened yet.
        by: Who asks, and why.
        dry_run: Only tell.

    Raises:
        NotFound, Conflict: There is no such subscription or plan, it has it already, or something is ahead of it; with
            ``now``: nothing within its period can be changed.
        BadInput: So much cannot be charged at once.
    """
    with database.transaction() as tx:
        asked = _Asked(tx, lock_subscription(tx, subscription_id), plan, quantity, now=now)
        if not dry_run:
            asked.write(by)
        return asked.changed


class _Asked:
    """One question about one subscription, under its lock."""

    def __init__(self, tx: Transaction, subscription: Row[Any], plan: str, quantity: int | None, *, now: bool) -> None:
        self._tx, self._row = tx, subscription
        self._has = queries.agreed(tx, subscription.id)
        found = queries.plan_to_have(tx, plan)
        if found is None:
            raise NotFound(f"there is no plan {plan!r}; `jeonggi plan list` tells which there are")
        self._plan = found
        self._quantity = quantity or self._has.quantity
        self._refuse()
        self._calendar = self._moved(now=now)
        #: It bills otherwise, and does so from today on: what runs ends today.
        self._is_cut = now and not self._bills_alike()
        self._within = self._settle() if now else None
        ordinal = subscription.ordinal + 1
        self.changed = PlanChanged(
            subscription_id=subscription.id,
            old_plan=self._has.plan,
            new_plan=found.code,
            quantity=self._quantity,
            old_won=self._has.quantity * self._has.amount,
            new_won=self._quantity * found.amount,
            ordinal=ordinal,
            period_start=self._calendar.start(ordinal),
            due_at=self._calendar.due_at(ordinal),
            settled=None if self._within is None else self._within.settled,
        )

    def _refuse(self) -> None:
        row, plan = self._row, self._plan
        name = f"subscription {row.id}"
        if row.state not in BILLABLE or row.requested_change is not None:
            waits = f", and a {row.requested_change} waits" if row.requested_change else ""
            raise Conflict(f"{name} is {row.state}{waits}: its plan is changed while it is billed")
        if plan.id == self._has.plan_id:
            raise Conflict(
                f"{name} has plan {plan.code!r} already; `jeonggi subscription move-price` gives it another price"
            )
        if plan.plan_price_id is None:
            raise Conflict(f"no price of plan {plan.code!r} is in force yet")
        if row.stops_at is not None:
            raise Conflict(
                f"{name} has a {row.stops_as} ahead, at {row.stops_at}; `jeonggi subscription keep` takes it back"
            )
        if row.changes_at is not None and not row.in_promotion:
            raise Conflict(
                f"{name} has a change of price ahead, at {row.changes_at}; ask again after it, or take it back by"
                " `jeonggi price-change withdraw`"
            )
        if row.periods is not None or plan.periods is not None or plan.minimum_periods is not None:
            raise Conflict(
                f"{name} or plan {plan.code!r} is for a fixed term, which begins with a subscription of its own"
            )
        if plan.usage != self._has.usage:
            raise Conflict(
                f"plans {self._has.plan!r} and {plan.code!r} do not bill by the same use: what {name} has used would be"
                " owed by nobody; cancel it, and begin another"
            )
        self._refuse_at_another_end()
        self._refuse_other_ties()
        if row.next_billing_at <= self._tx.now:
            raise Conflict(f"period {row.ordinal + 1} of {name} is due and not opened yet; ask again once it is")
        other = queries.has_that_too(self._tx, row.id, plan.id)
        if other is not None:
            raise Conflict(f"its customer has a subscription of plan {plan.code!r} from that day already: {other}")
        refuse_quantity(amount=plan.amount, quantity=self._quantity)
        refuse_too_much(self._tx, row.id, max(0, self._quantity * plan.amount - self._has.quantity * self._has.amount))

    def _refuse_at_another_end(self) -> None:
        """No period is charged at both of its ends, or at none; nor gets other days before it is charged."""
        row, plan = self._row, self._plan
        if plan.billed != row.billed:
            raise Conflict(
                f"plan {plan.code!r} is billed {plan.billed}, and subscription {row.id} {row.billed}: a period would be"
                " charged twice or by nobody; end it with its period (--at-period-end), and begin another"
            )
        if is_in_arrears(row) and not self._bills_alike():
            raise Conflict(
                f"subscription {row.id} is billed in arrears, and plan {plan.code!r} would change the days of the"
                " period that runs; end it with that period (--at-period-end), and begin another"
            )

    def _refuse_other_ties(self) -> None:
        """What was agreed on or made elsewhere by the plan that it has."""
        row, plan, tx = self._row, self._plan, self._tx
        if adoption.states_of(tx, [row.id]).get(row.id, AdoptionState.DONE) != AdoptionState.DONE:
            raise Conflict(
                f"the gateway's schedules for subscription {row.id} are not all revoked, and were made for its periods"
                " as they are; `jeonggi schedule resume` ends that"
            )
        minimum = row.minimum_periods
        if minimum is not None and not self._bills_alike() and calendar_of(row).start(minimum) > tx.now:
            raise Conflict(
                f"subscription {row.id} is bound for {minimum} periods, until {calendar_of(row).start(minimum)}: until"
                f" then it gets no plan that bills otherwise, as {plan.code!r} does"
            )
        for coupon in queries.coupons_of(tx, row.id, plan.id):
            if coupon.is_for_others or (coupon.periods is not None and not self._bills_alike()):
                told = "is not for" if coupon.is_for_others else "is for so many periods, which are others with"
                raise Conflict(f"coupon {coupon.code} of subscription {row.id} {told} plan {plan.code!r}")

    def _bills_alike(self) -> bool:
        plan, row = self._plan, self._row
        new = schedule_of(plan.every, plan.cron, plan.charge_time)
        return new == schedule_of(row.every, row.cron, row.charge_time)

    def _moved(self, *, now: bool) -> Calendar:
        """Its calendar by the other plan: the anchor stays, or is the day from which on that plan bills it."""
        before = calendar_of(self._row)
        ordinal = self._row.ordinal + 1
        begins_at = self._tx.now if now else before.start(ordinal)
        after = calendar_for(
            self._plan,
            subscription_id=self._row.id,
            begins_on=civil_date(begins_at, self._row.timezone),
            zone_name=self._row.timezone,
        )
        if self._bills_alike():
            return before.billed_as(after)
        if not now and after.billing_day is None and all(map(has_billing_days, (before.schedule, after.schedule))):
            after = after.from_billing_day(0, before.day)  # a February does not tell whether 28 or 31 is meant
        moved, begins_on = after.numbered_from(ordinal), civil_date(begins_at, self._row.timezone)
        first = civil_date(moved.start(ordinal), self._row.timezone)
        if first > begins_on:
            raise Conflict(
                f"plan {self._plan.code!r} begins its periods on days of its own, {first} the next, and nobody would"
                f" pay from {begins_on} on; end the subscription there, and begin another"
            )
        return moved

    def _settle(self) -> ChangeWithin:
        """What it comes to for the days left: a difference, or all of them if the period is cut short."""
        rate = Rate(
            quantity=self._quantity,
            plan_price_id=self._plan.plan_price_id,
            amount=self._plan.amount,
            tax_free=self._plan.tax_free,
            vat=Vat(self._plan.vat),
        )
        description = f"{self._quantity:,} of {self._plan.name}"
        within = ChangeWithin(self._tx, self._row, lambda _: rate, description=description, is_cut=self._is_cut)
        if any(each.plan_id != self._has.plan_id for each in within.periods):
            raise Conflict(
                f"subscription {self._row.id} gets plan {self._has.plan!r} with its next period already: take that back"
                " by a change to the plan that runs, or leave out --now"
            )
        return within

    def write(self, by: By) -> None:
        tx, changed = self._tx, self.changed
        queries.write_plan(
            tx,
            {
                "id": changed.subscription_id,
                "plan_id": self._plan.id,
                "plan_price_id": self._plan.plan_price_id,
                "quantity": self._quantity,
                "next_billing_at": changed.due_at,
                **anchor_columns(self._calendar),
            },
        )
        if self._row.in_promotion:
            plan_end_anew(tx, changed.subscription_id, actor=by.actor)
        # Envelopes are locked before credit.
        if self._is_cut:
            expect_charge(tx, changed.subscription_id, won=changed.new_won)
        elif changed.new_won > changed.old_won:
            expect_item(tx, changed.subscription_id, won=changed.new_won - changed.old_won)
        if self._within is not None:
            self._within.write(by)
        self._tell(by)

    def _tell(self, by: By) -> None:
        changed = self.changed
        told: dict[str, Any] = {
            "old_plan": changed.old_plan,
            "new_plan": changed.new_plan,
            "quantity": changed.quantity,
            "old_won": changed.old_won,
            "new_won": changed.new_won,
            "ordinal": changed.ordinal,
            "due_at": changed.due_at.isoformat(),
            **({} if changed.settled is None else changed.settled.as_data()),
        }
        installation.write_events(
            self._tx,
            [
                installation.event(
                    self._tx, "subscription.plan_changed", subscription_id=changed.subscription_id, **told
                )
            ],
        )
        installation.write_audit(
            self._tx,
            actor=by.actor,
            action="subscription.plan_changed",
            subject="subscription",
            subject_id=changed.subscription_id,
            reason=by.reason,
            **told,
        )
