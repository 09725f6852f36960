"""Whatever happens to subscriptions, in whatever order: each period is charged once.

A machine of rules over a whole house, with real PostgreSQL. After every step the invariants hold; at the end time
goes on until everything is decided, and the rows are compared with the gateway's ledger, payment by payment.

A longer run, some minutes: ``pytest tests/integration/billing/test_life_of_a_subscription.py
--hypothesis-profile=long``.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from billing import charge_due as charging
from billing.calendars import schedule_of
from billing.change_subscription import By, cancel, change_card, pause, resume
from billing.charge_held import charge_held
from billing.charge_now import charge_now
from billing.claim_due import claim_due
from billing.record_outcome import record_outcomes
from billing.token_in_hand import token_in_hand
from domain.billing_period import Calendar, CatchUp
from domain.channel import DEFAULT_CHANNEL
from domain.charge_attempt import UNDECIDED
from domain.errors import BadInput, Conflict
from domain.invoice import CHARGEABLE, Purpose
from domain.subscription import BILLABLE
from models.base import listed
from models.queries import change, installation, invariants
from models.session import CommitInDoubt, DatabaseTrouble
from tests.fakes.gateway import Fate
from tests.support.fated_database import CommitFate, FatedDatabase, Killed, empty_again
from tests.support.house import House
from tests.support.profiles import examples

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from gateway.port import Batch

BY = By(actor="ops", reason="a test")
PLANS = {
    "monthly": {"every": "1 month"},
    "weekly": {"every": "1 week", "catch_up": CatchUp.ALL},
    "ten_days": {"every": "10 days", "catch_up": CatchUp.NONE},
    "last_day": {"cron": "0 10 L * *"},
}
SUBSCRIPTIONS = 3
AMOUNT = 9_900
#: The fates that cost somebody money when they are misread have the best chances.
FATES = st.sampled_from(
    [Fate.APPROVE, Fate.APPROVE, Fate.LOSE_ANSWER, Fate.LOSE_ANSWER, Fate.LOSE_REQUEST, Fate.DECLINE, *Fate]
)
LAGS = st.integers(min_value=0, max_value=3)
#: Around the look-ups, the end of the lease, the token's life and the settling time.
SECONDS = st.sampled_from([11, 40, 100, 160, 400, 1_000, 1_900, 2_800, 4_000])
BELLS = st.sampled_from(["charge", "tick", "resolve", "charge"])
WHOSE = st.integers(min_value=0, max_value=SUBSCRIPTIONS - 1)
ROUNDS = 200

_BILLABLE, _UNDECIDED, _CHARGEABLE = listed(BILLABLE), listed(UNDECIDED), listed(CHARGEABLE)


class Life(RuleBasedStateMachine):
    def __init__(self, database_url: str, *, is_strict: bool) -> None:
        super().__init__()
        empty_again(database_url)
        self.database = FatedDatabase(database_url)
        self.house = House(database_url, is_strict=is_strict, database=self.database)
        self.subs: list[UUID] = []
        self.cards = 0
        self.frozen: Batch | None = None
        self.late: set[str] = set()  # imp_uids of declined attempts that turned paid
        self.resting: dict[UUID, tuple[str, int]] = {}  # paused and ended ones: records at the gateway by then

    # What is sold.

    @initialize(plans=st.lists(st.sampled_from(sorted(PLANS)), min_size=1, max_size=2), fate=FATES, lag=LAGS)
    def begin(self, plans: list[str], fate: Fate, lag: int) -> None:
        for plan in plans:
            self.subscribe(plan, days_ago=0 if plan != "last_day" else len(self.subs))
        self.house.tick()
        self._charge(fate, lag)

    @rule(plan=st.sampled_from(sorted(PLANS)), days_ago=st.integers(min_value=0, max_value=70))
    @precondition(lambda self: len(self.subs) < SUBSCRIPTIONS)
    def subscribe(self, plan: str, days_ago: int) -> None:
        terms: dict[str, Any] = {"every": None, "cron": None, "catch_up": CatchUp.LATEST, **PLANS[plan]}
        self.house.plan(plan, **terms)
        started_on = (self.house.now - timedelta(days=days_ago)).date()
        calendar = Calendar(
            schedule=schedule_of(terms["every"], terms["cron"]), anchored_on=started_on, zone_name="Asia/Seoul"
        )
        arrears = calendar.arrears(now=self.house.now, catch_up=terms["catch_up"], max_behind=100)
        sub = self.house.subscription(
            plan=plan, started_on=started_on, ordinal=arrears.first - 1, catch_up_below=arrears.current
        )
        with self.database.transaction() as tx:
            change.write_skips(tx, subscription_id=sub, skips=arrears.skips)
        self.subs.append(sub)

    # The bells.

    @rule(seconds=SECONDS, fate=FATES, lag=LAGS, is_resolved_first=st.booleans())
    def life_goes_on(self, seconds: int, fate: Fate, lag: int, is_resolved_first: bool) -> None:
        self.the_channel_is_resumed()
        self.house.advance(seconds=seconds)
        self.house.tick()
        if is_resolved_first:
            self.house.resolve()
        self._charge(fate, lag)

    @rule(days=st.integers(min_value=1, max_value=40), fate=FATES, lag=LAGS)
    def days_pass(self, days: int, fate: Fate, lag: int) -> None:
        self.house.advance(days=days)
        self.house.tick()
        self._charge(fate, lag)

    @rule(bell=BELLS, times=st.integers(min_value=1, max_value=3), fate=FATES)
    def ring(self, bell: str, times: int, fate: Fate) -> None:
        with self._everybody_meets(fate):
            for _ in range(times):
                getattr(self.house, bell)()

    def _charge(self, fate: Fate, lag: int) -> None:
        asked = len(self.house.gateway.asked)
        with self._everybody_meets(fate):
            self.house.charge()
        for charged in self.house.gateway.asked[asked:]:
            if lag:
                self.house.gateway.lag(charged.merchant_uid, looks=lag)

    @rule(bell=BELLS, nth=st.integers(min_value=1, max_value=4), what=st.sampled_from(CommitFate), fate=FATES)
    def ring_while_a_commit_fails(self, bell: str, nth: int, what: CommitFate, fate: Fate) -> None:
        self.house.tick()
        self.database.let(nth, what)
        with self._everybody_meets(fate), suppress(Killed, CommitInDoubt, DatabaseTrouble):
            getattr(self.house, bell)()
        self.database.let_all_go_well()

    # A sender that is frozen after its commit, and wakes up whenever.

    @rule()
    @precondition(lambda self: self.frozen is None)
    def claim_and_freeze(self) -> None:
        self.house.tick()
        token = token_in_hand(self.house.ports)
        self.frozen = claim_due(self.house.ports, token, at_most=10)

    @rule(fate=FATES, is_past_the_check=st.booleans(), is_answer_lost=st.booleans())
    @precondition(lambda self: self.frozen is not None)
    def thaw(self, fate: Fate, is_past_the_check: bool, is_answer_lost: bool) -> None:
        """Past the check of its time the charge is on the line already, and arrives whenever."""
        assert self.frozen is not None
        batch, self.frozen = self.frozen, None
        calls = self.house.gateway.fan_out()
        calls.send(batch)
        with self._everybody_meets(fate):
            if is_past_the_check:
                answers = [self.house.gateway.carry_out(charge, batch.token) for charge in batch.charges]
            else:
                answers = list(calls.answered(group_seconds=0, group_size=len(batch.charges)))
        if not is_answer_lost:
            record_outcomes(self.house.ports, [charging._report(answer, batch.token) for answer in answers])

    # The world outside.

    @rule()
    def the_token_dies(self) -> None:
        self.house.gateway.expire_token()

    def the_channel_is_resumed(self) -> None:
        with self.database.transaction() as tx:
            installation.resume_channel(tx, DEFAULT_CHANNEL)

    @rule(nth=st.integers(min_value=0, max_value=5))
    def a_declined_payment_turns_paid(self, nth: int) -> None:
        """Before it is looked up for the next reattempt: after that nobody could know in time."""
        self.days_pass(days=10, fate=Fate.DECLINE, lag=0)
        rows = self.house.rows(
            "SELECT a.merchant_uid FROM charge_attempt a JOIN invoice i ON i.id = a.invoice_id"
            " JOIN subscription s ON s.id = i.subscription_id WHERE a.state = 'declined' AND i.state = 'past_due'"
            f" AND i.next_attempt_at IS NOT NULL AND s.state IN ({_BILLABLE})"
            " AND NOT EXISTS (SELECT FROM charge_attempt c JOIN charge_attempt d ON d.invoice_id = c.invoice_id"
            "  WHERE c.invoice_id = i.id GROUP BY c.invoice_id HAVING max(c.cleared_at) > max(d.first_sent_at))"
            " AND NOT EXISTS (SELECT FROM charge_attempt b WHERE b.invoice_id = i.id AND b.state <> 'declined')"
            " ORDER BY a.merchant_uid"
        )
        uids = [row.merchant_uid for row in rows if not self.house.gateway._lag.get(row.merchant_uid)]
        charges = [charge for charge in self.house.gateway.asked if charge.merchant_uid in uids]
        paid = {each.merchant_uid[:-3] for each in self.house.gateway.records if each.status == "paid"}
        charges = [charge for charge in charges if charge.merchant_uid[:-3] not in paid]
        if charges:
            self.late.add(self.house.gateway.record_payment(charges[nth % len(charges)]).imp_uid)
            self.days_pass(days=6, fate=Fate.APPROVE, lag=0)

    # People.

    @rule(whose=WHOSE, asked=st.sampled_from([pause, cancel]), is_sending=st.booleans())
    def ask_for_a_change(self, whose: int, asked: Any, is_sending: bool) -> None:  # noqa: ANN401 - a use case
        if is_sending and self.frozen is None:
            self.claim_and_freeze()
        with suppress(Conflict, BadInput):
            asked(self.house.ports, self.subs[whose % len(self.subs)], by=BY)

    @rule(days=st.integers(min_value=0, max_value=40))
    @precondition(lambda self: "paused" in {state for state, _ in self.resting.values()})
    def resume_whoever_is_paused(self, days: int) -> None:
        self.days_pass(days, Fate.APPROVE, 0)
        self.nothing_is_charged_while_paused_or_after_the_end()
        for sub, (state, _) in self.resting.items():
            if state == "paused":
                with suppress(Conflict):  # its end has come
                    resume(self.house.ports, sub, by=BY)

    @rule(whose=WHOSE)
    @precondition(lambda self: bool(self.subs))
    def change_the_card(self, whose: int) -> None:
        self.cards += 1
        with suppress(Conflict):
            sub = self.subs[whose % len(self.subs)]
            change_card(self.house.ports, sub, customer_uid=f"another-card-{self.cards}", by=BY)

    @rule(nth=st.integers(min_value=0, max_value=10))
    def charge_an_invoice_now(self, nth: int) -> None:
        invoices = self.house.rows("SELECT id FROM invoice ORDER BY subscription_id, ordinal")
        with suppress(Conflict, ZeroDivisionError):
            charge_now(self.house.ports, invoices[nth % len(invoices)].id, by=BY)

    # What is always so.

    @invariant()
    def no_period_is_paid_twice(self) -> None:
        surplus = {row.imp_uid for row in self.house.rows("SELECT imp_uid FROM payment WHERE NOT counts")}
        paid = Counter(
            record.merchant_uid[:-3]
            for record in self.house.gateway.records
            if record.status == "paid" and record.imp_uid not in surplus
        )
        assert not [uid for uid, count in paid.items() if count > 1]

    @invariant()
    def no_new_number_while_an_older_attempt_is_undecided(self) -> None:
        assert not self.house.rows(
            "SELECT a.merchant_uid FROM charge_attempt a JOIN charge_attempt later ON later.invoice_id = a.invoice_id"
            " AND later.attempt_no > a.attempt_no WHERE a.state IN ('in_flight', 'unknown', 'not_executed')"
        )

    @invariant()
    def nothing_is_charged_while_paused_or_after_the_end(self) -> None:
        charged: defaultdict[str, int] = defaultdict(int)
        for record in self.house.gateway.records:
            if record.imp_uid not in self.late:
                charged[record.merchant_uid[:30]] += 1
        states = {row.id: row.state for row in self.house.rows("SELECT id, state FROM subscription")}
        before, self.resting = self.resting, {}
        for sub in self.subs:
            if states[sub] in {"paused", "ended"}:
                now = (states[sub], charged[self.house.uid(sub, 0)[:30]])
                assert before.get(sub, now)[0] != now[0] or before.get(sub, now) == now
                self.resting[sub] = now

    @invariant()
    def every_period_has_an_invoice_or_a_skip(self) -> None:
        covered: defaultdict[UUID, list[int]] = defaultdict(list)
        for row in self.house.rows(
            "SELECT subscription_id, ordinal AS first, ordinal AS last FROM invoice WHERE purpose = 'period'"
            " UNION ALL SELECT subscription_id, first_ordinal, last_ordinal FROM skipped_period"
        ):
            covered[row.subscription_id].extend(range(row.first, row.last + 1))
        for row in self.house.rows("SELECT id, ordinal FROM subscription"):
            assert sorted(covered[row.id]) == list(range(row.ordinal + 1))

    @invariant()
    def every_undecided_attempt_is_asked_about_again(self) -> None:
        assert not self.house.rows(
            f"SELECT id FROM charge_attempt WHERE state IN ({_UNDECIDED}) AND next_look_up_at IS NULL"
        )

    @invariant()
    def nobodys_row_is_to_blame(self) -> None:
        assert not self.house.rows("SELECT set_aside_reason FROM invoice WHERE set_aside_reason IS NOT NULL")
        assert not self.house.rows("SELECT set_aside_reason FROM subscription WHERE set_aside_reason IS NOT NULL")

    # And at the end.

    def teardown(self) -> None:  # type: ignore[explicit-override]  # typing has no @override in 3.11
        try:
            if sys.exc_info()[0] is None:
                self._settle()
                self._reconcile()
        finally:
            self.house.close()

    def _settle(self) -> None:
        """Time goes on, the gateway approves, until nothing is undecided or due but what waits for an operator.

        What was held for a refused request is mended, and charged by one command.
        """
        self.frozen = None
        for _ in range(ROUNDS):
            self.the_channel_is_resumed()
            self.house.tick()
            self.house.charge()
            self.house.resolve()
            at = self.house.value(
                f"SELECT least((SELECT min(next_look_up_at) FROM charge_attempt WHERE state IN ({_UNDECIDED})"
                " AND NOT merchant_uid = ANY(:odd)),"
                " (SELECT min(i.next_attempt_at) FROM invoice i JOIN subscription s ON s.id = i.subscription_id"
                f" WHERE s.state IN ({_BILLABLE}) AND s.requested_change IS NULL AND i.set_aside_reason IS NULL))",
                odd=sorted(self._odd()),
            )
            if at is None:
                if not charge_held(self.house.ports, decline_code=None, by=BY).invoices:
                    return
                continue
            self.house.to(max(at, self.house.now + timedelta(seconds=1)))
        raise AssertionError(f"after {ROUNDS} rounds something is still undecided or due")

    def _odd(self) -> set[str]:
        """Attempts that the gateway made with another amount, or never decides: only an operator ends these."""
        records = self.house.gateway.records
        return {record.merchant_uid for record in records if record.status == "ready" or record.amount != AMOUNT}

    def _reconcile(self) -> None:
        with self.database.reading() as tx:
            for name, statement in invariants.BROKEN.items():
                assert not invariants.found(tx, statement, leeway=timedelta(0)), name
        attempts = {
            row.merchant_uid: row
            for row in self.house.rows(
                "SELECT a.merchant_uid, a.state, a.amount, a.operator_since, i.state AS invoice_state,"
                " i.next_attempt_at, s.requested_change FROM charge_attempt a JOIN invoice i ON i.id = a.invoice_id"
                " JOIN subscription s ON s.id = i.subscription_id"
            )
        }
        known = {row.imp_uid: row for row in self.house.rows("SELECT imp_uid, amount FROM payment")}
        was_paid = {"paid", "cancelled"}  # and given back since
        there = {record.imp_uid: record for record in self.house.gateway.records if record.status in was_paid}
        assert set(known) <= set(there)
        for imp_uid, record in there.items():
            attempt = attempts[record.merchant_uid]
            if imp_uid in known:
                assert known[imp_uid].amount == record.amount == attempt.amount
                assert attempt.state == "approved"
            else:
                # Nobody has asked since: another amount waits for an operator, late money for the daily comparison.
                # With no reattempt to come, or with one that a waiting change holds back, no look-up precedes one.
                is_held = attempt.next_attempt_at is None or attempt.requested_change is not None
                is_late = imp_uid in self.late and is_held
                assert record.merchant_uid in self._odd() or is_late
        self._every_debt_is_on_its_way(attempts)

    def _every_debt_is_on_its_way(self, attempts: dict[str, Any]) -> None:
        waiting = {uid[:-3] for uid, attempt in attempts.items() if attempt.operator_since is not None}
        waiting |= {uid[:-3] for uid in self._odd()}
        for row in self.house.rows(
            "SELECT i.subscription_id, i.ordinal, i.purpose FROM invoice i"
            " JOIN subscription s ON s.id = i.subscription_id"
            # A change that waits for an attempt holds up what follows, too.
            f" WHERE i.state = 'open' AND s.state IN ({_BILLABLE}) AND s.requested_change IS NULL"
        ):
            uid = self.house.uid(row.subscription_id, row.ordinal, purpose=Purpose(row.purpose))
            assert uid[:-3] in waiting

    @contextmanager
    def _everybody_meets(self, fate: Fate) -> Iterator[None]:
        self.house.gateway.default = fate
        try:
            yield
        finally:
            self.house.gateway.default = Fate.APPROVE


@pytest.mark.parametrize("is_strict", [True, False], ids=["strict", "careless"])
def test_any_life_charges_every_period_once(database_url: str, is_strict: bool) -> None:
    run_state_machine_as_test(
        lambda: Life(database_url, is_strict=is_strict),  # type: ignore[arg-type]  # any maker of machines will do
        settings=settings(max_examples=examples(3), stateful_step_count=25),
    )
