"""Whatever brakes, in whatever order, whoever dies under them: nothing is lost, nothing is charged twice.

A whole house, with real PostgreSQL, at a gateway that would charge a used number again. While a brake holds, no call
leaves; at the end all brakes are let go, and the ledger shows every period that was due once.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from billing.allow_more import allow_more
from billing.change_subscription import By
from billing.charge_now import charge_now
from billing.claim_due import claim_due
from billing.halt_channel import halt, resume
from billing.token_in_hand import token_in_hand
from billing.windows import add_window, remove_window
from domain.breaker import BreakerState, BreakerTerms
from domain.envelope import EnvelopeTerms, Volume, limit_of
from domain.errors import BadInput
from domain.halt import HaltCause
from domain.instants import zone
from domain.window import Window, closed_at
from models.queries import brake, envelope
from tests.fakes.gateway import Fate
from tests.support.fated_database import empty_again
from tests.support.house import NO_BRAKES, House
from tests.support.profiles import examples

if TYPE_CHECKING:
    from uuid import UUID

BY = By(actor="ops", reason="a test")
SEOUL = zone("Asia/Seoul")
PLAN = "three_days"
MOST_SOLD = 30
ENVELOPE = EnvelopeTerms(factor=1.0, floor=Volume(charges=3, won=10**9))
FATES = st.sampled_from(
    [
        *(Fate.APPROVE, Fate.APPROVE, Fate.APPROVE, Fate.NOT_SENT, Fate.NOT_SENT, Fate.LOSE_ANSWER, Fate.LOSE_REQUEST),
        *(Fate.SERVER_ERROR_BEFORE, Fate.SERVER_ERROR_AFTER, Fate.SLOW_DOWN, Fate.UNAUTHORIZED),
    ]
)
#: Around the breaker's pauses, the resend's, the lease, the settling time, a window, and a day.
SECONDS = st.sampled_from([1, 11, 31, 61, 101, 160, 400, 2_800, 7_300, 90_000])
COUNTS = st.integers(0, 4)
ROUNDS = 300


def step(name: str, **given_by: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    """One thing that happens: a method of ``Life``, and what it is given."""
    return st.tuples(st.just(name), st.fixed_dictionaries(given_by))


STEPS = st.one_of(
    step("charge", count=COUNTS, fate=FATES, seconds=SECONDS),
    step("charge", count=COUNTS, fate=FATES, seconds=SECONDS),
    step("go_on", fate=FATES, seconds=SECONDS),
    step("resolve", seconds=SECONDS),
    step("die_after_a_claim", leaves=st.booleans()),
    step("halt"),
    step(
        "add_a_window", before=st.integers(min_value=0, max_value=90), minutes=st.integers(min_value=1, max_value=300)
    ),
    step("remove_a_window"),
)


class Life:
    def __init__(self, database_url: str) -> None:
        empty_again(database_url)
        self.house = House(database_url, is_strict=False)
        breaker = BreakerTerms(trouble_run=2, merchant_run=10**6, longest_pause=timedelta(seconds=100))
        brakes = replace(NO_BRAKES, breaker=breaker, envelope=ENVELOPE)
        self.house.limit(brakes=brakes, claim_size=4, concurrency=4, rate=50)
        self.sold = 0
        self.windows: list[UUID] = []
        self.house.plan(PLAN, every="3 days")
        self.sell(2)

    def sell(self, count: int) -> None:
        """What becomes due by a mistake: no forecast knows of it."""
        count = min(count, MOST_SOLD - self.sold)
        for _ in range(count):
            self.house.subscription(plan=PLAN, started_on=self.house.now.astimezone(SEOUL).date())
        self.sold += count
        self.house.tick()

    # Workers.

    def charge(self, *, count: int, fate: Fate, seconds: int) -> None:
        self.house.advance(seconds=seconds)
        self.sell(count)
        most = self.most_that_may_leave(fate)
        before = len(self.house.gateway.asked)
        self.house.gateway.default = fate
        self.house.charge()
        self.house.gateway.default = Fate.APPROVE
        assert len(self.house.gateway.asked) - before <= most

    def resolve(self, *, seconds: int) -> None:
        self.house.advance(seconds=seconds)
        self.house.resolve()

    def die_after_a_claim(self, *, leaves: bool) -> None:
        self.sell(1)
        most = self.most_that_may_leave(None)
        token = token_in_hand(self.house.ports)
        batch = claim_due(self.house.ports, token, at_most=3)
        claimed = [] if batch is None else batch.charges
        assert len(claimed) <= most
        for charge in claimed if leaves else []:
            self.house.gateway.carry_out(charge, token)

    # Brakes, and who lets them go.

    def halt(self) -> None:
        halt(self.house.database, "default", by=BY)

    def resume(self) -> None:
        resume(self.house.database, "default", by=BY)

    def go_on(self, *, fate: Fate, seconds: int) -> None:
        """What may be let go is; what is full asks."""
        self.allow_more()
        self.resume()
        self.charge(count=2, fate=fate, seconds=seconds)

    def add_a_window(self, *, before: int, minutes: int) -> None:
        begins = self.house.now.astimezone(SEOUL) - timedelta(minutes=before)
        ends = begins + timedelta(minutes=minutes)
        window = Window(begins=_minute(begins), ends=_minute(ends), zone_name=SEOUL.key)
        self.windows.append(add_window(self.house.database, window, channel=None, by=BY))

    def remove_a_window(self) -> None:
        if self.windows:
            remove_window(self.house.database, self.windows.pop(), by=BY)

    def allow_more(self) -> None:
        with suppress(BadInput):  # nothing waits for it
            allow_more(self.house.database, "default", brakes=self.house.ports.limits.brakes, more=None, by=BY)

    def most_that_may_leave(self, fate: Fate | None) -> int:
        """How many charges no brake holds back now; ``fate`` None: nothing is heard of them."""
        with self.house.database.reading() as tx:
            row = brake.read_channel(tx, "default")
            breaker = brake.breaker_of(row)
            if row.halted_at is not None or closed_at(brake.windows_of(tx, "default"), tx.now).is_all:
                return 0
            if breaker.state is BreakerState.CLOSED:
                return MOST_SOLD * 10
            is_over = breaker.until is None or tx.real >= breaker.until
        # A probe that is answered lets the others follow; what was refused for its token is none, and another follows.
        return MOST_SOLD * 10 if is_over and fate in {Fate.APPROVE, Fate.UNAUTHORIZED} else int(is_over)

    # What is always so.

    def check(self) -> None:
        assert all(count == 1 for count in self.house.paid_at_gateway().values())
        assert not self.house.rows("SELECT set_aside_reason FROM invoice WHERE set_aside_reason IS NOT NULL")
        for row in self.house.rows("SELECT * FROM charge_envelope"):
            day = envelope.envelope_of(row)
            assert day.claimed.charges <= limit_of(day, ENVELOPE).charges

    # And at the end.

    def let_go(self) -> None:
        while self.windows:
            self.remove_a_window()
        for _ in range(ROUNDS):
            row = self.house.rows("SELECT halted_at, halt_cause FROM channel_state WHERE name = 'default'")[0]
            if row.halted_at is not None and row.halt_cause == HaltCause.ENVELOPE:
                self.allow_more()
            elif row.halted_at is not None:
                self.resume()
            self.house.tick()
            self.house.charge()
            self.house.resolve()
            self._operators_decide()
            at: datetime | None = self.house.value(
                "SELECT least("
                " (SELECT min(next_look_up_at) FROM charge_attempt WHERE state IN ('in_flight', 'unknown')),"
                " (SELECT min(next_attempt_at) FROM invoice))"
            )
            if at is None:
                return
            self.house.to(max(at, self.house.now + timedelta(seconds=31)))
        raise AssertionError(f"after {ROUNDS} rounds something is still due or undecided")

    def _operators_decide(self) -> None:
        """What was absent too often is sent again by a person only."""
        for row in self.house.rows(
            "SELECT invoice_id FROM charge_attempt WHERE state = 'not_executed' AND operator_since IS NOT NULL"
        ):
            charge_now(self.house.ports, row.invoice_id, by=BY)

    def check_every_period_was_charged_once(self) -> None:
        periods = Counter(
            {
                self.house.uid(row.id, ordinal)[:-3]: 1
                for row in self.house.rows("SELECT id, ordinal FROM subscription")
                for ordinal in range(row.ordinal + 1)
            }
        )
        assert len(periods) >= self.sold
        assert self.house.paid_at_gateway() == periods
        assert self.house.states("invoice") == {"paid": len(periods)}


def _minute(instant: datetime) -> time:
    return instant.time().replace(second=0, microsecond=0)


def test_no_sequence_of_brakes_loses_or_doubles_a_charge(database_url: str) -> None:
    @settings(max_examples=examples(14))
    @given(steps=st.lists(STEPS, min_size=10, max_size=20))
    def live(steps: list[tuple[str, dict[str, Any]]]) -> None:
        life = Life(database_url)
        try:
            for name, given_by in steps:
                getattr(life, name)(**given_by)
                life.check()
            life.let_go()
            life.check_every_period_was_charged_once()
        finally:
            life.house.close()

    live()
