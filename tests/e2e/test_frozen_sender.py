"""A sender that freezes after its claim does not charge once the attempt was re-sent: real processes, real signals.

The gateway is careless: it would charge a used merchant_uid again.
"""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

import httpx
import pytest

from billing.charge_due import charge_due
from billing.resolve_unknown import resolve_unknown
from runtime.settings import exported
from scheduler.tick import tick
from tests.support.fleet import Fleet
from tests.support.polling import eventually
from tests.support.proxy import held_line
from tests.support.simulator import IMP_KEY, IMP_SECRET, SHORT_LIVED, running_simulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from billing.ports import Ports


@pytest.fixture
def fleet(tmp_path: Path, database_url: str, redis_url: str) -> Iterator[Fleet]:
    with ExitStack() as stack:
        simulator = stack.enter_context(
            running_simulator(
                tmp_path,
                used_merchant_uid="careless",
                limits=SHORT_LIVED,
                options=["--issue-on-sight"],
            )
        )
        built = stack.enter_context(
            Fleet(tmp_path, database_url=database_url, redis_url=redis_url, simulator=simulator)
        )
        built.environment.update(exported(SHORT_LIVED))
        today = datetime.now(UTC).date()
        built.import_subscriptions([("c1", "card1", today.replace(day=1).isoformat())])
        yield built


def _is_stopped(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    return stat.rpartition(")")[2].split()[0] == "T"


def _resent_and_paid(ports: Ports) -> bool:
    tick([ports], lambda *_: None, open_for_seconds=1)
    resolve_unknown(ports)
    charge_due(ports)
    with ports.database.reading() as tx:
        found = tx.connection.exec_driver_sql("SELECT state, send_no FROM charge_attempt").one()
    return bool(found.state == "approved" and found.send_no > 1)


def _done(fleet: Fleet) -> list[str]:
    return [row["done"] for row in fleet.control("GET", "/requests")]


def test_a_sender_frozen_between_commit_and_send_does_not_send(fleet: Fleet) -> None:
    with ExitStack() as stack:
        ports = stack.enter_context(fleet.ports())
        tick([ports], lambda *_: None, open_for_seconds=1)
        sender = fleet.start("sender", "tests.support.sender", "--freeze-before-send")
        eventually(lambda: _is_stopped(sender.process.pid), 30, f"the sender stops itself: {sender.log}")

        eventually(lambda: _resent_and_paid(ports), 90, "re-sent and paid")
        sender.resume()
        sender.says("done")

    assert "approved" not in sender.said()
    done = _done(fleet)
    assert done.count("charged") == 1
    assert set(done) <= {"charged", "unauthorized"}  # a re-send may meet its own token's end


@pytest.mark.parametrize("another_program_extends_the_token", [False, True])
def test_a_sender_frozen_past_its_check_is_refused_for_its_dead_token(
    fleet: Fleet, another_program_extends_the_token: bool
) -> None:
    with ExitStack() as stack:
        ports = stack.enter_context(fleet.ports())
        tick([ports], lambda *_: None, open_for_seconds=1)
        line = stack.enter_context(held_line(fleet.simulator.url))
        # The sender's token was asked for on an open line; its charge then waits in a held one.
        fleet.environment["JEONGGI_GATEWAY_URL"] = line.url
        sender = fleet.start("sender", "tests.support.sender", "--freeze-before-send")
        eventually(lambda: _is_stopped(sender.process.pid), 30, f"the sender stops itself: {sender.log}")
        # Only now: a token that is extended before has too little left for a claim, and the sender ends without one.
        stranger = stack.enter_context(_stranger(fleet)) if another_program_extends_the_token else None
        line.hold()
        sender.resume()
        eventually(lambda: b"/subscribe/payments/again" in line.held, 30, "the charge is on its way")
        sender.freeze()

        if stranger is not None:
            eventually(lambda: stranger.extensions >= 3, 60, "the old token was extended thrice")
            resolve_unknown(ports)
            assert _done(fleet) == []
            stranger.stop()
        eventually(lambda: _resent_and_paid(ports), 90, "re-sent and paid")
        before = len(_done(fleet))
        line.let_go()
        eventually(lambda: len(_done(fleet)) == before + 1, 30, "the late request arrives")
        sender.resume()
        sender.says("done")

    done = _done(fleet)
    assert done[-1] == "unauthorized"
    assert done.count("charged") == 1
    assert len([row for row in fleet.ledger() if row["status"] == "paid"]) == 1


class _stranger:  # noqa: N801 - a context manager
    """Another program on the same key, which asks for the token all the time, and so extends it."""

    def __init__(self, fleet: Fleet) -> None:
        self._url = f"{fleet.simulator.url}/users/getToken"
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self.extensions = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _ask(self) -> None:
        known: tuple[str, int] | None = None
        while not self._ended.wait(0.2):
            answer = httpx.post(self._url, json={"imp_key": IMP_KEY, "imp_secret": IMP_SECRET}).json()["response"]
            token = (answer["access_token"], answer["expired_at"])
            if known is not None and known[0] == token[0] and known[1] != token[1]:
                self.extensions += 1
            known = token


def test_the_pid_of_this_test_is_not_a_senders() -> None:
    """The check of a stopped process can tell a running one."""
    assert not _is_stopped(os.getpid())
