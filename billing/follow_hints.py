"""A hook is followed: the gateway is asked about what it names, and only what the gateway shows counts.

Hooks are unsigned, may be lost, late, doubled, reordered or forged. So they choose when we look, never what we believe:

- What is found paid goes to ``record_outcomes`` without a fence, from which only success is taken. A lease, a fence and
  whoever is sending right now are left alone.
- An unknown attempt that has a record, but no payment, is asked about by the resolver at once, under its own fence.
- Absence is never written down here, and hastens nothing. So no hook adds a look to a proof of absence, and the looks
  that it may bring forward are those that saw a record, with which nothing is proven absent.
- What is not ours is not looked up, and what is ours only so often a minute.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from billing.book_cancellations import book_cancellations
from billing.look_up import ask_each, seen
from billing.record_outcome import record_outcomes
from billing.report import Report
from billing.sent_charges import sent_charges
from billing.token_in_hand import token_in_hand
from domain.charge_attempt import UNDECIDED, AttemptState
from domain.errors import GatewayTrouble
from domain.evidence import Said, Source, judge
from domain.hint import HintOutcome, HintStatus
from domain.outcome import Approved
from gateway.port import Finding
from models.queries import hint as inbox
from models.queries import installation, record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row

    from billing.look_up import Seen
    from billing.ports import Ports
    from domain.evidence import Record, SentCharge
    from gateway.port import AccessToken

#: Hooks followed in one go.
BATCH: Final = 100
#: Batches that are closed in one go without a look.
SWEEPS: Final = 20
#: A hook of which the gateway shows nothing is followed so often, longer apart each time; one without any usable
#: answer, too.
LOOKS: Final = 3
LOOKS_WITHOUT_ANSWER: Final = 6
LONGER: Final = 6

_MONEY: Final = (Said.PAID, Said.CANCELLED)


@dataclass(slots=True, kw_only=True)
class _Subject:
    """One attempt that hooks are about: as it stood, what was sent, and what the gateway shows of it."""

    attempt: Row[Any]
    sent: SentCharge
    hints: list[Row[Any]] = field(default_factory=list)
    found: list[Seen] = field(default_factory=list)
    is_answered: bool = False

    @property
    def records(self) -> Mapping[str, Record]:
        """Every record of the attempt's order number that was shown, by ``imp_uid``."""
        return {each.imp_uid: each for answer in self.found for each in answer.records}

    def wanted(self) -> list[str]:
        """Payments that a hook names and findAll did not show, or whose cancellations are to be read."""
        named = {row.imp_uid for row in self.hints if row.status == HintStatus.CANCELLED}
        named |= {row.imp_uid for row in self.hints} - self.records.keys()
        return sorted(named)


def follow_hints(ports: Ports) -> Counter[str]:
    """Follow a batch of hooks about this channel's attempts; gives how many ended in which way.

    What a slow gateway leaves no time for counts as not answered.
    """
    leave_at = ports.boottime() + ports.limits.run_seconds
    grace = timedelta(seconds=ports.limits.resend_pause_seconds)
    counts = _close_without_a_look(ports)
    with ports.database.reading() as tx:
        is_any_due = inbox.is_any_due(tx, channel=ports.channel.name, answered_by=tx.real - grace)
    if not is_any_due:
        return +counts
    try:
        token = token_in_hand(ports)
    except GatewayTrouble as trouble:
        return +counts + Counter({trouble.code: 1})
    with ports.database.transaction() as tx:
        taken = inbox.take_due(
            tx,
            channel=ports.channel.name,
            limit=BATCH,
            a_minute=ports.limits.hint_look_ups_a_minute,
            answered_by=tx.real - grace,
            until=tx.real + timedelta(seconds=ports.limits.lease_seconds),
        )
        attempts = inbox.attempts(tx, sorted({row.attempt_id for row in taken}))
        sent = sent_charges(tx, list(attempts), attempts)
        now = tx.real
    subjects = {key: _Subject(attempt=row, sent=sent[key]) for key, row in attempts.items()}
    for row in taken:
        subjects[row.attempt_id].hints.append(row)
    _ask(ports, token, list(subjects.values()), now, goes_on=lambda: ports.boottime() < leave_at)
    return +counts + _conclude(ports, list(subjects.values()), now)


def _close_without_a_look(ports: Ports) -> Counter[str]:
    """Close what nobody need be asked about: faster than the door lets it in, or a flood would hide what is ours."""
    counts: Counter[str] = Counter()
    for _ in range(SWEEPS):
        with ports.database.transaction() as tx:
            closed = inbox.close_without_a_look(tx)
        counts.update({str(outcome): n for outcome, n in closed.items()})
        if max(closed.values()) < inbox.BATCH:
            break
    return counts


def _ask(
    ports: Ports, token: AccessToken, subjects: Sequence[_Subject], now: datetime, *, goes_on: Callable[[], bool]
) -> None:
    """FindAll for each, and the payment itself where a hook names one that findAll did not show, or cancellations."""

    def find_all(subject: _Subject) -> Seen:
        return seen(ports.gateway.find_all(merchant_uid=subject.attempt.merchant_uid, token=token), began_at=now)

    def payment(asked: tuple[_Subject, str]) -> Record | None:
        return ports.gateway.payment(imp_uid=asked[1], token=token)

    for subject, answer in ask_each(subjects, find_all, goes_on=goes_on):
        if not isinstance(answer, GatewayTrouble):
            subject.is_answered = True
            subject.found.append(answer)
    answered = [subject for subject in subjects if subject.is_answered]
    wanted = [(each, uid) for each in answered for uid in each.wanted()]
    for (subject, _), told in ask_each(wanted, payment, goes_on=goes_on):
        # Another order's payment is no evidence for this one, and a payment that is not shown is none at all.
        if told is None or isinstance(told, GatewayTrouble) or told.merchant_uid != subject.attempt.merchant_uid:
            continue
        finding = Finding(source=Source.PAYMENT, records=[told], token_digest=token.digest)
        subject.found.append(seen(finding, began_at=now))


