"""What do all routes of one running simulator share?"""

import asyncio
import sqlite3
import time
import uuid
from collections import Counter

from simulator.accounts import Account, AccountBook
from simulator.cards import card_on_sight
from simulator.faults import Fault, FaultPlan, Place, is_never_issued
from simulator.gates import Gate, pause
from simulator.hooks import HookDesk
from simulator.ledger import Ledger
from simulator.options import Options
from simulator.tokens import TokenDesk
from simulator.wire import LENGTHS, annotate_payment


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
        self.accounts = AccountBook(
            options.accounts, imp_key=options.imp_key, imp_secret=options.imp_secret, is_sandbox=options.is_sandbox
        )
        self.closing = asyncio.Event()
        self.gates = {place: Gate(self.closing) for place in (Place.CHARGE, Place.CANCEL)}
        self.latency_ms = {Place.CHARGE: options.latency_ms, Place.CANCEL: 0}
        self.hooks = HookDesk(options.hooks, self.ledger, self.closing)
        self.used_merchant_uid = options.used_merchant_uid
        self.schedule_shape = options.schedule_shape
        self.is_hiding_sandbox = options.is_hiding_sandbox
        #: (account, merchant_uid) of every charge whose money is about to move.
        self.under_way: set[tuple[str, str]] = set()

    @staticmethod
    def now() -> float:
        """Return the unix time: the gateway lives in real time."""
        return time.time()

    async def pause(self, seconds: float) -> None:
        """Wait, but not beyond the simulator's end."""
        await pause(self.closing, seconds)

    def account_of(self, access_token: str, *, now: float) -> Account | None:
        """Return whose token this is; None for one that is not good."""
        key = self.tokens.key_of(access_token, now=now)
        return None if key is None else self.accounts.of_key(key)

    def customer(self, account: Account, customer_uid: str, *, now: float) -> sqlite3.Row | None:
        """Find a card that can be charged; with issuing on sight any card not deleted is one."""
        if is_never_issued(customer_uid) or len(customer_uid) > LENGTHS["customer_uid"]:
            return None
        row = self.ledger.customer(account.name, customer_uid)
        if row is None and self.options.is_issuing_on_sight:
            self.issue_on_sight(account, customer_uid, now=now)
            row = self.ledger.customer(account.name, customer_uid)
        return row if row is not None and row["deleted_at"] is None else None

    def issue_on_sight(self, account: Account, customer_uid: str, *, now: float) -> None:
        """Issue a card that nobody asked for."""
        card = card_on_sight(customer_uid)
        self.ledger.issue_customer(account.name, customer_uid, mid=account.mids[0], card=card, now=now, details={})

    def settle(self) -> None:
        """Bring the ledger up to date, and tell of what turned paid by itself."""
        self.ledger.settle(self.now())
        if self.ledger.turned:
            self.hooks.tell_of_turned(self.ledger.turned)

    def annotated_all(self, rows: list[sqlite3.Row]) -> list[dict[str, object]]:
        """Return PaymentAnnotations."""
        return [self.annotated(row) for row in rows]

    def annotated(self, row: sqlite3.Row) -> dict[str, object]:
        """Return one PaymentAnnotation."""
        cancellations = self.ledger.cancellations(row["imp_uid"]) if row["cancel_amount"] else []
        return annotate_payment(row, cancellations)

    def reset(self) -> None:
        """Forget all that happened and all that was ordered; tokens stay good."""
        self.ledger.clear()
        self.faults.clear()
        self.counters.clear()
        self.hooks.reset()
        self.latency_ms = {Place.CHARGE: self.options.latency_ms, Place.CANCEL: 0}
        self.used_merchant_uid = self.options.used_merchant_uid
        self.schedule_shape = self.options.schedule_shape
        self.is_hiding_sandbox = self.options.is_hiding_sandbox
        for gate in self.gates.values():
            gate.is_closed = False
