"""Hooks that are off, late, doubled, reordered or forged change nothing but speed: real processes, the same ledger.

A worker dies with calls in flight, answers are lost, cards are declined; whatever hooks come in, every period that
should be paid is paid once, and nothing else is charged.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from sqlalchemy import text

from domain.time_limits import SCALED_FOR_SIMULATOR
from runtime.settings import exported
from tests.support.expected import check_the_ledger
from tests.support.fleet import Fleet, seed_of_run
from tests.support.polling import eventually
from tests.support.simulator import running_simulator

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SEOUL = ZoneInfo("Asia/Seoul")
ORIGIN = datetime(2026, 1, 28, 12, 0, tzinfo=SEOUL)
#: Two periods have begun; then the ladder's first step after the second one.
STOPS = [datetime(2026, 3, 1, 12, 0, tzinfo=SEOUL) + timedelta(days=days) for days in (0, 3)]
#: A payment that never was; the simulator's own lies name the same.
INVENTED = "imps_000000000000"
RATE = 864_000  # ten days a second
SUBSCRIPTIONS, PERIODS = 30, 2

LIMITS = replace(SCALED_FOR_SIMULATOR, lease_seconds=6.5)
FAULTS = {"drop_answer": 0.2, "error500": 0.1, "garbled": 0.1}


def _card(number: int) -> str:
    match number:
        case 1:
            return f"card{number:04d}.sim.decline.limit"  # never pays
        case 2 | 3 | 4:
            return f"card{number:04d}.sim.decline_first.1.balance"
        case _:
            return f"card{number:04d}"


@pytest.mark.timeout(180)
@pytest.mark.parametrize("mode", ["off", "late", "doubled", "reordered", "forged"])
def test_every_period_is_paid_once_whatever_hooks_say(
    tmp_path: Path, database_url: str, redis_url: str, mode: str
) -> None:
    cards = [(f"c{n:04d}", _card(n), "2026-01-28") for n in range(SUBSCRIPTIONS)]
    with (
        running_simulator(
            tmp_path,
            limits=LIMITS,
            options=["--issue-on-sight", "--latency-ms", "300"],
        ) as simulator,
        Fleet(
            tmp_path,
            database_url=database_url,
            redis_url=redis_url,
            simulator=simulator,
            gateway_rate=2000,
            breaker_run=1000,  # so many faults in so short a time are no outage here
        ) as fleet,
    ):
        fleet.environment.update(exported(LIMITS))
        fleet.run_clock(ORIGIN, RATE, stops_at=ORIGIN)
        fleet.import_subscriptions(cards)
        door = fleet.web()
        fleet.control("POST", "/hooks", {"url": door, "mode": mode, "delay_ms": 3000, "form": mode == "late"})
        fleet.control("POST", "/faults", {"seed": seed_of_run(), "probabilities": FAULTS})
        fleet.beat()
        fleet.worker("pace", queue="pace", concurrency=1)
        fleet.worker("charge", queue="charge", concurrency=1)

        eventually(lambda: fleet.in_flight() > 0, 60, "calls in flight")
        fleet.kill("charge")
        fleet.worker("charge", queue="charge", concurrency=1)
        if mode == "forged":
            _forge(fleet, door)
        for stop in STOPS:
            fleet.run_clock(ORIGIN, RATE, stops_at=stop)
            fleet.await_rest(stop, deadline_seconds=90)
        eventually(lambda: not fleet.control("GET", "/hooks")["counts"]["waiting"], 30, "the gateway has told all")
        if mode != "forged":
            eventually(lambda: not _open_hooks(fleet), 30, "every hook was followed")

        check_the_ledger(fleet, {ref: uid for ref, uid, _ in cards}, periods=PERIODS)
        fleet.jeonggi("invariants", "check", "--gateway")
        _check_that_hooks_came(fleet, mode)


@pytest.mark.timeout(180)
def test_what_turns_paid_after_a_decline_is_put_before_an_operator_and_a_cancel_at_the_console_is_booked(
    tmp_path: Path, database_url: str, redis_url: str
) -> None:
    with (
        running_simulator(tmp_path, options=["--issue-on-sight"]) as simulator,
        Fleet(tmp_path, database_url=database_url, redis_url=redis_url, simulator=simulator) as fleet,
    ):
        fleet.run_clock(ORIGIN, RATE, stops_at=ORIGIN)
        cards = ["late.sim.late_approval_first.1.4000", "plain"]
        fleet.import_subscriptions([(f"c{n}", card, "2026-01-28") for n, card in enumerate(cards)])
        fleet.control("POST", "/hooks", {"url": fleet.web()})
        fleet.beat()
        fleet.worker("pace", queue="pace", concurrency=1)
        fleet.worker("charge", queue="charge", concurrency=1)
        fleet.await_rest(ORIGIN, deadline_seconds=60)
        plain = next(row for row in fleet.ledger() if row["customer_uid"] == "plain")
        fleet.control("POST", "/console/cancel", {"imp_uid": plain["imp_uid"], "amount": 900})
        next_step = ORIGIN + timedelta(days=2)
        fleet.run_clock(ORIGIN, RATE, stops_at=next_step)
        fleet.await_rest(next_step, deadline_seconds=60)

        proposed = eventually(
            lambda: _rows(fleet, "SELECT r.state, p.imp_uid FROM refund r JOIN payment p ON p.id = r.payment_id"),
            60,
            "a proposed refund",
        )
        late = next(row for row in fleet.ledger() if row["fault"] == "late_approval")
        assert [tuple(row) for row in proposed] == [("proposed", late["imp_uid"])]
        kinds = {row.kind for row in _rows(fleet, "SELECT kind FROM outbox_event WHERE is_incident")}
        assert "attempt.approved_late" in kinds
        booked = "SELECT imp_uid, cancelled_amount FROM payment WHERE cancelled_amount > 0"
        assert [tuple(row) for row in eventually(lambda: _rows(fleet, booked), 60)] == [(plain["imp_uid"], 900)]
        # Whether the ladder was faster than the late approval is chance; each payment is in the books either way.
        paid = {row["imp_uid"] for row in fleet.ledger() if row["status"] in {"paid", "cancelled"}}
        assert {row.imp_uid for row in _rows(fleet, "SELECT imp_uid FROM payment")} == paid
        assert late["merchant_uid"] in fleet.jeonggi("attempt", "list", "--late", "--json")


def _forge(fleet: Fleet, door: str) -> None:
    """Lie about every attempt there is: with payments that never were, and with those of others."""
    uids = [row.merchant_uid for row in _rows(fleet, "SELECT merchant_uid FROM charge_attempt")]
    payments = [row["imp_uid"] for row in fleet.ledger()] or [INVENTED]
    with httpx.Client(timeout=30) as client:
        for number, uid in enumerate(uids):
            for imp_uid in (INVENTED, payments[number % len(payments)]):
                for status in ("paid", "failed", "cancelled"):
                    lie = {"merchant_uid": uid, "imp_uid": imp_uid, "status": status}
                    assert client.post(door, json=lie).status_code in {200, 429}


def _check_that_hooks_came(fleet: Fleet, mode: str) -> None:
    """The run was about what its name says."""
    kept = _rows(
        fleet,
        "SELECT imp_uid, merchant_uid, status, sum(times) AS times, array_agg(outcome) AS outcomes FROM gateway_event"
        " GROUP BY digest, imp_uid, merchant_uid, status",
    )
    true = {(row["imp_uid"], row["status"]) for row in fleet.ledger() if row["status"] == "paid"}
    if mode == "off":
        assert kept == []
        return
    assert {(row.imp_uid, row.status) for row in kept} >= true
    if mode == "doubled":
        assert min(row.times for row in kept) >= 2
    if mode == "reordered":
        sent = [row["imp_uid"] for row in fleet.control("GET", "/hooks")["sent"]]
        assert sent != [row["imp_uid"] for row in fleet.ledger() if row["imp_uid"] in sent]
    if mode == "forged":
        lies = [row for row in kept if row.imp_uid == INVENTED]
        assert lies
        assert not [row for row in lies if "cancellation" in row.outcomes]
        assert not _rows(fleet, f"SELECT FROM payment WHERE imp_uid = '{INVENTED}' OR cancelled_amount > 0")


def _open_hooks(fleet: Fleet) -> Sequence[Any]:
    return _rows(fleet, "SELECT id FROM gateway_event WHERE closed_at IS NULL")


def _rows(fleet: Fleet, query: str) -> Sequence[Any]:
    with fleet.database.reading() as tx:
        return tx.connection.execute(text(query)).all()
