"""The kill switch: no call starts later than one second after it, with hundreds in flight; and nothing is lost by it.

Real senders in processes of their own, a real simulator, real time. What counts is when the simulator received a call,
by its ledger; it runs on the same machine, so its clock is the database's.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import httpx
import pytest

from billing.change_subscription import By
from billing.halt_channel import halt, resume
from scheduler.tick import tick
from tests.support.fleet import Fleet
from tests.support.polling import eventually
from tests.support.simulator import running_simulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from billing.ports import Ports

CARDS = 1_200
IN_FLIGHT = 500
IN_LINE = 100  # claimed, and not started yet
SENDERS = ("a", "b", "c")
CONCURRENCY = 400  # a sender's
#: A second: what the simulator takes without a queue before its door, also on a busy machine; so slow that between
#: 500 in flight and the last in line there are 20 seconds.
RATE = 30
PROMISED_SECONDS = 1.0
QUEUE_SECONDS = 0.2
BY = By(actor="ops", reason="a test")


@pytest.fixture
def fleet(tmp_path: Path, database_url: str, redis_url: str) -> Iterator[Fleet]:
    with ExitStack() as stack:
        simulator = stack.enter_context(running_simulator(tmp_path, options=["--issue-on-sight"]))
        built = Fleet(
            tmp_path,
            database_url=database_url,
            redis_url=redis_url,
            simulator=simulator,
            gateway_rate=RATE,
            gateway_concurrency=CONCURRENCY,
            claim_size=50,
            # Calls in flight are held for as long as the test needs.
            gateway_read_timeout_seconds=120,
            gateway_total_timeout_seconds=130,
            send_window_seconds=90,
            token_guard_seconds=100,
            soft_limit_seconds=240,
            hard_limit_seconds=255,
            lease_seconds=270,
            token_life_seconds=2100,
            token_last_seconds=60,
            longest_processing_seconds=600,
            settling_seconds=2700,
            operator_deadline_seconds=7200,
        )
        stack.enter_context(built)
        today = datetime.now(UTC).date().replace(day=1).isoformat()
        built.import_subscriptions([(f"c{number:05d}", f"card{number:05d}", today) for number in range(CARDS)])
        yield built


def _received(fleet: Fleet) -> list[float]:
    return sorted(row["received_at"] for row in fleet.control("GET", "/requests"))


def test_no_call_starts_later_than_a_second_after_the_halt(fleet: Fleet) -> None:
    with fleet.ports() as ports:
        tick([ports], lambda *_: None, open_for_seconds=30)
        fleet.control("POST", "/hold", {"on": True})
        for nth, name in enumerate(SENDERS, start=1):
            fleet.start(name, "tests.support.sender")
            # One after the other: a run ends its claims when it finds that others hold what is due.
            eventually(partial(_has_claimed, ports, nth * CONCURRENCY), 120, f"{nth} senders are full")
        eventually(lambda: _is_busy(fleet, ports), 120, f"{IN_FLIGHT} calls in flight, {IN_LINE} in line, and no queue")

        assert halt(ports.database, "default", by=BY)
        halted_at = time.time()  # right after its commit

        eventually(lambda: _claimed(ports) == fleet.in_flight(), 60, "what was claimed and not started is handed back")
        received = _received(fleet)
        assert received[-1] - halted_at <= PROMISED_SECONDS
        fleet.control("POST", "/hold", {"on": False})
        said = [fleet.program(name).says("done", within_seconds=60) for name in SENDERS]
        assert any("channel_halted" in each for each in said)
        assert len(_received(fleet)) == len(received)

        resume(ports.database, "default", by=BY)
        eventually(lambda: _charge_the_rest(fleet), 120, "what waited is charged after it")
    paid = [row["merchant_uid"] for row in fleet.ledger() if row["status"] == "paid"]
    assert len(paid) == len(set(paid)) == CARDS


def _is_busy(fleet: Fleet, ports: Ports) -> bool:
    """Whether enough is out, more would follow, and nothing waits before the simulator's door.

    A call that waits there has started long before it is received.
    """
    out = fleet.in_flight()
    return out >= IN_FLIGHT and _claimed(ports) - fleet.in_flight() > IN_LINE and _answers_at_once(fleet)


def _has_claimed(ports: Ports, least: int) -> bool:
    return _claimed(ports) >= least


def _claimed(ports: Ports) -> int:
    """Charges that are out, or were claimed and did not start yet."""
    with ports.database.reading() as tx:
        return int(
            tx.connection.exec_driver_sql("SELECT count(*) FROM charge_attempt WHERE state = 'in_flight'").scalar_one()
        )


def _answers_at_once(fleet: Fleet) -> bool:
    """Whether a new connection is taken and answered without waiting."""
    began = time.monotonic()
    httpx.get(f"{fleet.simulator.url}/nothing", timeout=30)
    return time.monotonic() - began < QUEUE_SECONDS


def _charge_the_rest(fleet: Fleet) -> bool:
    assert fleet.start("after", "tests.support.sender", JEONGGI_GATEWAY_RATE="2000").wait(within_seconds=60) == 0
    return len([row for row in fleet.ledger() if row["status"] == "paid"]) == CARDS
