"""Before a reattempt: every earlier attempt of the invoice is looked up once more.

A failed payment announces nothing when it turns paid late, so a new number is minted only after a fresh look.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from billing.look_up import Seen, ask_each, seen
from billing.record_outcome import record_outcomes
from billing.report import Report
from billing.sent_charges import sent_charges
from domain.errors import GatewayTrouble
from domain.evidence import Said, judge
from domain.outcome import Approved
from models.queries import claim, resolve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Row

    from billing.ports import Ports
    from gateway.port import AccessToken
    from models.session import Transaction

#: Invoices cleared in one go.
BATCH: Final = 200


def clear_reattempts(ports: Ports, token: AccessToken) -> Counter[str]:
    """Look up the earlier attempts of due reattempts: paid ones are recorded, the others' invoices are cleared."""
    with ports.database.reading() as tx:
        fresh = tx.real - timedelta(seconds=ports.limits.clearance_seconds)
        due = claim.list_uncleared(tx, limit=BATCH, fresh=fresh)
        attempts = resolve.attempts_of_invoices(tx, [row.id for row in due])
        sent = sent_charges(tx, [row.id for row in attempts], {row.id: row for row in attempts})
        began_at = tx.real
    if not due:
        return Counter()

    def look(attempt: Row[Any]) -> Seen:
        return seen(ports.gateway.find_all(merchant_uid=attempt.merchant_uid, token=token), began_at=began_at)

    answers = ask_each(attempts, look)
    reports, paid_or_silent = [], set[UUID]()
    for attempt, answer in answers:
        if isinstance(answer, GatewayTrouble):
            paid_or_silent.add(attempt.invoice_id)
            continue
        outcome = judge(records=answer.records, sent=sent[attempt.id], now=began_at, patience=ports.limits.patience)
        if isinstance(outcome, Approved):
            paid_or_silent.add(attempt.invoice_id)
            reports.append(
                Report(
                    attempt_id=attempt.id,
                    send_no=attempt.send_no,
                    fence=None,
                    outcome=outcome,
                    looked=(answer.looked,),
                    payments=[record for record in answer.records if record.said in {Said.PAID, Said.CANCELLED}],
                )
            )
        elif answer.looked.said in {Said.PAID, Said.CANCELLED, Said.OTHER}:
            paid_or_silent.add(attempt.invoice_id)  # neither ours for certain nor definitely declined
    recorded = record_outcomes(ports, reports).counts
    _note_cleared(ports, due, attempts, paid_or_silent)
    return recorded


def _note_cleared(ports: Ports, due: Sequence[Row[Any]], attempts: Sequence[Row[Any]], not_these: set[UUID]) -> None:
    counted: defaultdict[UUID, int] = defaultdict(int)
    for attempt in attempts:
        counted[attempt.invoice_id] += 1
    with ports.database.transaction() as tx:
        for row in due:
            if row.id not in not_these and counted[row.id] == row.attempt_count:
                _clear(tx, row)


def _clear(tx: Transaction, row: Row[Any]) -> None:
    claim.note_cleared(tx, invoice_id=row.id, attempt_count=row.attempt_count, at=tx.real)
