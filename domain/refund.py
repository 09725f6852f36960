"""The life of a refund, and what a payment's own record proves about it.

A refund's mark stands in the cancel's reason, so that the payment's cancel history names it. The gateway refuses a
cancel whose checksum is not what can still be cancelled: one that was done cannot be done again.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from domain.evidence import LOOKS_APART, LOOKS_NEEDED, settled_at

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from domain.evidence import Patience, Record


class RefundState(StrEnum):
    """Where a refund stands."""

    PROPOSED = "proposed"  # waits for an operator's word
    REQUESTED = "requested"  # wanted; not sent yet
    IN_FLIGHT = "in_flight"
    UNKNOWN = "unknown"
    NOT_EXECUTED = "not_executed"  # proven; waits to be sent again with the same checksum
    SUCCEEDED = "succeeded"
    REFUSED = "refused"  # the gateway will not do it, or what it was asked of stands otherwise now
    REJECTED = "rejected"  # an operator said no


class RefundEvent(StrEnum):
    """What happens to a refund."""

    APPROVED = "approved"
    REJECTED = "rejected"
    SENT = "sent"
    SUCCEEDED = "succeeded"
    REFUSED = "refused"
    NOT_EXECUTED = "not_executed"
    UNKNOWN = "unknown"


_S: Final = RefundState
_E: Final = RefundEvent

REFUND_TABLE: Final = {
    (_S.PROPOSED, _E.APPROVED): _S.REQUESTED,
    (_S.PROPOSED, _E.REJECTED): _S.REJECTED,
    (_S.PROPOSED, _E.REFUSED): _S.REFUSED,
    (_S.REQUESTED, _E.SENT): _S.IN_FLIGHT,
    (_S.REQUESTED, _E.REJECTED): _S.REJECTED,
    (_S.REQUESTED, _E.REFUSED): _S.REFUSED,
    (_S.IN_FLIGHT, _E.SUCCEEDED): _S.SUCCEEDED,
    (_S.IN_FLIGHT, _E.NOT_EXECUTED): _S.NOT_EXECUTED,
    (_S.IN_FLIGHT, _E.UNKNOWN): _S.UNKNOWN,
    (_S.UNKNOWN, _E.SUCCEEDED): _S.SUCCEEDED,
    (_S.UNKNOWN, _E.REFUSED): _S.REFUSED,
    (_S.UNKNOWN, _E.NOT_EXECUTED): _S.NOT_EXECUTED,
    (_S.UNKNOWN, _E.UNKNOWN): _S.UNKNOWN,
    (_S.UNKNOWN, _E.REJECTED): _S.REJECTED,  # a person looked at the payment; nothing can come of it any more
    (_S.NOT_EXECUTED, _E.SENT): _S.IN_FLIGHT,
    (_S.NOT_EXECUTED, _E.APPROVED): _S.NOT_EXECUTED,  # sent once more, by an operator's word
    (_S.NOT_EXECUTED, _E.REJECTED): _S.REJECTED,
    (_S.NOT_EXECUTED, _E.REFUSED): _S.REFUSED,
    # Money that went back under our mark went back, whatever we thought of it; a restored backup may not know.
    (_S.PROPOSED, _E.SUCCEEDED): _S.SUCCEEDED,
    (_S.REQUESTED, _E.SUCCEEDED): _S.SUCCEEDED,
    (_S.NOT_EXECUTED, _E.SUCCEEDED): _S.SUCCEEDED,
    (_S.REFUSED, _E.SUCCEEDED): _S.SUCCEEDED,
    (_S.REJECTED, _E.SUCCEEDED): _S.SUCCEEDED,
}

#: Nobody knows, or will know only later, what the gateway did.
UNDECIDED_REFUND: Final = (RefundState.IN_FLIGHT, RefundState.UNKNOWN)
#: Sent, and its checksum may still be used: of a payment one at a time.
OUT_REFUND: Final = (*UNDECIDED_REFUND, RefundState.NOT_EXECUTED)
#: Its amount is kept for it.
OPEN_REFUND: Final = (RefundState.PROPOSED, RefundState.REQUESTED, *OUT_REFUND)
#: A person may still say no; to one that is unknown only once ``is_over``.
REJECTABLE: Final = (RefundState.PROPOSED, RefundState.REQUESTED, RefundState.NOT_EXECUTED)


class RefundUnknown(StrEnum):
    """Why it is not known what became of a cancel."""

    NO_ANSWER = "no_answer"
    REFUSED = "refused"  # the gateway's word; it stands once the payment was looked at
    NOT_SHOWN = "not_shown"  # said to be done, but the record that came with it does not show it
    ODD = "odd"  # what the payment shows does not fit: an operator's, at once
    LEASE_EXPIRED = "lease_expired"  # whoever sent it never reported


class RefundSource(StrEnum):
    """Where a payment's record was seen."""

    ANSWER = "answer"  # the cancel's own answer
    PAYMENT = "payment"  # by its imp_uid
    FIND_ALL = "find_all"  # among the records of its merchant_uid


