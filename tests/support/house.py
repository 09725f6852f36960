"""A whole installation in one process: real PostgreSQL, the gateway in memory, and a clock that a test moves.

Both times, billing and real, come from one row of the test's database, so that every query sees the same instant.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import text

from billing.calendars import anchor_columns, calendar_for
from billing.charge_due import ChargeRun, charge_due
from billing.ports import Brakes, Channel, Limits, Ports
from billing.refund_due import refund_due
from billing.resolve_unknown import resolve_unknown
from domain.billing_period import CatchUp
from domain.breaker import BreakerTerms
from domain.envelope import EnvelopeTerms, Volume
from domain.evidence import Patience
from domain.identity import merchant_uid, subscription_id
from domain.invoice import Purpose
from domain.subscription import SubscriptionState
from models.ids import new_id
from models.queries import installation
from models.queries.bulk import insert_rows
from models.queries.periods import PLAN_CALENDAR
from models.session import Database
from models.subscription import Customer, Plan, PlanPrice, Subscription
from scheduler.tick import tick
from tests.fakes.gateway import FakeGateway

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scheduler.pace import Bell

NAMESPACE = "house"
START = datetime(2026, 1, 31, 1, 0, tzinfo=UTC)  # ten in the morning in Seoul

_TEST_TIME = """
CREATE TABLE test_time (billing_at timestamptz NOT NULL, real_at timestamptz NOT NULL);
CREATE OR REPLACE FUNCTION billing_now(OUT billing_at timestamptz, OUT real_at timestamptz, OUT rate integer)
LANGUAGE sql VOLATILE AS $$ SELECT billing_at, real_at, 1 FROM test_time $$;
ALTER TABLE billing_clock DISABLE TRIGGER ALL;
"""

#: Nothing stops by itself, unless a test asks for it: most tests are about what happens in trouble.
NO_BRAKES = Brakes(
    breaker=BreakerTerms(trouble_run=10**6, merchant_run=10**6),
    envelope=EnvelopeTerms(floor=Volume(charges=10**6, won=10**12)),
)

LIMITS = Limits(
    rate=100_000,
    concurrency=50,
    claim_size=50,
    group_size=200,
    group_seconds=0,
    send_window_seconds=10,
    token_guard_seconds=15,
    lease_seconds=150,
    run_seconds=30,
    resend_pause_seconds=10,
    clearance_seconds=150,
    operator_deadline=timedelta(hours=2),
    patience=Patience(settling=timedelta(seconds=2700), longest_processing=timedelta(seconds=600)),
    max_behind=120,
    brakes=NO_BRAKES,
)


class House:
    """Build, move the clock, ring the bells by hand, look."""

    def __init__(self, url: str, *, is_strict: bool = True, database: Database | None = None) -> None:
        self.url = url
        self.database = database or Database(url, pool_size=5)
        self.real = START
        self.now = START
        self.gateway = FakeGateway(is_strict=is_strict, now=lambda: self.real, boottime=self.boottime)
        self.ports = Ports(
            channel=Channel(name="default", is_test=True),
            database=self.database,
            gateway=self.gateway,
            limits=LIMITS,
            namespace=NAMESPACE,
            boottime=self.boottime,
        )
        self.bells: Counter[str] = Counter()
        self._refs = itertools.count(1)
        with self.database._engine.begin() as connection:
            for statement in _TEST_TIME.strip().split(";\n"):
                connection.execute(text(statement.rstrip(";")))
            connection.execute(text("INSERT INTO test_time VALUES (:now, :now)"), {"now": START})
        with self.database.transaction() as tx:
            installation.own_namespace(tx, NAMESPACE)

    def close(self) -> None:
        self.database.close()

    # Time.

    def boottime(self) -> float:
        return (self.real - START).total_seconds() + 1_000

    def advance(self, **delta: float) -> None:
        """Both clocks go on alike."""
        self.to(self.now + timedelta(**delta))

    def to(self, instant: datetime) -> None:
        step = instant - self.now
        self.now += step
        self.real += step
        self._write_time()

    def _write_time(self) -> None:
        with self.database._engine.begin() as connection:
            connection.execute(
                text("UPDATE test_time SET billing_at = :now, real_at = :real"), {"now": self.now, "real": self.real}
            )

    # What is sold.

    def plan(
        self,
        code: str = "basic",
        *,
        amount: int = 9_900,
        every: str | None = "1 month",
        cron: str | None = None,
        catch_up: CatchUp = CatchUp.LATEST,
        **dates: Any,  # noqa: ANN401 - columns about when it is charged
    ) -> UUID:
        with self.database.transaction() as tx:
            known = tx.connection.execute(text("SELECT id FROM plan WHERE code = :code"), {"code": code}).scalar()
            if known is not None:
                return UUID(str(known))
            plan_id = new_id(tx.real)
            every = None if cron else every
            row = {"id": plan_id, "code": code, "name": f"plan {code}", "every": every, "cron": cron}
            insert_rows(tx, Plan, [{**row, "catch_up": catch_up, **dates}])
            price = {"id": new_id(tx.real), "plan_id": plan_id, "amount": amount, "effective_from": tx.now}
            insert_rows(tx, PlanPrice, [price])
        return plan_id

    def subscription(
        self,
        *,
        plan: str = "basic",
        started_on: date | None = None,
        customer_ref: str | None = None,
        ordinal: int = -1,
        catch_up_below: int = 0,
        zone: str = "Asia/Seoul",
    ) -> UUID:
        """An active subscription whose next period is ``ordinal + 1``, with a card and a customer of its own."""
        plan_id = self.plan(plan)
        ref = customer_ref or f"c{next(self._refs):05d}"
        started_on = started_on or START.date()
        sub_id = subscription_id(namespace=NAMESPACE, customer_ref=ref, plan_code=plan, started_on=started_on)
        with self.database.transaction() as tx:
            terms = tx.connection.execute(
                text(
                    f"SELECT {PLAN_CALENDAR}, p.periods, p.minimum_periods, pp.id AS price_id"
                    " FROM plan p JOIN plan_price pp ON pp.plan_id = p.id"
                    " WHERE p.id = :id"
                ),
                {"id": plan_id},
            ).one()
            calendar = calendar_for(
                terms, subscription_id=sub_id, begins_on=started_on, zone_name=zone, periods=terms.periods
            )
            customer_id = self._customer(ref)
            key_id = new_id(tx.real)
            uid = f"card-{ref}-{plan}-{started_on}"
            key = {"id": key_id, "customer_id": customer_id, "customer_uid": uid, "created_at": tx.real}
            tx.connection.execute(
                text(
                    "INSERT INTO billing_key (id, customer_id, customer_uid, created_at)"
                    " VALUES (:id, :customer_id, :customer_uid, :created_at)"
                ),
                key,
            )
            row = {
                "id": sub_id,
                "customer_id": customer_id,
                "plan_id": plan_id,
                "plan_price_id": terms.price_id,
                "billing_key_id": key_id,
                "timezone": zone,
                "started_on": started_on,
                "state": SubscriptionState.ACTIVE,
                "ordinal": ordinal,
                "next_billing_at": calendar.due_at(ordinal + 1),
                "catch_up_below": catch_up_below,
                "periods": terms.periods,
                "term_ends_at": calendar.ends_at,
                "minimum_periods": terms.minimum_periods,
                **anchor_columns(calendar),
            }
            insert_rows(tx, Subscription, [row])
        return sub_id

    def _customer(self, ref: str) -> UUID:
        with self.database.transaction() as tx:
            known = tx.connection.execute(
                text("SELECT id FROM customer WHERE customer_ref = :ref"), {"ref": ref}
            ).scalar()
            if known is not None:
                return UUID(str(known))
            row = {"id": new_id(tx.real), "customer_ref": ref, "name": "김하나", "email": "a@shop.example"}
            insert_rows(tx, Customer, [{**row, "tel": "010-0000-0000"}])
            return UUID(str(row["id"]))

    def card_of(self, sub_id: UUID) -> str:
        return str(
            self.value(
                "SELECT customer_uid FROM billing_key k JOIN subscription s ON s.billing_key_id = k.id"
                " WHERE s.id = :id",
                id=sub_id,
            )
        )

    def beside(self, name: str) -> tuple[Ports, FakeGateway]:
        """Another channel, with a gateway of its own; the bells of this house are not rung for it."""
        gateway = self.another_account()
        with self.database.transaction() as tx:
            installation.know_channels(tx, [name])
        return replace(self.ports, channel=Channel(name=name, is_test=True), gateway=gateway), gateway

    def point_at(self, gateway: FakeGateway) -> FakeGateway:
        """Other credentials, and so another account; gives the one that it was."""
        was, self.gateway = self.gateway, gateway
        self.ports = replace(self.ports, gateway=gateway)
        return was

    def another_account(self) -> FakeGateway:
        """An account that has nothing of ours, and would charge every card of that name."""
        return FakeGateway(
            is_strict=self.gateway.is_strict, now=lambda: self.real, boottime=self.boottime, first_number=10**6
        )

    # The bells, by hand.

    def tick(self) -> Counter[str]:
        def ring(bell: Bell, channel: str) -> None:
            assert channel == self.ports.channel.name
            self.bells[bell] += 1

        return tick([self.ports], ring, open_for_seconds=60)

    def charge(self) -> ChargeRun:
        return charge_due(self.ports)

    def resolve(self) -> Counter[str]:
        return resolve_unknown(self.ports)

    def refund(self) -> Counter[str]:
        return refund_due(self.ports)

    def limit(self, **changes: object) -> None:
        """Change limits of this house."""
        self.ports = replace(self.ports, limits=replace(self.ports.limits, **changes))  # type: ignore[arg-type]

    def settle(self, *, hours: float = 3, step_seconds: float = 30) -> None:
        """Let time go on with every bell ringing, long enough for any unknown to be settled."""
        end = self.now + timedelta(hours=hours)
        while self.now < end:
            self.tick()
            self.charge()
            self.resolve()
            self.advance(seconds=step_seconds)
            if not self.value("SELECT count(*) FROM charge_attempt WHERE state IN ('in_flight', 'unknown')") and (
                not self.value("SELECT count(*) FROM invoice WHERE next_attempt_at <= :end", end=self.now)
            ):
                break

    # What came of it.

    def rows(self, query: str, **parameters: object) -> Sequence[Any]:
        with self.database.reading() as tx:
            return tx.connection.execute(text(query), parameters).all()

    def value(self, query: str, **parameters: object) -> Any:  # noqa: ANN401 - whatever was selected
        with self.database.reading() as tx:
            return tx.connection.execute(text(query), parameters).scalar()

    def states(self, table: str) -> dict[str, int]:
        return {row.state: row.n for row in self.rows(f"SELECT state, count(*) AS n FROM {table} GROUP BY state")}

    def uid(self, sub_id: UUID, ordinal: int, attempt_no: int = 1, *, purpose: Purpose = Purpose.PERIOD) -> str:
        return merchant_uid(
            namespace=NAMESPACE,
            subscription_id=sub_id,
            purpose=purpose,
            ordinal=ordinal,
            attempt_no=attempt_no,
        )

    def paid_at_gateway(self) -> Counter[str]:
        """Uncancelled payments at the gateway by (subscription, purpose, ordinal), as their merchant_uid tells it."""
        return Counter(record.merchant_uid[:-3] for record in self.gateway.records if record.status == "paid")
