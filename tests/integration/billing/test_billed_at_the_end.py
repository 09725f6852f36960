"""In arrears every delivered day is paid once, and so is all use, whoever leaves, pauses or completes, and when."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from billing.change_subscription import By, resume
from billing.foresee import foresee
from billing.make_what_has_come import make_what_has_come
from billing.resolve_usage import resolve_usage
from billing.stop_subscription import stop_subscription
from domain.errors import BadInput, Conflict
from domain.stop import Stop
from domain.usage import Usage, UsagePeriod
from gateway.tokens import boottime
from models.queries import invariants
from tests.contract.gateway.asking import client
from tests.support.simulator import IMP_KEY, IMP_SECRET
from tests.support.usages import Shop

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from tests.support.house import House
    from tests.support.simulator import RunningSimulator

BY = By(actor="mina", reason="a test")
SEOUL = ZoneInfo("Asia/Seoul")
BEGIN = date(2026, 1, 31)
#: Ten days at a thousand won each: a share of any days is exact, and nothing is rounded.
DAYS, A_DAY = 10, 1_000
TOLD = 7  # won a unit of use


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    return Shop(tmp_path, monkeypatch, name="messages")


def nothing_is_broken(house: House) -> None:
    with house.database.reading() as tx:
        for name, statement in invariants.BROKEN.items():
            assert not invariants.found(tx, statement, leeway=timedelta(0)), name


def noon(day: date) -> datetime:
    return datetime.combine(day, time(12), tzinfo=SEOUL).astimezone(UTC)


@dataclass
class Lived:
    """What a customer had, day by day, as nobody in the engine tells it."""

    plan: str
    begins: date
    days: set[date] = field(default_factory=set)
    used: dict[date, int] = field(default_factory=dict)
    state: str = "active"

    def owed(self, *, until: date) -> int:
        """Won of the days and the use before a day."""
        won = TOLD * sum(count for day, count in self.used.items() if day < until)
        return won + (A_DAY * sum(day < until for day in self.days) if "arrears" in self.plan else 0)


class LivesInArrears:
    """Some subscriptions on a clock that goes on by days; people come in the morning, after the bell."""

    def __init__(self, house: House, shop: Shop, drawn: random.Random) -> None:
        self.house, self.drawn = house, drawn
        self.lived: dict[UUID, Lived] = {}
        self.broken: set[UUID] = set()
        shop.does[None] = self._told
        terms: dict[str, Any] = {"amount": DAYS * A_DAY, "every": f"{DAYS} days", "billed": "in-arrears"}
        house.plan("arrears", **terms)
        house.plan("arrears-used", usage="messages", **terms)
        house.plan("arrears-term", periods=4, **terms)
        house.plan("advance-used", every=f"{DAYS} days", amount=DAYS * A_DAY, usage="messages")
        for number, plan in enumerate(("arrears", "arrears-used", "arrears-term", "advance-used") * 3):
            begins = BEGIN + timedelta(days=number % 5)
            self.lived[house.subscription(plan=plan, started_on=begins)] = Lived(plan=plan, begins=begins)

    def _told(self, period: UsagePeriod) -> list[Usage]:
        if period.subscription_id in self.broken:
            raise ConnectionError
        used = self.lived[period.subscription_id].used
        count = sum(n for day, n in used.items() if period.start <= noon(day) < period.end)
        return [Usage(description="메시지", quantity=count, unit_amount=TOLD)]

    @property
    def today(self) -> date:
        return self.house.now.astimezone(SEOUL).date()

    def a_day(self, *, asks: bool = True) -> None:
        self.broken = {sub for sub in self.lived if asks and self.drawn.random() < 0.1}
        self._opened_as_foreseen()
        self.house.charge()
        for sub in self.lived:
            if asks and self.drawn.random() < 0.1:
                with suppress(Conflict, BadInput):
                    self._ask(sub)
        self._note()
        self.house.advance(days=1)

    def _opened_as_foreseen(self) -> None:
        """All that can be told is told first; then what is foreseen is what is opened, line for line."""
        make_what_has_come(self.house.ports)
        while resolve_usage(self.house.ports, leave_at=self.house.ports.boottime() + 1_000):
            pass
        waits = {
            row.id
            for row in self.house.rows(
                "SELECT subscription_id AS id FROM usage WHERE resolved_at IS NULL"
                " UNION SELECT id FROM subscription WHERE final_at IS NOT NULL AND EXISTS (SELECT FROM usage u"
                "  WHERE u.subscription_id = subscription.id AND u.resolved_at IS NULL)"
            )
        }
        known = {row.id for row in self.house.rows("SELECT id FROM invoice")}
        with self.house.database.reading() as tx:
            foreseen = Counter(
                (each.subscription_id, str(each.purpose), each.ordinal, each.amount)
                for each in foresee(tx, until=tx.now)
                if each.subscription_id not in waits and not each.attempts
            )
        standing = {
            row.id
            for row in self.house.rows(
                "SELECT id FROM invoice WHERE next_attempt_at <= :now AND attempt_count = 0", now=self.house.now
            )
        }
        self.house.tick()
        opened = Counter(
            (row.subscription_id, row.purpose, row.ordinal, row.amount)
            for row in self.house.rows(
                "SELECT id, subscription_id, purpose, ordinal, amount FROM invoice WHERE next_attempt_at <= :now",
                now=self.house.now,
            )
            if row.amount and (row.id not in known or row.id in standing) and row.subscription_id not in waits
        )
        assert opened == foreseen

    def _ask(self, sub: UUID) -> None:
        lived, ports = self.lived[sub], self.house.ports
        chance = self.drawn.random()
        if lived.state == "paused":
            if chance < 0.85:
                resume(ports, sub, by=BY)
            else:
                stop_subscription(ports, sub, Stop.CANCEL, by=BY)
        elif chance < 0.15:
            foretold = stop_subscription(ports, sub, Stop.CANCEL, by=BY, dry_run=True)
            assert stop_subscription(ports, sub, Stop.CANCEL, by=BY) == foretold
        else:
            wanted = Stop.CANCEL if chance < 0.25 else Stop.PAUSE
            stop_subscription(ports, sub, wanted, at_period_end=True, by=BY)

    def _note(self) -> None:
        """Who is a subscriber after the day's bell and people had the day, and used something in it."""
        for row in self.house.rows("SELECT id, state, least(stops_at, term_ends_at) AS ends FROM subscription"):
            lived = self.lived[row.id]
            is_over = row.ends is not None and row.ends <= self.house.now
            lived.state = "over" if is_over and row.state != "paused" else row.state
            if lived.state in {"active", "past_due"} and self.today >= lived.begins:
                lived.days.add(self.today)
                if "used" in lived.plan:
                    lived.used[self.today] = self.drawn.randrange(15, 60)

    def expected(self, sub: UUID) -> int:
        """In arrears up to where the period that runs begins, or to the end of it all."""
        lived = self.lived[sub]
        until = self.today
        if lived.state != "ended":
            until = lived.begins + DAYS * ((self.today - lived.begins).days // DAYS) * timedelta(days=1)
        won = lived.owed(until=until)
        if "arrears" in lived.plan:
            return won
        # In advance each period that was opened is charged whole.
        return won + DAYS * A_DAY * int(
            self.house.value(
                "SELECT count(*) FROM invoice WHERE subscription_id = :id AND purpose = 'period' AND state = 'paid'",
                id=sub,
            )
        )


def _taken(simulator: RunningSimulator) -> Counter[str]:
    """What the gateway took from each card, won."""
    with closing(sqlite3.connect(f"file:{simulator.ledger}?mode=ro", uri=True)) as ledger:
        rows = ledger.execute("SELECT customer_uid, amount FROM payment WHERE status = 'paid'").fetchall()
    taken: Counter[str] = Counter()
    for uid, amount in rows:
        taken[uid] += amount
    return taken


def test_any_lives_pay_for_each_delivered_day_and_each_use_once(
    house: House, shop: Shop, simulator: RunningSimulator
) -> None:
    with client(simulator.url, imp_key=IMP_KEY, imp_secret=IMP_SECRET) as real:
        house.ports = replace(house.ports, gateway=real, boottime=boottime)
        lives = LivesInArrears(house, shop, random.Random(5))
        house.advance(minutes=30)
        for _ in range(56):
            lives.a_day()
        for _ in range(4):
            lives.a_day(asks=False)
        lives._opened_as_foreseen()
        house.charge()
        lives._note()

        states = Counter(each.state for each in lives.lived.values())
        assert states["ended"] >= 4
        assert states["active"] + states["paused"] >= 3
        taken = _taken(simulator)
        billed = {sub: taken[house.card_of(sub)] for sub in lives.lived if lives.lived[sub].state != "paused"}
        assert billed == {sub: lives.expected(sub) for sub in billed}
        assert house.value("SELECT count(*) FROM invoice WHERE purpose = 'final' AND share_days IS NOT NULL") >= 2
        assert house.value("SELECT count(*) FROM invoice WHERE purpose = 'period' AND share_days IS NOT NULL") >= 2
        nothing_is_broken(house)