def _conclude(ports: Ports, subjects: Sequence[_Subject], now: datetime) -> Counter[str]:
    """Hand on what was found, then write down what became of each hook."""
    successes = [report for subject in subjects if (report := _success(ports, subject, now)) is not None]
    with ports.database.reading() as tx:
        uids = sorted({uid for subject in subjects for uid in subject.records})
        known = set(record.known_payments(tx, uids)) if uids else set[str]()
    # What is written down is not written again: a flood of hooks about paid invoices must not fill the books.
    stands = {subject.attempt.id for subject in subjects if subject.attempt.state == AttemptState.APPROVED}
    news = [
        each for each in successes if each.attempt_id not in stands or {paid.imp_uid for paid in each.payments} - known
    ]
    record_outcomes(ports, news)
    # Payments that are written down, also in earlier days: each cancel is booked once, by its place in the history.
    book_cancellations(ports, [each for subject in subjects for each in subject.records.values()])
    approved = {report.attempt_id for report in successes}
    _tell_odd_money(ports, [subject for subject in subjects if _is_odd(subject, approved)], known)
    rows = [
        _row(ports, hint, _outcome(hint, subject, approved, known), is_answered=subject.is_answered, now=now)
        for subject in subjects
        for hint in subject.hints
    ]
    with ports.database.transaction() as tx:
        inbox.hasten(tx, [subject.attempt.id for subject in subjects if _is_hastened(subject, approved)])
        inbox.write_followed(tx, rows)
    return Counter(str(row["outcome"] or "open") for row in rows)


def _success(ports: Ports, subject: _Subject, now: datetime) -> Report | None:
    """Evidence that it was paid, as a report without a fence; anything else is nobody's business here."""
    records = list(subject.records.values())
    outcome = judge(records=records, sent=subject.sent, now=now, patience=ports.limits.patience)
    if not isinstance(outcome, Approved):
        return None
    return Report(
        attempt_id=subject.attempt.id,
        send_no=subject.sent.send_no,
        fence=None,
        outcome=outcome,
        looked=[answer.looked for answer in subject.found if answer.looked.said in _MONEY],
        payments=[each for each in records if each.said in _MONEY],
    )


def _outcome(hint: Row[Any], subject: _Subject, approved: set[UUID], known: set[str]) -> HintOutcome | None:
    """What became of a hook about an attempt; None: it is followed again."""
    records = subject.records
    if subject.attempt.id in approved:
        money = {uid for uid, each in records.items() if each.said in _MONEY}
        if money - known:
            return HintOutcome.NEWS
        is_cancelled = any(each.cancel_amount for each in records.values())
        return HintOutcome.CANCELLATION if is_cancelled else HintOutcome.NOTHING_NEW
    if _is_hastened(subject, approved):
        return HintOutcome.HASTENED
    if _is_odd(subject, approved):
        return HintOutcome.ODD
    told = records.get(hint.imp_uid)
    if told is not None and told.status == hint.status and subject.attempt.state not in UNDECIDED:
        return HintOutcome.NOTHING_NEW
    # A record that is not shown yet, or an answer that did not come: perhaps at the next look.
    return None


def _is_hastened(subject: _Subject, approved: set[UUID]) -> bool:
    """Unknown, and the gateway shows a record of it that is no success: the resolver judges it."""
    is_unknown = subject.attempt.state == AttemptState.UNKNOWN
    return is_unknown and bool(subject.records) and subject.attempt.id not in approved


def _is_odd(subject: _Subject, approved: set[UUID]) -> bool:
    """Money under an attempt that ended without it, and not the money that was asked for."""
    has_money = any(each.said in _MONEY for each in subject.records.values())
    return has_money and subject.attempt.id not in approved and subject.attempt.state not in UNDECIDED


def _row(
    ports: Ports, hint: Row[Any], outcome: HintOutcome | None, *, is_answered: bool, now: datetime
) -> dict[str, object]:
    if outcome is None and hint.looks >= (LOOKS if is_answered else LOOKS_WITHOUT_ANSWER):
        outcome = HintOutcome.NOT_FOUND if is_answered else HintOutcome.GAVE_UP
    pause = timedelta(seconds=ports.limits.resend_pause_seconds * LONGER ** (min(hint.looks, LOOKS) - 1))
    return {
        "id": hint.id,
        "follow_at": now + pause,
        "closed_at": None if outcome is None else now,
        "outcome": outcome,
    }


def _tell_odd_money(ports: Ports, subjects: Sequence[_Subject], known: set[str]) -> None:
    """A payment that is not the one asked for, of an attempt that has ended: a person is told, once a payment."""
    for subject in subjects:
        attempt = subject.attempt
        odd = [each for each in subject.records.values() if each.said in _MONEY and each.imp_uid not in known]
        with ports.database.transaction() as tx:
            events = [
                installation.event(
                    tx,
                    "payment.odd",
                    subscription_id=attempt.subscription_id,
                    invoice_id=attempt.invoice_id,
                    attempt_id=attempt.id,
                    is_incident=True,
                    attempt_no=attempt.attempt_no,
                    imp_uid=each.imp_uid,
                    amount=each.amount,
                )
                for each in odd
                if not inbox.told_before(tx, invoice_id=attempt.invoice_id, kind="payment.odd", imp_uid=each.imp_uid)
            ]
            installation.write_events(tx, events)
