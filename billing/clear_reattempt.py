"""Before a reattempt: every earlier attempt of the invoice is looked up once more.

A failed payment announces nothing when it turns paid late, so a new number is minted only after a fresh look. Each
channel looks up what was sent through it, also if the subscription's card is another channel's by now.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from billing.halt_channel import is_running
from billing.known_account import absence_counts
from billing.look_up import Seen, ask_each, seen
from billing.record_outcome import record_outcomes
from billing.report import Report
from billing.sent_charges import sent_charges
from domain.errors import GatewayTrouble
from domain.evidence import Said, judge
from domain.outcome import Approved
from domain.window import closed_at
from models.queries import brake, claim, installation, resolve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from sqlalchemy import Row

    from billing.ports import Ports
    from gateway.port import AccessToken

#: Invoices cleared in one go.
BATCH: Final = 200


def clear_reattempts(ports: Ports, token: AccessToken) -> Counter[str]:
    """Look up the earlier attempts of due reattempts: paid ones are recorded, the others' invoices are cleared.

    Where the gateway answers slowly, as many as there is time for: the others are the next run's.
    """
    leave_at = ports.boottime() + ports.limits.asking_seconds
    with ports.database.reading() as tx:
        fresh = tx.real - timedelta(seconds=ports.limits.clearance_seconds)
        channel = ports.channel.name
        closed = closed_at(brake.windows_of(tx, channel), tx.now)
        due = claim.list_uncleared(
            tx, channel=channel, is_running=is_running(tx, channel), limit=BATCH, fresh=fresh, closed=closed
        )
        attempts = resolve.attempts_of_invoices(tx, [row.id for row in due], channel=channel)
        sent = sent_charges(tx, [row.id for row in attempts], {row.id: row for row in attempts})
        began_at = tx.real
    if not due:
        return Counter()

    def look(attempt: Row[Any]) -> Seen:
        return seen(ports.gateway.find_all(merchant_uid=attempt.merchant_uid, token=token), began_at=began_at)

    asked = ask_each(attempts, look, goes_on=lambda: ports.boottime() < leave_at)
    answers = [(attempt, answer) for attempt, answer in asked if not isinstance(answer, GatewayTrouble)]
    is_absence_counted = absence_counts(ports, token, [answer.looked.said for _, answer in answers])
    reports: list[Report] = []
    cleared: dict[UUID, int] = {}
    odd: dict[UUID, str] = {}
    for attempt, answer in answers:
        outcome = judge(records=answer.records, sent=sent[attempt.id], now=began_at, patience=ports.limits.patience)
        if isinstance(outcome, Approved):
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
            odd[attempt.invoice_id] = (
                f"attempt {attempt.attempt_no} was declined and reads {answer.looked.said} now:"
                " neither ours for certain nor definitely declined"
            )
        elif answer.looked.said is not Said.ABSENT or is_absence_counted:
            cleared[attempt.id] = attempt.send_no
    recorded = record_outcomes(ports, reports).counts
    _set_aside(ports, due, odd)
    with ports.database.transaction() as tx:
        # As old as the question, however late it is written: a process may freeze between the two.
        claim.note_cleared(tx, cleared, at=began_at)
    return recorded


def _set_aside(ports: Ports, due: Sequence[Row[Any]], odd: Mapping[UUID, str]) -> None:
    """What no look-up will clear waits for an operator; left due, it would be looked up at every tick."""
    for row in due:
        if row.id in odd:
            with ports.database.transaction() as tx:
                claim.set_invoice_aside(tx, invoice_id=row.id, reason=odd[row.id])
                incident = installation.event(
                    tx,
                    "invoice.set_aside",
                    subscription_id=row.subscription_id,
                    invoice_id=row.id,
                    is_incident=True,
                    reason=odd[row.id],
                )
                installation.write_events(tx, [incident])
