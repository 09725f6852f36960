"""Whatever is asked for ahead, taken back or held, in whatever order: each period is charged once, or told why not.

The machine of ``test_life_of_a_subscription`` with more people in it. After every step what it asserts still holds; a
preview is what then happens; nothing held is claimed; nothing is opened from a stop on.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule, run_state_machine_as_test

from billing.hold_charges import place_hold, release_hold
from billing.stop_subscription import keep_subscription, stop_subscription
from domain.errors import BadInput, Conflict
from domain.hold import HoldKind
from domain.instants import civil_date
from domain.stop import Stop
from tests.integration.billing.test_life_of_a_subscription import BY, FATES, WHOSE, Life
from tests.support.profiles import examples

if TYPE_CHECKING:
    from datetime import date
    from uuid import UUID

    from tests.fakes.gateway import Fate

DAYS = st.one_of(st.none(), st.integers(min_value=-1, max_value=80))


class LifeWithStops(Life):
    def __init__(self, database_url: str, *, is_strict: bool) -> None:
        super().__init__(database_url, is_strict=is_strict)
        self.held: dict[UUID, set[tuple[UUID, int]]] = {}  # what had been sent as the hold was committed

    def _some(self, whose: int) -> UUID:
        return self.subs[whose % len(self.subs)]

    def _day(self, days: int | None) -> date | None:
        return None if days is None else civil_date(self.house.now, "Asia/Seoul") + timedelta(days=days)

    # People who think ahead.

    @rule(whose=WHOSE, wanted=st.sampled_from(Stop), is_ahead=st.booleans(), days=DAYS)
    @precondition(lambda self: bool(self.subs))
    def ask_for_a_stop(self, whose: int, wanted: Stop, is_ahead: bool, days: int | None) -> None:
        if wanted is Stop.CANCEL and not is_ahead:
            return  # the machine has that, and then little is left to happen
        sub, until = self._some(whose), self._day(days) if wanted is Stop.PAUSE else None
        with suppress(Conflict, BadInput):
            told = stop_subscription(
                self.house.ports, sub, wanted, at_period_end=is_ahead, until=until, by=BY, dry_run=True
            )
            came = stop_subscription(self.house.ports, sub, wanted, at_period_end=is_ahead, until=until, by=BY)
            assert came == told
            (row,) = self.house.rows("SELECT stops_at, resumes_at FROM subscription WHERE id = :id", id=sub)
            assert row.resumes_at == told.resumes_at or wanted is Stop.CANCEL
            assert row.stops_at == told.begins_at or not is_ahead

    @rule(whose=WHOSE)
    @precondition(lambda self: bool(self.subs))
    def keep(self, whose: int) -> None:
        with suppress(Conflict):
            keep_subscription(self.house.ports, self._some(whose), by=BY)

    @rule(fate=FATES, is_late=st.booleans())
    def the_next_stop_comes(self, fate: Fate, is_late: bool) -> None:
        """To the instant, or some time after it; the tick comes before the charges, or after them."""
        at = self.house.value(
            "SELECT least(min(stops_at) FILTER (WHERE stops_at > :now), min(resumes_at) FILTER (WHERE resumes_at > :now"
            " AND state = 'paused')) FROM subscription",
            now=self.house.now,
        )
        if at is not None:
            self.house.to(at + timedelta(hours=30 * is_late))
            self._charge(fate, 0)
            self.house.tick()
            self._charge(fate, 0)

    # Holds.

    @rule(whose=WHOSE, days=DAYS, is_customers=st.booleans())
    @precondition(lambda self: bool(self.subs))
    def hold(self, whose: int, days: int | None, is_customers: bool) -> None:
        sub = self._some(whose)
        ref = self.house.value(
            "SELECT c.customer_ref FROM customer c JOIN subscription s ON s.customer_id = c.id WHERE s.id = :id", id=sub
        )
        with suppress(Conflict, BadInput):
            place_hold(
                self.house.ports,
                customer_ref=ref if is_customers else None,
                subscription_id=None if is_customers else sub,
                kind=HoldKind.OTHER,
                until=self._day(days),
                by=BY,
            )

    @rule(nth=st.integers(min_value=0, max_value=5))
    def release(self, nth: int) -> None:
        holds = self.house.rows("SELECT id FROM hold WHERE state = 'standing' ORDER BY id")
        with suppress(Conflict, ZeroDivisionError):
            release_hold(self.house.ports, holds[nth % len(holds)].id, by=BY)

    # What is always so.

    @invariant()
    def nothing_held_is_claimed(self) -> None:
        rows = self.house.rows(
            "SELECT s.id, d.attempt_id, d.send_no FROM subscription s LEFT JOIN (send d JOIN charge_attempt a"
            "  ON a.id = d.attempt_id JOIN invoice i ON i.id = a.invoice_id) ON i.subscription_id = s.id"
            " WHERE EXISTS (SELECT FROM hold h WHERE (h.subscription_id = s.id OR h.customer_id = s.customer_id)"
            "  AND h.state = 'standing' AND (h.until IS NULL OR h.until > :now))",
            now=self.house.now,
        )
        before, self.held = self.held, {}
        for row in rows:
            sends = self.held.setdefault(row.id, set())
            if row.attempt_id is not None:
                sends.add((row.attempt_id, row.send_no))
        for sub, sends in self.held.items():
            # One that was released and placed anew within a step cannot be: each is a step of its own.
            assert before.get(sub, sends) == sends

    @invariant()
    def nothing_is_opened_from_a_stop_on(self) -> None:
        assert not self.house.rows(
            "SELECT i.id FROM invoice i JOIN subscription s ON s.id = i.subscription_id"
            " WHERE i.period_start >= s.stops_at"
        )

    @invariant()
    def what_has_ended_has_nothing_ahead(self) -> None:
        assert not self.house.rows(
            "SELECT id FROM subscription WHERE (state = 'ended' AND (stops_at IS NOT NULL OR resumes_at IS NOT NULL))"
            " OR (state = 'paused' AND stops_as = 'pause')"
        )

    # And at the end.

    def _settle(self) -> None:  # type: ignore[explicit-override]  # typing has no @override in 3.11
        for row in self.house.rows("SELECT id FROM hold WHERE state = 'standing'"):
            with suppress(Conflict):
                release_hold(self.house.ports, row.id, by=BY)
        super()._settle()


@pytest.mark.parametrize("is_strict", [True, False], ids=["strict", "careless"])
def test_any_life_with_stops_and_holds_charges_every_period_once(database_url: str, is_strict: bool) -> None:
    run_state_machine_as_test(
        lambda: LifeWithStops(database_url, is_strict=is_strict),  # type: ignore[arg-type]  # any maker of machines will do
        settings=settings(max_examples=examples(3), stateful_step_count=25),
    )
