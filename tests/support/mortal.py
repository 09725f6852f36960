"""A process that can die: its database and its gateway count every boundary, and at one of them it is gone.

What it had committed and sent stays; everything else of it is lost. A dead process does nothing more.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from billing.charge_due import charge_due
from billing.refund_due import refund_due
from billing.resolve_unknown import resolve_unknown
from models.session import Database
from scheduler.pace import Bell
from scheduler.tick import tick
from tests.support.refunds import NEXT_REFUND

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from billing.ports import Ports
    from domain.decline_rules import DeclineRules
    from domain.evidence import Record
    from gateway.port import AccessToken, Answer, Batch, CancelAnswer, CancelOrder, Finding, KnownToken, Schedule
    from models.session import Transaction
    from tests.fakes.gateway import FakeFanOut, FakeGateway
    from tests.support.house import House


#: Rounds of ticks and bells after which something that is still due is taken to be forgotten.
ROUNDS: Final = 200
#: The clock jumps no less than this: what waits for a token, or for a rate, is due all the while.
TICK: Final = timedelta(seconds=5)


class Died(BaseException):
    """SIGKILL, as near as one process can come to it: nothing that catches ``Exception`` sees it."""


class Life:
    """Counts boundaries; at the n-th the process dies, and every later one finds it dead."""

    def __init__(self, *, dies_at: int | None = None) -> None:
        self.boundaries: list[str] = []
        self._dies_at = dies_at
        self._is_dead = False
        self._lock = threading.Lock()  # look-ups come from several threads

    def boundary(self, name: str) -> None:
        with self._lock:
            self.boundaries.append(name)
            self._is_dead = self._is_dead or len(self.boundaries) == self._dies_at
            if self._is_dead:
                raise Died(name)


class MortalDatabase(Database):
    """Dies before or after the commit of a transaction; of those that wrote nothing the names say so."""

    def __init__(self, url: str, life: Life) -> None:
        super().__init__(url, pool_size=2)
        self._life = life

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:  # type: ignore[explicit-override]  # typing has no @override in 3.11
        with super().transaction() as tx:
            yield tx
            wrote = tx.connection.execute(text("SELECT pg_current_xact_id_if_assigned() IS NOT NULL")).scalar_one()
            self._life.boundary("before a commit")
        self._life.boundary("after a commit" if wrote else "after a commit of nothing")


@dataclass(slots=True)
class MortalGateway:
    """Dies around whatever is asked of the gateway behind it, whose ledger lives on."""

    real: FakeGateway
    life: Life

    def access_token(self, known: KnownToken | None) -> AccessToken:
        return self.real.access_token(known)

    def learn(self, rules: DeclineRules) -> None:
        self.real.learn(rules)

    def fan_out(self) -> MortalFanOut:
        return MortalFanOut(self.real.fan_out(), self.life)

    def find_all(self, *, merchant_uid: str, token: AccessToken) -> Finding:
        with self._around("findAll"):
            return self.real.find_all(merchant_uid=merchant_uid, token=token)

    def card_payments(self, *, customer_uid: str, merchant_uid: str, token: AccessToken) -> Finding:
        with self._around("a card's payments"):
            return self.real.card_payments(customer_uid=customer_uid, merchant_uid=merchant_uid, token=token)

    def day_list(
        self, *, merchant_uids: Sequence[str], begin: datetime, end: datetime, token: AccessToken
    ) -> Mapping[str, Finding]:
        with self._around("the day list"):
            return self.real.day_list(merchant_uids=merchant_uids, begin=begin, end=end, token=token)

    def all_payments(
        self, *, begin: datetime, end: datetime, token: AccessToken, seen: Callable[[int], None]
    ) -> Sequence[Record]:
        return self.real.all_payments(begin=begin, end=end, token=token, seen=seen)

    def payment(self, *, imp_uid: str, token: AccessToken) -> Record | None:
        with self._around("a payment"):
            return self.real.payment(imp_uid=imp_uid, token=token)

    def cancel(self, order: CancelOrder, *, token: AccessToken, send_before_boottime: float) -> CancelAnswer:
        with self._around("a cancel"):
            return self.real.cancel(order, token=token, send_before_boottime=send_before_boottime)

    def schedules(
        self, *, begin: datetime, end: datetime, token: AccessToken, seen: Callable[[int], None]
    ) -> Sequence[Schedule]:
        with self._around("the schedules"):
            return self.real.schedules(begin=begin, end=end, token=token, seen=seen)

    def card_schedules(
        self, *, customer_uid: str, begin: datetime, end: datetime, token: AccessToken
    ) -> Sequence[Schedule]:
        with self._around("a card's schedules"):
            return self.real.card_schedules(customer_uid=customer_uid, begin=begin, end=end, token=token)

    def schedule(self, *, merchant_uid: str, token: AccessToken) -> Schedule | None:
        with self._around("a schedule"):
            return self.real.schedule(merchant_uid=merchant_uid, token=token)

    def unschedule(self, *, customer_uid: str, merchant_uids: Sequence[str], token: AccessToken) -> Sequence[Schedule]:
        with self._around("an unschedule"):
            return self.real.unschedule(customer_uid=customer_uid, merchant_uids=merchant_uids, token=token)

    def close(self) -> None:
        self.real.close()

    @contextmanager
    def _around(self, name: str) -> Iterator[None]:
        self.life.boundary(f"before {name}")
        yield
        self.life.boundary(f"after {name}")


@dataclass(slots=True)
class MortalFanOut:
    """Dies before a batch is given away, between two charges of it, and with all answers in hand."""

    real: FakeFanOut
    life: Life

    @property
    def in_flight(self) -> int:
        return self.real.in_flight

    def allow(self, *, until_boottime: float, spacing_seconds: float = 0.0) -> None:
        self.real.allow(until_boottime=until_boottime, spacing_seconds=spacing_seconds)

    def send(self, batch: Batch) -> None:
        self.life.boundary("before a batch is sent")
        self.real.send(batch)
        self.life.boundary("after a batch is taken, before any of it is sent")

    def answered(self, *, group_seconds: float, group_size: int) -> Sequence[Answer]:
        answers: list[Answer] = []
        for _ in range(min(group_size, self.real.in_flight)):
            answers.extend(self.real.answered(group_seconds=group_seconds, group_size=1))
            self.life.boundary("after a charge, its answer not yet recorded")
        return answers

    def hand_back(self) -> None:
        self.real.hand_back()


def mortal(house: House, life: Life) -> Ports:
    """A process in this house whose life ends where ``life`` says."""
    return replace(
        house.ports, database=MortalDatabase(house.url, life), gateway=MortalGateway(real=house.gateway, life=life)
    )


def live_on(house: House, ports: Ports, *, until: datetime, life: Life | None = None) -> None:
    """Tick, answer every bell, and jump to the next instant at which something is due, until nothing is.

    Raises:
        Died: The process came to its end.
        AssertionError: Something stays due for ever.
    """
    due: datetime | None = None
    for _ in range(ROUNDS):
        for bell in _rung(ports, life):
            if bell is Bell.CHARGE:
                charge_due(ports)
            elif bell is Bell.RESOLVE:
                resolve_unknown(ports)
            elif bell is Bell.REFUND:
                refund_due(ports)
        due = next_instant(house)
        if due is None or due > until:
            return
        house.to(max(due, house.now + TICK))
    raise AssertionError(f"after {ROUNDS} rounds something is still due at {due}: it is never taken")


def next_instant(house: House) -> datetime | None:
    """When something falls due next; both clocks of a house are one."""
    due: datetime | None = house.value(
        "SELECT least("
        " (SELECT min(next_look_up_at) FROM charge_attempt WHERE state IN ('in_flight', 'unknown')),"
        f" ({NEXT_REFUND}),"
        " (SELECT min(i.next_attempt_at) FROM invoice i JOIN subscription s ON s.id = i.subscription_id"
        "   WHERE i.set_aside_reason IS NULL AND (i.is_delivered OR s.state IN ('active', 'past_due'))),"
        " (SELECT min(next_billing_at) FROM subscription WHERE state IN ('active', 'past_due')"
        "   AND set_aside_reason IS NULL"
        "   AND (stops_at IS NULL OR next_billing_at < stops_at OR ordinal + 1 < stops_before)"
        "   AND (changes_from IS NULL OR ordinal + 1 < changes_from)),"
        " (SELECT min(stops_at) FROM subscription WHERE set_aside_reason IS NULL AND requested_change IS NULL),"
        " (SELECT min(greatest(changes_at, next_billing_at)) FROM subscription WHERE set_aside_reason IS NULL"
        "   AND changes_at IS NOT NULL AND state IN ('active', 'past_due', 'trialing')),"
        " (SELECT min(resumes_at) FROM subscription WHERE set_aside_reason IS NULL AND state = 'paused'))"
    )
    return due


def settle_fast(house: House, *, days: float) -> None:
    """Let time go on by jumps until nothing is due within so many days."""
    live_on(house, house.ports, until=house.now + timedelta(days=days))


def empty(house: House) -> None:
    """Take everything that was sold and billed out of a house's database; plans stay."""
    tables = (
        "refund_evidence", "payment_cancellation", "refund", "evidence", "payment", "send", "charge_attempt",
        "usage", "invoice_line", "invoice", "skipped_period", "notice", "consent", "price_change", "hold",
        "subscription", "billing_key", "customer", "outbox_event", "audit_entry",
        "seen_token", "adopted_schedule", "adoption", "foreign_schedule", "foreign_payment", "gateway_comparison",
    )  # fmt: skip
    with house.database._engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))  # append-only, but for tests
        for table in tables:
            connection.execute(text(f"DELETE FROM {table}"))
        connection.execute(
            text("UPDATE channel_state SET halted_at = NULL, halt_reason = NULL, rate_used_until = '2020-01-01Z'")
        )


def _rung(ports: Ports, life: Life | None) -> list[Bell]:
    rung: list[Bell] = []

    def enqueue(bell: Bell, _: str) -> None:
        if life is not None:
            life.boundary(f"before the bell {bell}")
        rung.append(bell)

    tick([ports], enqueue, open_for_seconds=60)
    return rung
