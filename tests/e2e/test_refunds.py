"""Refunds by real workers that are killed while their cancels are under way: the money goes back once."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from billing.change_subscription import By
from billing.refund import Wanted, request_refund
from runtime.settings import exported
from tests.support.fleet import AMOUNT, Fleet
from tests.support.polling import eventually
from tests.support.simulator import SHORT_LIVED, running_simulator

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

PART = 4_000
#: What becomes of the first cancel of each card's payment that is carried out.
FAULTS = {"card-ok": "ok", "card-answer": "drop_answer", "card-500": "error500"}


@pytest.fixture
def fleet(tmp_path: Path, database_url: str, redis_url: str) -> Iterator[Fleet]:
    """Three cards, whose first periods are charged."""
    with ExitStack() as stack:
        simulator = stack.enter_context(running_simulator(tmp_path, limits=SHORT_LIVED, options=["--issue-on-sight"]))
        built = stack.enter_context(
            Fleet(tmp_path, database_url=database_url, redis_url=redis_url, simulator=simulator)
        )
        built.environment.update(exported(SHORT_LIVED))
        today = datetime.now(UTC).date().replace(day=1).isoformat()
        built.import_subscriptions([(f"c-{card}", card, today) for card in FAULTS])
        built.beat()
        built.worker("pace", queue="pace")
        built.worker("charge", queue="charge", concurrency=1)
        eventually(lambda: len(_payments(built)) == len(FAULTS), 60, "every card charged")
        yield built


def _rows(fleet: Fleet, query: str) -> Sequence[Any]:
    with fleet.database.reading() as tx:
        return tx.connection.execute(text(query)).all()


def _payments(fleet: Fleet) -> Sequence[Any]:
    return _rows(fleet, "SELECT id, imp_uid, cancelled_amount FROM payment ORDER BY id")


@pytest.mark.timeout(240)
def test_a_worker_killed_with_cancels_under_way_gives_each_back_once(fleet: Fleet) -> None:
    for card, fault in FAULTS.items():
        fleet.control("POST", "/faults", {"on": "cancel", "customer_uid": card, "sequence": [fault]})
    fleet.control("POST", "/hold", {"on": True, "of": "cancel"})
    by = By(actor="mina", reason="the customer called")
    for payment in _payments(fleet)[1:]:
        request_refund(fleet.database, payment.id, Wanted(amount=PART), by=by)
    imp_uid = _payments(fleet)[0].imp_uid
    fleet.jeonggi("refund", "request", imp_uid, "--amount", str(PART), "--reason", "the customer called", "--json")
    eventually(lambda: fleet.control("GET", "/counters")["held_cancels"] > 0, 60, "cancels that the simulator holds")

    fleet.kill("pace")
    fleet.control("POST", "/hold", {"on": False, "of": "cancel"})
    fleet.worker("pace", queue="pace")

    def is_settled() -> bool:
        return [row.state for row in _rows(fleet, "SELECT state FROM refund")] == ["succeeded"] * len(FAULTS)

    eventually(is_settled, 120, "every refund done")
    there = {row["imp_uid"]: (row["amount"], row["cancel_amount"]) for row in fleet.ledger()}
    assert there == {payment.imp_uid: (AMOUNT, PART) for payment in _payments(fleet)}
    assert {payment.cancelled_amount for payment in _payments(fleet)} == {PART}
    assert len(fleet.control("GET", "/cancellations")) == len(FAULTS)