class Trace(StrEnum):
    """What a payment's record shows of one refund."""

    DONE = "done"
    NONE = "none"  # it stands as it stood before the send
    OVERTAKEN = "overtaken"  # another cancel is there, ours is not: our checksum fits no more
    BEHIND = "behind"  # it shows less than is known already: an old picture, which proves nothing
    ODD = "odd"  # our mark with another amount, or another payment
    MISSING = "missing"  # the gateway told no such payment: which proves nothing


_NOT_DONE: Final = (Trace.NONE, Trace.OVERTAKEN)

_MARK: Final = re.compile(r"(?<![a-z2-7])jr[a-z2-7]{16}(?![a-z2-7])")
_MARK_BYTES: Final = 10  # 16 characters of base32

#: Begins the key of what was told in sum only; what stood cancelled after it follows.
_UNTOLD: Final = "untold:"

#: Characters of a cancel's reason, at most, its mark included: our choice, for the gateway publishes none.
REASON_LENGTH: Final = 80


def refund_mark(refund_id: UUID) -> str:
    """The refund's own mark: 18 characters that no other refund has, made again from the same id."""
    digest = hashlib.sha256(refund_id.bytes).digest()[:_MARK_BYTES]
    return "jr" + base64.b32encode(digest).decode("ascii").lower()


def cancel_reason(*, mark: str, reason: str) -> str:
    """What the cancel says: the mark first, so that nobody cuts it off."""
    return f"{mark} {reason}"[:REASON_LENGTH].strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One cancel in a payment's history. ``key`` names it within its payment: the mark, or when and how much. Won."""

    key: str
    amount: int
    mark: str | None
    is_reasonless: bool
    before: int  # what was cancelled before it
    cancelled_at: datetime | None


def entries_of(record: Record, *, booked: int = 0) -> list[Entry]:
    """A payment's cancels, oldest first. What neither the history nor ``booked`` (won) explains is one entry more."""
    begin = datetime.min.replace(tzinfo=UTC)
    told = sorted(record.cancellations, key=lambda each: each.cancelled_at or begin)
    entries: list[Entry] = []
    alike: Counter[str] = Counter()
    before = 0
    for each in told:
        found = _MARK.search(each.reason)
        mark = found.group() if found else None
        at = int(each.cancelled_at.timestamp()) if each.cancelled_at else 0
        name = mark or f"{at}:{each.amount}"
        alike[name] += 1
        entries.append(
            Entry(
                key=name if alike[name] == 1 else f"{name}:{alike[name]}",
                amount=each.amount,
                mark=mark,
                is_reasonless=not each.reason.strip(),
                before=before,
                cancelled_at=each.cancelled_at,
            )
        )
        before += each.amount
    before = max(before, booked)
    if record.cancel_amount > before:
        rest = record.cancel_amount - before
        entries.append(
            Entry(
                key=f"{_UNTOLD}{record.cancel_amount}",
                amount=rest,
                mark=None,
                is_reasonless=True,
                before=before,
                cancelled_at=None,
            )
        )
    return entries


