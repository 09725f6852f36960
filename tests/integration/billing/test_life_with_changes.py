"""Whatever is bought, changed, moved, stopped or given back, in whatever order: each day is paid once, at its worth.

The machine of ``test_life_with_stops`` with seats, plans, billing days, add-ons, items, credit and refunds in it;
coupons, moves to another price with what is said to them, trials and use have tests of their own. A preview is what
then happens. At the end what each customer has paid is held against a reckoning of its own: day by day, by the terms
that were told for that day, to the part of a won. Which invoices were paid, and what is no day's worth (items, credit,
what nobody paid), it reads from the rows.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from math import lcm
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule, run_state_machine_as_test

from billing.add_ons import add_add_on
from billing.change_plan import change_plan
from billing.change_quantity import change_quantity
from billing.customer_credit import grant_credit
from billing.give_back import GiveBack
from billing.move_billing_day import move_billing_day
from billing.one_off_items import add_item
from billing.stop_subscription import stop_subscription
from domain.errors import BadInput, Conflict
from domain.instants import civil_date
from domain.invoice_line import LineKind
from domain.one_off import read_item
from domain.stop import Stop
from tests.integration.billing.test_life_of_a_subscription import AMOUNT, BY, WHOSE
from tests.integration.billing.test_life_with_stops import LifeWithStops
from tests.support.profiles import examples

if TYPE_CHECKING:
    from datetime import date
    from uuid import UUID

ZONE = "Asia/Seoul"
#: Plans that are changed to: those that there are, and others.
OTHERS: dict[str, dict[str, Any]] = {
    "monthly": {"every": "1 month"},
    "weekly": {"every": "1 week"},
    "premium": {"every": "1 month", "amount": 29_000},
    "quarter": {"every": "3 months", "amount": 26_970},
    "yearly": {"every": "1 year", "amount": 99_000},
}
QUANTITY = st.integers(min_value=1, max_value=4)
MORE = 1_310
#: Of a won: whatever number of days a period has, a day of it has whole ones.
PARTS = lcm(*range(1, 367))


@dataclass
class Deal:
    """What one customer was told: won a day's whole period, by when it was told; nobody else's business is in it."""

    unit: int = AMOUNT
    quantity: int = 1
    add_ons: dict[int, int] = field(default_factory=dict)  # won, by the first period that owes them
    opened: dict[int, int] = field(default_factory=dict)  # won of a whole period, as it was opened
    changed: dict[int, list[tuple[date, int]]] = field(default_factory=dict)  # within it: from a day on, so much
    granted: int = 0
    left_on: date | None = None  # who left, and was given back what was left

    def worth(self, ordinal: int) -> int:
        return self.unit * self.quantity + sum(won for first, won in self.add_ons.items() if first <= ordinal)


class LifeWithChanges(LifeWithStops):
    def __init__(self, database_url: str, *, is_strict: bool) -> None:
        super().__init__(database_url, is_strict=is_strict)
        self.deals: dict[UUID, Deal] = {}

    def _deal(self, sub: UUID) -> Deal:
        return self.deals.setdefault(sub, Deal())

    def _today(self) -> date:
        return civil_date(self.house.now, ZONE)

    def _twice(self, act: Any, *told: Any, **more: Any) -> Any:  # noqa: ANN401 - a use case
        """Its preview, and then the act, which must come to the same."""
        foretold = act(*told, **more, by=BY, dry_run=True)
        came = act(*told, **more, by=BY)
        assert came == foretold
        return came

    def _settled(self, sub: UUID, settled: Any, *, is_over: bool = False) -> None:  # noqa: ANN401 - what a change came to
        """Its running periods are worth something else from today on."""
        deal = self._deal(sub)
        for each in settled.periods if settled is not None else ():
            beside = sum(won for first, won in deal.add_ons.items() if first <= each.ordinal)
            new = 0 if is_over else deal.unit * deal.quantity + beside
            deal.changed.setdefault(each.ordinal, []).append((self._today(), new))

    @invariant()
    def what_is_opened_is_opened_at_what_was_told(self) -> None:
        for row in self.house.rows("SELECT subscription_id, ordinal FROM invoice WHERE purpose = 'period'"):
            deal = self._deal(row.subscription_id)
            deal.opened.setdefault(row.ordinal, deal.worth(row.ordinal))

    # People who change their minds.

    @rule(whose=WHOSE, quantity=QUANTITY, now=st.booleans())
    @precondition(lambda self: bool(self.subs))
    def more_seats_or_fewer(self, whose: int, quantity: int, now: bool) -> None:
        sub = self._some(whose)
        with suppress(Conflict):
            came = self._twice(change_quantity, self.database, sub, quantity, now=now)
            self._deal(sub).quantity = quantity
            self._settled(sub, came.settled)

    @rule(whose=WHOSE, plan=st.sampled_from(sorted(OTHERS)), now=st.booleans())
    @precondition(lambda self: bool(self.subs))
    def another_plan(self, whose: int, plan: str, now: bool) -> None:
        sub, terms = self._some(whose), OTHERS[plan]
        self.house.plan(plan, **terms)
        with suppress(Conflict):
            came = self._twice(change_plan, self.database, sub, plan, now=now)
            self._deal(sub).unit = terms.get("amount", AMOUNT)
            cuts = came.settled is not None and all(each.new_won == 0 for each in came.settled.periods)
            self._settled(sub, came.settled, is_over=cuts)

    @rule(whose=WHOSE, day=st.integers(min_value=1, max_value=31))
    @precondition(lambda self: bool(self.subs))
    def another_billing_day(self, whose: int, day: int) -> None:
        with suppress(Conflict, BadInput):
            self._twice(move_billing_day, self.database, self._some(whose), day)

    @rule(whose=WHOSE, is_each_period=st.booleans())
    @precondition(lambda self: bool(self.subs))
    def something_beside(self, whose: int, is_each_period: bool) -> None:
        sub = self._some(whose)
        kind = LineKind.ADD_ON if is_each_period else LineKind.ITEM
        item = read_item(description="저장", quantity=1, unit_amount=MORE, tax_free=0, kind=kind)
        with suppress(Conflict):
            if is_each_period:
                first = add_add_on(self.database, sub, item, periods=None, by=BY).first
                deal = self._deal(sub)
                deal.add_ons[first] = deal.add_ons.get(first, 0) + MORE
            else:
                add_item(self.database, sub, item, by=BY)

    @rule(whose=WHOSE, won=st.sampled_from([50, 5_000, 40_000]))
    @precondition(lambda self: bool(self.subs))
    def credit(self, whose: int, won: int) -> None:
        sub = self._some(whose)
        ref = self.house.value(
            "SELECT c.customer_ref FROM customer c JOIN subscription s ON s.customer_id = c.id WHERE s.id = :id", id=sub
        )
        grant_credit(self.database, ref, won, by=BY)
        self._deal(sub).granted += won

    @rule(whose=WHOSE)
    @precondition(lambda self: len(self.subs) > 1)
    def leave_and_be_given_back(self, whose: int) -> None:
        sub = self._some(whose)
        with suppress(Conflict):
            self._twice(stop_subscription, self.house.ports, sub, Stop.CANCEL, give_back=GiveBack.PRO_RATA)
            self._deal(sub).left_on = self._today()

    # And at the end.

    def _odd(self) -> set[str]:  # type: ignore[explicit-override]  # typing has no @override in 3.11
        asked = {
            row.merchant_uid: row.amount for row in self.house.rows("SELECT merchant_uid, amount FROM charge_attempt")
        }
        records = self.house.gateway.records
        return {
            each.merchant_uid for each in records if each.status == "ready" or each.amount != asked[each.merchant_uid]
        }

    def _settle(self) -> None:  # type: ignore[explicit-override]  # typing has no @override in 3.11
        super()._settle()
        self.house.refund()

    def _reconcile(self) -> None:  # type: ignore[explicit-override]  # typing has no @override in 3.11
        super()._reconcile()
        self.what_is_opened_is_opened_at_what_was_told()
        for sub in self.subs:
            self._every_day_is_paid_at_its_worth(sub)

    def _every_day_is_paid_at_its_worth(self, sub: UUID) -> None:
        deal = self._deal(sub)
        worth, roundings = 0, 1  # in parts of a won, of which every period has whole ones a day
        for row in self._paid_periods(sub):
            for day, won, of_days in self._days(deal, row):
                if deal.left_on is None or day < deal.left_on:
                    worth += won * PARTS // of_days
            roundings += 3 + len(deal.changed.get(row.ordinal, ()))
        paid = int(self._sum(sub, self._MONEY)) + deal.granted - int(self._sum(sub, self._CREDIT))
        beside = int(self._sum(sub, self._ITEMS))
        unpaid = 0 if deal.left_on is not None else int(self._sum(sub, self._UNPAID))
        late = int(self._sum(sub, "SELECT carried FROM subscription WHERE id = :id"))
        assert 0 <= worth + (beside - unpaid - late - paid) * PARTS <= roundings * PARTS, (sub, deal)

    def _paid_periods(self, sub: UUID) -> Any:  # noqa: ANN401 - rows
        return self.house.rows(
            "SELECT i.ordinal, i.period_start, i.period_end, i.share_of_days FROM invoice i"
            " WHERE i.subscription_id = :id AND i.purpose = 'period' AND i.state = 'paid'",
            id=sub,
        )

    def _days(self, deal: Deal, row: Any) -> Any:  # noqa: ANN401 - a row; days
        """Each civil day of a period with what a whole period costs on it, and how many days that has."""
        first, end = civil_date(row.period_start, ZONE), civil_date(row.period_end, ZONE)
        changes = dict(deal.changed.get(row.ordinal, ()))
        won = deal.opened[row.ordinal]
        for number in range((end - first).days):
            day = first + timedelta(days=number)
            won = changes.get(day, won)
            if number == 0:
                for at in sorted(changes):
                    won = changes[at] if at <= first else won
            yield day, won, row.share_of_days or (end - first).days

    def _sum(self, sub: UUID, query: str) -> Any:  # noqa: ANN401 - a number
        return self.house.value(query, id=sub)

    #: What stayed with the shop, less what is on its way back.
    _MONEY = (
        "SELECT coalesce(sum(p.amount - p.cancelled_amount - coalesce((SELECT sum(r.amount) FROM refund r WHERE"
        " r.payment_id = p.id AND r.state IN ('requested', 'in_flight', 'unknown', 'not_executed')), 0)), 0)"
        " FROM payment p JOIN invoice i ON i.id = p.invoice_id WHERE i.subscription_id = :id AND p.counts"
    )
    #: What the customer has of credit, and what an invoice holds of it that is neither paid nor void.
    _CREDIT = (
        "SELECT coalesce(sum(a.balance), 0) + (SELECT coalesce(sum(-l.amount), 0) FROM invoice_line l JOIN invoice i"
        "  ON i.id = l.invoice_id WHERE i.subscription_id = :id AND l.kind = 'credit'"
        "  AND i.state NOT IN ('paid', 'void'))"
        " FROM credit_account a JOIN subscription s ON s.customer_id = a.customer_id WHERE s.id = :id"
    )
    #: One-off items that were paid, and that are no part of a period's days.
    _ITEMS = (
        "SELECT coalesce(sum(w.quantity * w.unit_amount), 0) FROM invoice_item w JOIN invoice i ON i.id = w.invoice_id"
        " WHERE w.subscription_id = :id AND i.state = 'paid' AND w.id NOT IN (SELECT item_id FROM proration"
        "  WHERE item_id IS NOT NULL)"
    )
    #: What a change came to and nobody paid.
    _UNPAID = (
        "SELECT coalesce(sum(each.won), 0) FROM (SELECT DISTINCT x.number, x.all_won AS won FROM proration x"
        " LEFT JOIN invoice i ON i.id = x.invoice_id LEFT JOIN invoice_item w ON w.id = x.item_id"
        " LEFT JOIN invoice wi ON wi.id = w.invoice_id WHERE x.subscription_id = :id AND x.all_won > 0"
        " AND coalesce(i.state, wi.state, 'open') <> 'paid') each"
    )


@pytest.mark.parametrize("is_strict", [True, False], ids=["strict", "careless"])
def test_in_any_life_each_day_is_paid_once_at_its_worth(database_url: str, is_strict: bool) -> None:
    run_state_machine_as_test(
        lambda: LifeWithChanges(database_url, is_strict=is_strict),  # type: ignore[arg-type]  # any maker of machines
        settings=settings(max_examples=examples(8), stateful_step_count=25),
    )
