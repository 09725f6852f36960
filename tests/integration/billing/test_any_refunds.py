"""Whatever is asked, lost, held, cancelled by others and halted, in whatever order: each refund happens once at most.

A machine of rules over a whole house, with real PostgreSQL. After every step no more is kept and cancelled than was
paid; at the end all faults are over, and the gateway's ledger and ours say the same.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from billing.book_cancellations import book_cancellations
from billing.change_subscription import By
from billing.check_invariants import check_invariants
from billing.halt_channel import halt, resume
from billing.refund import Wanted, approve_refund, propose_refund, reject_refund, request_refund
from domain.errors import BadInput, Conflict
from domain.refund import OPEN_REFUND
from models.base import listed
from tests.fakes.cancels import CancelFate
from tests.support.fated_database import empty_again
from tests.support.house import House
from tests.support.profiles import examples
from tests.support.refunds import BY, pay, settle_refunds, unlike

if TYPE_CHECKING:
    from uuid import UUID

PAID = 1_000
LOST = (CancelFate.LOSE_ANSWER, CancelFate.LOSE_REQUEST, CancelFate.HOLD, CancelFate.FORGET_REASON)
FATES = st.sampled_from([*CancelFate, *LOST])
AMOUNTS = st.sampled_from([1, 200, 300, 499, 500, 900])
#: Around the resend's pause, the lease, the looks, the token's life, and the settling time.
SECONDS = st.sampled_from([1, 11, 100, 160, 400, 1_700, 2_800, 7_300])
OPS = By(actor="ops", reason="a test")


class Refunds(RuleBasedStateMachine):
    def __init__(self, database_url: str) -> None:
        super().__init__()
        empty_again(database_url)
        self.house = House(database_url)
        self.payments: dict[str, UUID] = {}

    @initialize(is_silent=st.booleans())
    def sell(self, is_silent: bool) -> None:
        self.payments = pay(self.house, 2, amount=PAID)
        self.house.gateway.cancels.is_silent = is_silent

    @rule(which=st.integers(0, 1), amount=AMOUNTS, fate=FATES, is_proposed=st.booleans(), is_sent=st.booleans())
    def ask(self, which: int, amount: int, fate: CancelFate, is_proposed: bool, is_sent: bool) -> None:
        imp_uid, payment_id = [*self.payments.items()][which]
        self.house.gateway.cancels.script(imp_uid, fate)
        asks = propose_refund if is_proposed else request_refund
        with suppress(BadInput, Conflict):
            asks(self.house.database, payment_id, Wanted(amount=amount), by=BY)
        if is_sent:
            self.house.refund()

    @rule()
    def ask_for_all_that_is_left(self) -> None:
        payment_id = next(iter(self.payments.values()))
        left = PAID - self._kept(payment_id)
        try:
            request_refund(self.house.database, payment_id, Wanted(amount=left, is_full=True), by=BY)
        except Conflict:
            assert left == 0

    @rule(is_yes=st.booleans())
    def say(self, is_yes: bool) -> None:
        for row in self.house.rows("SELECT id FROM refund WHERE state = 'proposed' OR operator_since IS NOT NULL"):
            try:
                (approve_refund if is_yes else reject_refund)(self.house.database, row.id, by=BY)
            except Conflict:
                continue

    @rule(amount=st.sampled_from([7, 77]))
    def somebody_cancels_elsewhere(self, amount: int) -> None:
        imp_uid = next(iter(self.payments))
        if self.house.gateway.cancels.given_back(imp_uid) + amount <= PAID:
            self.house.gateway.cancels.elsewhere(imp_uid, amount)

    @rule(seconds=SECONDS, runs=st.integers(0, 2))
    def time_goes_on(self, seconds: int, runs: int) -> None:
        self.house.advance(seconds=seconds)
        for _ in range(runs):
            self.house.refund()

    @rule(looks=st.integers(1, 3))
    def old_pictures_are_shown(self, looks: int) -> None:
        self.house.gateway.cancels.stale_looks = looks

    @rule()
    def what_was_held_is_carried_out(self) -> None:
        self.house.gateway.cancels.release()

    @rule()
    def the_gateways_list_is_compared(self) -> None:
        book_cancellations(self.house.ports, [*map(self.house.gateway.cancels.look, self.house.gateway.records)])

    @rule(is_halted=st.booleans())
    def somebody_halts_or_resumes(self, is_halted: bool) -> None:
        (halt if is_halted else resume)(self.house.database, self.house.ports.channel.name, by=OPS)

    @invariant()
    def no_more_is_kept_than_was_paid(self) -> None:
        for payment_id in self.payments.values():
            assert self._kept(payment_id) <= PAID
        marks = [
            cancel.reason[:18]
            for record in self.house.gateway.records
            for cancel in record.cancellations
            if cancel.reason.startswith("jr")
        ]
        assert len(marks) == len(set(marks)), "a refund was carried out twice"

    def _kept(self, payment_id: UUID) -> int:
        kept: int = self.house.value(
            "SELECT p.cancelled_amount + coalesce((SELECT sum(r.amount) FROM refund r WHERE r.payment_id = p.id"
            f" AND r.state IN ({listed(OPEN_REFUND)}) AND r.overtaken_at IS NULL), 0) FROM payment p WHERE p.id = :id",
            id=payment_id,
        )
        return kept

    def teardown(self) -> None:  # type: ignore[explicit-override]  # typing has no @override in 3.11
        try:
            if self.payments:
                self._end_well()
        finally:
            self.house.close()

    def _end_well(self) -> None:
        """The gateway answers again, the channel runs, and the lists are compared: what is left is a person's alone."""
        book = self.house.gateway.cancels
        book.default, book.stale_looks = CancelFate.DONE, 0
        for imp_uid in self.payments:
            book.forget_fates(imp_uid)
        resume(self.house.database, self.house.ports.channel.name, by=OPS)
        settle_refunds(self.house, hours=8)
        book_cancellations(self.house.ports, [*map(book.look, self.house.gateway.records)])
        settle_refunds(self.house, hours=2)
        assert book.release() == 0, "what was held so long is refused for its token, or for its checksum"
        assert unlike(self.house) == []
        broken = check_invariants(self.house.ports, progress=lambda _: None, leeway=timedelta(days=1))
        assert broken == []
        for row in self.house.rows("SELECT state, operator_since, mark FROM refund"):
            is_there = any(
                row.mark in cancel.reason for record in self.house.gateway.records for cancel in record.cancellations
            )
            # Where only the sum is told, ours and another's in between cannot be told apart: it is booked as another's.
            assert not is_there or book.is_silent or row.state == "succeeded" or row.operator_since is not None, row


def test_no_order_of_refunds_and_troubles_gives_money_back_twice_or_loses_a_refund(database_url: str) -> None:
    run_state_machine_as_test(
        lambda: Refunds(database_url),  # type: ignore[arg-type]  # any maker of machines will do
        settings=settings(max_examples=examples(12), stateful_step_count=16),
    )