def is_within_a_sum(entry: Entry, booked: Mapping[str, int]) -> bool:
    """Whether an entry lies within a sum that was booked before the history told of it; ``booked``: won by key."""
    ends = [(int(key.removeprefix(_UNTOLD)), won) for key, won in booked.items() if key.startswith(_UNTOLD)]
    return any(end - won <= entry.before and entry.before + entry.amount <= end for end, won in ends)


@dataclass(frozen=True, slots=True, kw_only=True)
class SentRefund:
    """What exactly was asked, by the latest send of a refund, and when. Won; instants are real time, aware UTC.

    ``token_dead_at``: when a *different* token was first seen, so that the send's own is dead; None: not yet.
    """

    imp_uid: str
    mark: str
    paid: int
    amount: int
    checksum: int
    booked: int  # what is known to be cancelled of the payment
    send_no: int
    committed_at: datetime
    token_digest: str
    token_dead_at: datetime | None


def is_done_by(entry: Entry, *, mark: str, amount: int, cancelled_before: int | None) -> bool:
    """Whether an entry is this refund: by its mark; by amounts where the entry says nothing of itself.

    ``cancelled_before``: what stood cancelled when the refund was sent; None: it was never sent.
    """
    if entry.mark is not None:
        return entry.mark == mark and entry.amount == amount
    return entry.is_reasonless and (entry.before, entry.amount) == (cancelled_before, amount)


def trace_of(record: Record | None, sent: SentRefund) -> Trace:
    """What a record shows of the latest send."""
    if record is None:
        return Trace.MISSING
    if (record.imp_uid, record.amount) != (sent.imp_uid, sent.paid):
        return Trace.ODD
    entries = entries_of(record, booked=sent.booked)
    before = sent.paid - sent.checksum
    if any(is_done_by(each, mark=sent.mark, amount=sent.amount, cancelled_before=before) for each in entries):
        return Trace.DONE
    if any(each.mark == sent.mark for each in entries) or sum(each.amount for each in entries) > record.cancel_amount:
        return Trace.ODD
    if record.cancel_amount < max(before, sent.booked):
        return Trace.BEHIND
    return Trace.NONE if record.cancel_amount == before else Trace.OVERTAKEN


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundLook:
    """One stored look at a payment, after one send. ``began_at`` is real time; the digest names the token it used."""

    source: RefundSource
    trace: Trace
    began_at: datetime
    token_digest: str


def refusal_stands(looks: Sequence[RefundLook], patience: Patience) -> bool:
    """Whether the gateway's "no" is believed: looks at the payment, spaced, show that it did not do it after all."""
    return _spaced_looks(looks, patience) and not _is_contradicted(looks)


def never_happened(*, looks: Sequence[RefundLook], sent: SentRefund, patience: Patience) -> bool:
    """Whether the gateway certainly never executed this send.

    As for a charge: no look shows it; the payment was looked at twice at least, spaced; once settling is over and the
    send's token is dead, the payment and the records of its order were looked at once more, under another token.
    """
    final_from = settled_at(sent, patience)
    if final_from is None or _is_contradicted(looks) or not _spaced_looks(looks, patience):
        return False
    final = {
        look.source
        for look in looks
        if look.trace in _NOT_DONE and look.began_at >= final_from and look.token_digest != sent.token_digest
    }
    return {RefundSource.PAYMENT, RefundSource.FIND_ALL} <= final


def is_over(sent: SentRefund, *, now: datetime, patience: Patience) -> bool:
    """Whether nothing can come of a send any more that did not come by now, whatever became of it. Real time."""
    final_from = settled_at(sent, patience)
    return final_from is not None and now >= final_from


def _is_contradicted(looks: Sequence[RefundLook]) -> bool:
    return any(look.trace in {Trace.DONE, Trace.ODD} for look in looks)


def _spaced_looks(looks: Sequence[RefundLook], patience: Patience) -> bool:
    at = sorted(look.began_at for look in looks if look.source is RefundSource.PAYMENT and look.trace in _NOT_DONE)
    return len(at) >= LOOKS_NEEDED and at[-1] - at[0] >= patience.settling * LOOKS_APART
