"""Months of 300 subscriptions in real processes, while they are killed: every period that should be paid, once.

The oracle is the simulator's ledger, compared with a naive model that shares nothing with the engine: which cards
pay, which never do, and how many periods have begun.
"""

from __future__ import annotations

import random
from collections import Counter
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
import redis

from domain.time_limits import SCALED_FOR_SIMULATOR
from tests.support.expected import act_as_the_operator, check_the_ledger
from tests.support.fleet import Fleet, seed_of_run
from tests.support.polling import eventually
from tests.support.profiles import is_long
from tests.support.simulator import running_simulator

if TYPE_CHECKING:
    from pathlib import Path

SEOUL = ZoneInfo("Asia/Seoul")
ORIGIN = datetime(2026, 1, 28, 9, 0, tzinfo=SEOUL)
#: When so many are due: periods begin on the 28th to 31st, clamped.
DUE = {3: datetime(2026, 4, 1, 0, 0, tzinfo=SEOUL), 6: datetime(2026, 7, 1, 0, 0, tzinfo=SEOUL)}
LADDERS_TAKE = timedelta(days=26)  # and are over before the next
#: What was missed while everything was dead is charged one a day of a customer's, and what of it was lost, later yet:
#: the clock waits for each step of days until nothing is undecided.
STEP = timedelta(days=2)
RATE = 129_600  # a day and a half a second
SUBSCRIPTIONS = 300

FAULTS = {
    "drop_answer": 0.03,
    "error500": 0.03,
    "garbled": 0.02,
    "hang": 0.01,
    "drop_uncharged": 0.02,
    "error500_uncharged": 0.02,
    "too_many": 0.01,
    "lookup_lag": {"probability": 0.02, "argument": 1500},
}
KILLS_WITH_CALLS_IN_FLIGHT = 5


def _card(number: int) -> str:
    if number % 10 == 0:
        return f"card{number:04d}.sim.decline_first.2.balance"  # pays at the ladder's second step, once
    if number % 50 == 1:
        return f"card{number:04d}.sim.decline.limit"  # never pays
    return f"card{number:04d}"


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("used_merchant_uid", "periods"), [("strict", 6), ("careless", 6 if is_long() else 3)])
def test_every_period_is_paid_once_whatever_dies(
    tmp_path: Path, database_url: str, redis_url: str, used_merchant_uid: str, periods: int
) -> None:
    all_are_due = DUE[periods]
    ladders_are_over = all_are_due + LADDERS_TAKE
    seed = seed_of_run()
    chance = random.Random(seed)
    with (
        running_simulator(
            tmp_path,
            used_merchant_uid=used_merchant_uid,
            limits=SCALED_FOR_SIMULATOR,
            options=["--issue-on-sight", "--latency-ms", "300"],
        ) as simulator,
        Fleet(
            tmp_path, database_url=database_url, redis_url=redis_url, simulator=simulator, gateway_rate=2000
        ) as fleet,
    ):
        fleet.run_clock(ORIGIN, RATE, stops_at=ORIGIN)
        cards = [(f"c{n:04d}", _card(n), f"2026-01-{28 + n % 4}") for n in range(SUBSCRIPTIONS)]
        fleet.import_subscriptions(cards)
        fleet.control("POST", "/faults", {"seed": seed, "probabilities": FAULTS})
        for name in ("beat", "second-beat"):
            fleet.beat(name)
        fleet.worker("pace", queue="pace")
        for name in ("charge-1", "charge-2"):
            fleet.worker(name, queue="charge")

        fleet.run_clock(ORIGIN, RATE, stops_at=all_are_due)
        kills = _kill_and_flush(fleet, chance, redis_url)
        fleet.await_rest(all_are_due, deadline_seconds=400)
        day = all_are_due
        while day < ladders_are_over:
            day += STEP
            fleet.run_clock(ORIGIN, RATE, stops_at=day)
            fleet.await_rest(day, deadline_seconds=200)
        act_as_the_operator(fleet, until=ladders_are_over)

        check_the_ledger(fleet, {ref: uid for ref, uid, _ in cards}, periods=periods)
        fleet.jeonggi("invariants", "check", "--gateway")
        fired = fleet.control("GET", "/counters")["faults"]
        assert kills["charge"] >= KILLS_WITH_CALLS_IN_FLIGHT
        assert kills["pace"]
        assert kills["beat"]
        assert kills["flush"]
        assert {name for name in (*FAULTS, "decline") if not fired.get(name)} == set()


def _kill_and_flush(fleet: Fleet, chance: random.Random, redis_url: str) -> Counter[str]:
    """Kill at random moments with calls in flight, until it was done often enough; count what was done."""
    done: Counter[str] = Counter()
    with redis.Redis.from_url(redis_url) as broker:
        while done["charge"] < KILLS_WITH_CALLS_IN_FLIGHT:
            threshold = chance.choice([1, 5, 20])
            eventually(partial(_flies, fleet, threshold), 120, f"{threshold} calls in flight")
            victim = chance.choice(["charge-1", "charge-2"])
            before = fleet.in_flight()
            fleet.kill(victim)
            done["charge"] += before > 0
            fleet.worker(victim, queue="charge")
            if done["charge"] % 2:
                broker.flushdb()
                done["flush"] += 1
            if done["charge"] == 2:
                fleet.kill("pace")
                fleet.worker("pace", queue="pace")
                done["pace"] += 1
            if done["charge"] == 3:
                fleet.kill("beat")
                fleet.beat("beat")
                done["beat"] += 1
            paid = fleet.look().paid
            eventually(partial(_has_paid_more, fleet, paid), 120, "a payment after the kill")
    return done


def _flies(fleet: Fleet, least: int) -> bool:
    return fleet.in_flight() >= least


def _has_paid_more(fleet: Fleet, than: int) -> bool:
    return fleet.look().paid > than
