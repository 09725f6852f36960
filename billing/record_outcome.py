"""Step 7 of a charge: what became of attempts is written down. The only way an attempt ends.

Commit 2, for a group of attempts at once: subscriptions, invoices and attempts are locked in that order, each by id;
``Ending`` moves them; everything is written in a handful of statements. Safe to repeat: what is decided stays.

Evidence of success is taken from anybody, however late. Every other ending needs the attempt's newest fence number.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import structlog

from billing.change_subscription import apply_requested_changes
from billing.ending import Ending
from billing.report import Recorded, Report
from billing.sent_charges import sent_charges
from billing.watch_channel import watch_channel
from domain.outcome import Approved, Unknown, UnknownReason
from domain.states import advance
from domain.subscription import SUBSCRIPTION_TABLE, SubscriptionEvent, SubscriptionState
from models.queries import brake, claim, installation, record
from models.session import CommitInDoubt, DatabaseTrouble

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from sqlalchemy import Row

    from billing.ports import Ports
    from models.session import Transaction

_log = structlog.get_logger("billing")

_ATTEMPT_COLUMNS = (
    "id", "state", "decline_code", "unknown_reason", "raw_reason", "next_look_up_at", "operator_since",
    "operator_reason", "absent_count", "ended_at",
)  # fmt: skip
_INVOICE_COLUMNS = ("id", "state", "next_attempt_at", "next_trigger", "ladder_step", "ladder_at", "at_once")


def record_outcomes(ports: Ports, reports: Sequence[Report]) -> Recorded:
    """Write down what became of attempts: one commit, or one each where one of them spoils the group.

    Raises:
        DatabaseTrouble: Nothing was written; ask again.
        CommitInDoubt: It may have been written; asking again changes nothing that was.
    """
    recorded = Recorded()
    for group in _one_report_an_attempt(reports):
        try:
            recorded += _record(ports, group)
        except (DatabaseTrouble, CommitInDoubt):
            raise
        except Exception as error:  # noqa: BLE001 - whatever one row did, the others' outcomes must be kept
            _log.warning("record.batch_failed", error=type(error).__name__)
            recorded += _record_one_by_one(ports, group)
    return recorded


def _record(ports: Ports, reports: Sequence[Report]) -> Recorded:
    counts: Counter[str] = Counter()
    with ports.database.transaction() as tx:
        owners = {row.id: row for row in record.whose(tx, [report.attempt_id for report in reports])}
        subscriptions = record.lock_subscriptions(tx, (row.subscription_id for row in owners.values()))
        invoices = record.lock_invoices(tx, (row.invoice_id for row in owners.values()))
        attempts = record.lock_attempts(tx, owners)
        counts["gone"] = len(reports) - len(owners)
        known = _known_payments(tx, reports)
        reports = _own(known, [report for report in reports if report.attempt_id in owners])
        ending = Ending(
            tx,
            ports.limits,
            attempts={key: dict(row._mapping) for key, row in attempts.items()},  # noqa: SLF001 - its public view
            invoices={key: dict(row._mapping) for key, row in invoices.items()},  # noqa: SLF001
            sent=sent_charges(tx, [r.attempt_id for r in reports if isinstance(r.outcome, Unknown)], attempts),
            known_payments=set(known),
            channel=ports.channel.name,
        )
        states = [ending.take(report) for report in reports]
        counts.update(states)
        _write(tx, ending, reports)
        _settle_subscriptions(tx, ending, subscriptions)
        _note_issuers(tx, reports)
        news = [report for report, state in zip(reports, states, strict=True) if state != "stale"]
        watch_channel(tx, ports, news)
    return Recorded(counts=+counts)


def _write(tx: Transaction, ending: Ending, reports: Sequence[Report]) -> None:
    record.write_recorded(
        tx,
        attempts=[{name: row[name] for name in _ATTEMPT_COLUMNS} for row in ending.changed_attempts.values()],
        sends=[
            {
                "attempt_id": report.attempt_id,
                "send_no": report.send_no,
                "answered_at": tx.real,
                "result": type(report.outcome).__name__.lower(),
            }
            for report in reports
            if report.is_answer
        ],
        invoices=[{name: row[name] for name in _INVOICE_COLUMNS} for row in ending.changed_invoices.values()],
        payments=ending.payments,
        cancellations=ending.cancellations,
        proposals=ending.proposals,
        evidence=[
            {
                "attempt_id": report.attempt_id,
                "send_no": report.send_no,
                "source": looked.source,
                "said": looked.said,
                "began_at": looked.began_at or tx.real,
                "token_digest": looked.token_digest,
                "body": dict(looked.body),
            }
            for report in reports
            for looked in report.looked
        ],
    )
    if ending.paid_late:
        record.abandon_unneeded(tx, ending.paid_late)


def _note_issuers(tx: Transaction, reports: Sequence[Report]) -> None:
    """Which company issued a card is told with its payments only; maintenance windows of issuers go by it."""
    told = {}
    for report in reports:
        code = report.issuer_code or next((found.issuer_code for found in report.payments), "")
        if code:
            told[report.attempt_id, report.send_no] = code
    if told:
        brake.note_issuers(tx, told)


def _settle_subscriptions(tx: Transaction, ending: Ending, subscriptions: Mapping[UUID, Row[Any]]) -> None:
    """A subscription is past due while any of its invoices is; a change that waited for an outcome is made."""
    if ending.debtors:
        in_debt = record.in_debt(tx, ending.debtors)
        rows = []
        for subscription_id in ending.debtors:
            state = SubscriptionState(subscriptions[subscription_id].state)
            happened = SubscriptionEvent.DEBT_AROSE if subscription_id in in_debt else SubscriptionEvent.DEBT_CLEARED
            if (state, happened) in SUBSCRIPTION_TABLE:
                moved = advance(SUBSCRIPTION_TABLE, state, happened)
                if moved != state:
                    rows.append({"id": subscription_id, "state": moved})
        record.write_subscription_states(tx, rows)
    installation.write_events(tx, ending.events)
    waiting = [row.id for row in subscriptions.values() if row.requested_change is not None]
    if waiting:
        apply_requested_changes(tx, waiting)


def _own(known: Mapping[str, UUID], reports: Sequence[Report]) -> Sequence[Report]:
    """Success that rests on a payment of another attempt is none: an operator is asked."""
    owner = dict(known)
    own = []
    for report in reports:
        outcome = report.outcome
        if isinstance(outcome, Approved) and owner.setdefault(outcome.imp_uid, report.attempt_id) != report.attempt_id:
            raw_reason = f"{outcome.imp_uid} is the payment of another attempt"
            unknown = Unknown(reason=UnknownReason.MISMATCH, raw_reason=raw_reason)
            own.append(replace(report, outcome=unknown, payments=()))
        else:
            own.append(report)
    return own


def _known_payments(tx: Transaction, reports: Sequence[Report]) -> Mapping[str, UUID]:
    uids = {found.imp_uid for report in reports for found in report.payments}
    uids |= {report.outcome.imp_uid for report in reports if isinstance(report.outcome, Approved)}
    return record.known_payments(tx, sorted(uids)) if uids else {}


def _one_report_an_attempt(reports: Sequence[Report]) -> Sequence[Sequence[Report]]:
    """Split so that no group holds two reports of one attempt."""
    groups: list[dict[UUID, Report]] = []
    for report in reports:
        for group in groups:
            if report.attempt_id not in group:
                group[report.attempt_id] = report
                break
        else:
            groups.append({report.attempt_id: report})
    return [list(group.values()) for group in groups]


def _record_one_by_one(ports: Ports, reports: Sequence[Report]) -> Recorded:
    """The same group, a commit each; what fails even alone is set aside, for an operator."""
    recorded = Recorded()
    for report in reports:
        try:
            recorded += _record(ports, [report])
        except (DatabaseTrouble, CommitInDoubt):
            raise
        except Exception as error:  # noqa: BLE001 - the row is to blame, whatever it did
            recorded.counts["set_aside"] += 1
            _set_aside(ports, report, f"recording its outcome failed: {type(error).__name__}: {error}")
    return recorded


def _set_aside(ports: Ports, report: Report, reason: str) -> None:
    with ports.database.transaction() as tx:
        for owner in record.whose(tx, [report.attempt_id]):
            claim.set_invoice_aside(tx, invoice_id=owner.invoice_id, reason=reason)
            installation.write_events(
                tx,
                [
                    installation.event(
                        tx,
                        "invoice.set_aside",
                        subscription_id=owner.subscription_id,
                        invoice_id=owner.invoice_id,
                        attempt_id=report.attempt_id,
                        is_incident=True,
                        reason=reason,
                    )
                ],
            )
