"""What customers said to a change of price that is ahead, and what they were told of it, is written down.

Only what can count is taken: an answer within the days before the change, a notice long enough before it. One that is
taken is never rewritten; a customer who changes their mind gives another answer, and the newest counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from billing.change_subscription import lock_subscription
from billing.price_changes import planned_of
from domain.consent import CONSENT_WITHIN, NOTICE_AHEAD, Answer, ChangeKind, needs_consent
from domain.errors import BadInput, Conflict, NotFound
from models.ids import new_id
from models.queries import consent, installation, listing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row

    from billing.change_subscription import By
    from domain.consent_file import Statement
    from models.session import Database, Transaction

    #: Of a change that is ahead, and of what is told about it: the row to write.
    Make = Callable[[Transaction, Row[Any], Statement, By], dict[str, Any]]

#: Rows in one commit.
CHUNK: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What was written down of one subscription: the change that it is about. Won a period; UTC."""

    subscription_id: UUID
    old_won: int
    new_won: int
    effective_at: datetime


@dataclass(slots=True)
class Outcome:
    """What became of many: those written down, and the lines that were refused, each with why."""

    recorded: list[Recorded] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)


def record_consent(database: Database, said: Statement, *, by: By, dry_run: bool = False) -> Recorded:
    """Write down one customer's answer.

    Raises:
        NotFound, Conflict: There is no such subscription, or nothing of its price is ahead.
        BadInput: It lies in the future, or too long before the change.
    """
    with database.transaction() as tx:
        return _record(tx, said, by, _consent_row, dry_run=dry_run)


def record_notice(database: Database, said: Statement, *, by: By, dry_run: bool = False) -> Recorded:
    """Write down that one customer was told.

    Raises:
        NotFound, Conflict: There is no such subscription, or nothing of its price is ahead.
        BadInput: It lies in the future, or too shortly before the change.
    """
    with database.transaction() as tx:
        return _record(tx, said, by, _notice_row, dry_run=dry_run)


def record_consents(
    database: Database, said: Iterable[Sequence[Statement]], *, by: By, dry_run: bool = False
) -> Outcome:
    """Write down many answers, a chunk a commit; a row that cannot be taken is refused by itself."""
    return _record_many(database, said, by, _consent_row, dry_run=dry_run)


def record_notices(
    database: Database, said: Iterable[Sequence[Statement]], *, by: By, dry_run: bool = False
) -> Outcome:
    """Write down that many were told, a chunk a commit; a row that cannot be taken is refused by itself."""
    return _record_many(database, said, by, _notice_row, dry_run=dry_run)


def _record_many(
    database: Database, chunks: Iterable[Sequence[Statement]], by: By, make: Make, *, dry_run: bool
) -> Outcome:
    outcome = Outcome()
    for chunk in chunks:
        recorded: list[Recorded] = []
        refused: list[tuple[int, str]] = []
        with database.transaction() as tx:
            for said in sorted(chunk, key=lambda each: each.subscription):  # subscriptions are locked by id
                try:
                    recorded.append(_record(tx, said, by, make, dry_run=dry_run))
                except (BadInput, Conflict, NotFound) as error:  # trouble of the database is nobody's row
                    refused.append((said.line, str(error)))
        outcome.recorded += recorded
        outcome.refused += sorted(refused)
    return outcome


def _record(tx: Transaction, said: Statement, by: By, make: Make, *, dry_run: bool) -> Recorded:
    subscription_id = listing.find_id(tx, "subscription", said.subscription)
    lock_subscription(tx, subscription_id)
    change = planned_of(tx, subscription_id)
    if not needs_consent(ChangeKind(change.kind), old=change.old_unit, new=change.new_unit):
        raise Conflict(f"what is ahead of subscription {subscription_id} costs no more: it asks for no consent")
    if said.at > tx.now:
        raise BadInput(f"{said.at} is yet to come; write down what has happened")
    row = make(tx, change, said, by)
    if not dry_run:
        told = {"price_change_id": str(change.id), "at": said.at.isoformat(), "through": said.through}
        if "told_at" in row:
            consent.add_notices(tx, [row])
            _tell(tx, "notice.recorded", subscription_id, by, **told)
        else:
            consent.add_consents(tx, [row])
            _tell(tx, "consent.recorded", subscription_id, by, **told, answer=said.answer)
    return Recorded(
        subscription_id=subscription_id,
        old_won=change.old_won,
        new_won=change.new_won,
        effective_at=change.effective_at,
    )


def _consent_row(tx: Transaction, change: Row[Any], said: Statement, by: By) -> dict[str, Any]:
    opens = change.effective_at - CONSENT_WITHIN
    if said.answer is Answer.AGREED and said.at < opens:
        raise BadInput(
            f"consent of {said.at} was given more than {CONSENT_WITHIN.days} days before the change of"
            f" {change.effective_at}; ask again from {opens} on"
        )
    return {
        "id": new_id(tx.real),
        "subscription_id": change.subscription_id,
        "price_change_id": change.id,
        "answer": said.answer,
        "given_at": said.at,
        "through": said.through,
        "text_version": said.text_version,
        "ref": said.ref,
        "old_won": change.old_won,
        "new_won": change.new_won,
        "effective_at": change.effective_at,
        "recorded_by": by.actor,
        "recorded_at": tx.now,
    }


def _notice_row(tx: Transaction, change: Row[Any], said: Statement, by: By) -> dict[str, Any]:
    closes = change.effective_at - NOTICE_AHEAD
    if said.at > closes:
        raise BadInput(
            f"a notice of {said.at} comes less than {NOTICE_AHEAD.days} days before the change of"
            f" {change.effective_at}: it does not count; without one in time nothing is raised"
        )
    return {
        "id": new_id(tx.real),
        "price_change_id": change.id,
        "told_at": said.at,
        "through": said.through,
        "text_version": said.text_version,
        "ref": said.ref,
        "recorded_by": by.actor,
        "recorded_at": tx.now,
    }


def _tell(
    tx: Transaction,
    kind: str,
    subscription_id: UUID,
    by: By,
    **told: Any,  # noqa: ANN401 - JSON
) -> None:
    installation.write_events(tx, [installation.event(tx, kind, subscription_id=subscription_id, **told)])
    installation.write_audit(
        tx, actor=by.actor, action=kind, subject="subscription", subject_id=subscription_id, reason=by.reason, **told
    )
