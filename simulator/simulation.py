"""What do all routes of one running simulator share?"""

import asyncio
import sqlite3
import time
import uuid
from collections import Counter

from simulator.faults import Fault, FaultPlan, is_never_issued
from simulator.ledger import Ledger
from simulator.options import Options
from simulator.tokens import TokenDesk
from simulator.wire import annotate_payment


class Counters:
    """What was asked, and what went wrong on purpose, since the start or the last reset."""

    def __init__(self) -> None:
        self.faults: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()
        self.in_flight: Counter[str] = Counter()
        self.most_in_flight = 0

    def arrive(self, endpoint: str) -> None:
        """Count a call that begins."""
        self.calls[endpoint] += 1
        self.in_flight[endpoint] += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight.total())

    def leave(self, endpoint: str) -> None:
        """Count a call that ended."""
        self.in_flight[endpoint] -= 1

    def fire(self, fault: Fault) -> None:
        """Count a fault that happens now."""
        self.faults[fault.kind] += 1

    def clear(self) -> None:
        """Start counting again; calls that are under way stay so."""
        self.faults.clear()
        self.calls.clear()
        self.answers.clear()
        self.most_in_flight = self.in_flight.total()

    def to_json(self) -> dict[str, object]:
        """Return all counts."""
        return {
            "faults": dict(self.faults),
            "calls": dict(self.calls),
            "answers": dict(self.answers),
            "in_flight": {endpoint: count for endpoint, count in self.in_flight.items() if count},
            "in_flight_total": self.in_flight.total(),
            "most_in_flight": self.most_in_flight,
        }


class Simulation:
    """The rules in force, the ledger, and what is under way."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.run_id = uuid.uuid4().hex
        self.started_at = self.now()
        self.ledger = Ledger(options.ledger)
        self.tokens = TokenDesk(options.tokens, self.ledger)
        self.faults = FaultPlan()
        self.counters = Counters()
        self.latency_ms = options.latency_ms
        self.used_merchant_uid = options.used_merchant_uid
        self.under_way: set[str] = set()
        self.held_count = 0
        self.closing = asyncio.Event()
        self._unheld = asyncio.Event()
        self._unheld.set()

    @staticmethod
    def now() -> float:
        """Return the unix time: the gateway lives in real time."""
        return time.time()

    @property
    def is_holding(self) -> bool:
        """Whether charges that arrive now wait."""
        return not self._unheld.is_set()

    def hold(self, *, is_on: bool) -> None:
        """Let charges that arrive from now on wait before their token is looked at, or let all waiting go on."""
        if is_on:
            self._unheld.clear()
        else:
            self._unheld.set()

    async def pass_hold(self) -> bool:
        """Wait while charges are held; return False if the simulator ends before."""
        self.held_count += 1
        try:
            while self.is_holding and not self.closing.is_set():
                await self.pause(0.02)
        finally:
            self.held_count -= 1
        return not self.is_holding

    async def pause(self, seconds: float) -> None:
        """Wait, but not beyond the simulator's end."""
        if seconds <= 0:
            return
        try:
            async with asyncio.timeout(seconds):
                await self.closing.wait()
        except TimeoutError:
            return

    def customer(self, customer_uid: str, *, now: float) -> sqlite3.Row | None:
        """Find a card that can be charged; with issuing on sight any card not deleted is one."""
        if is_never_issued(customer_uid):
            return None
        row = self.ledger.customer(customer_uid)
        if row is None and self.options.is_issuing_on_sight:
            self.ledger.issue_customer(customer_uid, now=now, details={})
            row = self.ledger.customer(customer_uid)
        return row if row is not None and row["deleted_at"] is None else None

    def annotated_all(self, rows: list[sqlite3.Row]) -> list[dict[str, object]]:
        """Return PaymentAnnotations."""
        return [self.annotated(row) for row in rows]

    def annotated(self, row: sqlite3.Row) -> dict[str, object]:
        """Return one PaymentAnnotation."""
        cancellations = self.ledger.cancellations(row["imp_uid"]) if row["cancel_amount"] else []
        return annotate_payment(row, cancellations, is_sandbox=self.options.is_sandbox)

    def reset(self) -> None:
        """Forget all that happened and all that was ordered; tokens stay good."""
        self.ledger.clear()
        self.faults.clear()
        self.counters.clear()
        self.latency_ms = self.options.latency_ms
        self.used_merchant_uid = self.options.used_merchant_uid
        self.hold(is_on=False)
