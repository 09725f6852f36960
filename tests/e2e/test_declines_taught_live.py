"""An operator teaches what a refusal means, and workers that have run all along read the next one so."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from billing.change_subscription import By
from billing.charge_now import charge_now
from billing.teach_declines import classify, unknown_texts
from domain.outcome import DeclineCode
from domain.time_limits import SCALED_FOR_SIMULATOR
from tests.support.fleet import Fleet
from tests.support.polling import eventually
from tests.support.simulator import running_simulator

if TYPE_CHECKING:
    from pathlib import Path

NEW = "[ZZ99] 신한 특별 거부"
BY = By(actor="kim", reason="the issuer told so")


def codes(fleet: Fleet) -> list[str]:
    query = text("SELECT decline_code FROM charge_attempt WHERE state = 'declined' ORDER BY attempt_no")
    with fleet.database.reading() as tx:
        return [str(row.decline_code) for row in tx.connection.execute(query)]


def charge_again(fleet: Fleet) -> None:
    with fleet.ports() as ports:
        with ports.database.reading() as tx:
            invoice_id = tx.connection.execute(text("SELECT id FROM invoice")).scalar_one()
        charge_now(ports, invoice_id, by=BY)


@pytest.mark.timeout(180)
def test_a_lesson_is_read_by_workers_that_were_never_restarted(
    tmp_path: Path, database_url: str, redis_url: str
) -> None:
    with ExitStack() as stack:
        simulator = stack.enter_context(
            running_simulator(tmp_path, limits=SCALED_FOR_SIMULATOR, options=["--issue-on-sight"])
        )
        fleet = stack.enter_context(
            Fleet(tmp_path, database_url=database_url, redis_url=redis_url, simulator=simulator)
        )
        fleet.control("POST", "/faults", {"customer_uid": "card", "sequence": [{"decline": NEW}] * 2})
        fleet.import_subscriptions([("c1", "card", (datetime.now(UTC) - timedelta(days=2)).date().isoformat())])
        fleet.beat()
        fleet.worker("pace", queue="pace")
        fleet.worker("charge", queue="charge", concurrency=1)
        eventually(lambda: codes(fleet) == ["unclassified"], 60, "a refusal that nobody can read")

        (listed,) = unknown_texts(fleet.database)
        classify(fleet.database, listed.text, DeclineCode.CARD_BARRED, by=BY, although_ambiguous=False)
        charge_again(fleet)

        eventually(lambda: codes(fleet) == ["unclassified", "card_barred"], 60, "the same refusal, read as taught")
