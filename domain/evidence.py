"""What do look-ups prove: that an attempt was paid, declined, never executed, or nothing yet?"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

from domain.decline import is_ambiguous
from domain.outcome import (
    Approved,
    DeclineCode,
    Declined,
    NotExecuted,
    NotExecutedReason,
    Outcome,
    Unknown,
    UnknownReason,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta


class Source(StrEnum):
    """Where a piece of evidence came from."""

    AGAIN = "again"  # the answer to the charge itself
    FIND_ALL = "find_all"  # every record of a merchant_uid
    CARD_PAYMENTS = "card_payments"  # a card's payments
    DAY_LIST = "day_list"  # the list of all payments
    PAYMENT = "payment"  # one payment by its imp_uid: tells what is there, never that nothing is


class Said(StrEnum):
    """What a look-up said of one merchant_uid, in a word."""

    ABSENT = "absent"
    PAID = "paid"
    CANCELLED = "cancelled"
    FAILED = "failed"
    OTHER = "other"  # ready, a status that we do not know, or no money at all


#: Absence must be said at least this often by findAll, this share of the settling time apart.
LOOKS_NEEDED: Final = 2
LOOKS_APART: Final = 0.1

#: Why a record of a test channel is nobody's payment on a live one.
SANDBOX_ON_LIVE: Final = "marked sandbox on a live channel: no money moved"

#: When an unknown is asked about, as shares of the settling time since the send; then once settled.
LOOK_UP_AT: Final = (1 / 90, 1 / 30, 1 / 15, 1 / 6, 1 / 3, 2 / 3)
#: Once settled and not proven, and once it is before an operator.
LOOK_UP_AGAIN: Final = 1 / 30
LOOK_UP_SLOWLY: Final = 1 / 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancellation:
    """One entry of a payment's cancel history. Won; ``cancelled_at`` aware UTC or None."""

    amount: int
    cancelled_at: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One payment record as the gateway tells it. Won; instants aware UTC or None."""

    imp_uid: str
    merchant_uid: str
    status: str  # ready | paid | cancelled | failed | something new
    amount: int
    cancel_amount: int = 0
    customer_uid: str | None = field(default=None, repr=False)
    fail_reason: str = ""
    decline_code: DeclineCode = DeclineCode.UNCLASSIFIED  # what fail_reason means, if failed
    started_at: datetime | None = None
    paid_at: datetime | None = None
    failed_at: datetime | None = None
    sandbox: bool = False
    is_money: bool = True  # False: marked ``sandbox`` although the channel is live; it counts for nothing
    cancellations: Sequence[Cancellation] = ()
    issuer_code: str = ""  # the card company's code of the Korea Financial Telecommunications institute, if told
    pg: str = ""  # ``pg_provider.pg_id``, if told: which MID took it
    usage: str = ""  # what the card was used for: issue (of its key) | payment | payment.scheduled, if told

    @property
    def said(self) -> Said:
        """The status in a word; what is no money is none that we know."""
        return Said(self.status) if self.is_money and self.status in {"paid", "cancelled", "failed"} else Said.OTHER


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One stored look-up of one send. ``began_at`` is real time (aware UTC); the digest names the token it used."""

    source: Source
    said: Said
    began_at: datetime
    token_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SentCharge:
    """What exactly was asked, by one send of an attempt, and when. Instants are real time, aware UTC.

    ``token_dead_at``: when a *different* token was first seen, so that the send's own is dead; None: not yet.
    """

    merchant_uid: str
    customer_uids: frozenset[str] = field(repr=False)  # of every send of the attempt: the card may have changed
    amount: int
    send_no: int
    committed_at: datetime
    token_digest: str
    token_dead_at: datetime | None


class Sent(Protocol):
    """What proof of absence needs to know of a send, whatever it asked for. Instants are real time, aware UTC."""

    @property
    def committed_at(self) -> datetime:
        """When it was committed, before anything left."""

    @property
    def token_digest(self) -> str:
        """Names the token that it was sent with."""

    @property
    def token_dead_at(self) -> datetime | None:
        """When a different token was first seen; None: not yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long absence must hold. Real time.

    Source: the token lives at most 35 minutes (30, and 5 by extension), and processing is taken to end within 10.
    """

    settling: timedelta
    longest_processing: timedelta


def settled_at(sent: Sent, patience: Patience) -> datetime | None:
    """When look-ups begin to count as final for this send: real time, or None while its token may live."""
    if sent.token_dead_at is None:
        return None
    return max(sent.committed_at + patience.settling, sent.token_dead_at + patience.longest_processing)


def absence_is_proven(*, looks: Sequence[Look], sent: SentCharge, patience: Patience) -> bool:
    """Whether the gateway certainly never executed this send.

    ``looks`` are those of this send alone. Needed: every one says absent; findAll said so at least twice, spaced; the
    last findAll and the last of a second endpoint began after settling ended, under another token than the send's.
    """
    final_from = settled_at(sent, patience)
    asked = [look for look in looks if look.source is not Source.AGAIN]
    if final_from is None or any(look.said is not Said.ABSENT for look in asked):
        return False
    find_all = sorted(look.began_at for look in asked if look.source is Source.FIND_ALL)
    if len(find_all) < LOOKS_NEEDED or find_all[-1] - find_all[0] < patience.settling * LOOKS_APART:
        return False
    final_sources = {
        look.source
        for look in asked
        if look.began_at >= final_from
        and look.token_digest != sent.token_digest
        and look.source is not Source.PAYMENT  # somebody told us which number to look for
    }
    return Source.FIND_ALL in final_sources and len(final_sources) > 1


def judge(*, records: Sequence[Record], sent: SentCharge, now: datetime, patience: Patience) -> Outcome | None:
    """What the records found say about an attempt; None when there is no record.

    Args:
        records: Every record of the attempt's ``merchant_uid`` that any endpoint told.
        sent: The attempt's latest send.
        now: Real time at which the look-up began.
        patience: When a failed record is final.
    """
    if not records:
        return None
    money = [record for record in records if record.said in {Said.PAID, Said.CANCELLED}]
    for record in money:
        if matches(record, sent):
            return Approved(imp_uid=record.imp_uid, amount=record.amount, paid_at=record.paid_at)
    if money:
        return Unknown(reason=UnknownReason.MISMATCH, raw_reason=_mismatch(money[0], sent))
    for record in records:
        if not record.is_money:
            return Unknown(reason=UnknownReason.MISMATCH, raw_reason=f"{record.imp_uid}: {SANDBOX_ON_LIVE}")
    if any(record.said is Said.OTHER for record in records):
        return Unknown(reason=UnknownReason.NOT_FINAL)
    newest = max(records, key=lambda record: (record.failed_at or sent.committed_at, record.imp_uid))
    final_from = settled_at(sent, patience)
    settled = final_from is not None and now >= final_from
    if is_ambiguous(newest.decline_code) and not settled:
        return Unknown(reason=UnknownReason.AMBIGUOUS_DECLINE, raw_reason=newest.fail_reason)
    if sent.send_no > 1 and not settled:
        # The failed record may be an earlier send's; this one's may still come.
        return Unknown(reason=UnknownReason.NOT_FINAL, raw_reason=newest.fail_reason)
    return Declined(decline_code=newest.decline_code, raw_reason=newest.fail_reason, imp_uid=newest.imp_uid)


def matches(record: Record, sent: SentCharge) -> bool:
    """Whether a record is the payment that we asked for: same order, same amount, same card."""
    return (
        record.merchant_uid == sent.merchant_uid
        and record.amount == sent.amount
        and (record.customer_uid is None or record.customer_uid in sent.customer_uids)
    )


def after_absence(reason: UnknownReason, raw_reason: str) -> Outcome:
    """The outcome of an unknown whose absence is proven: a refused request is declined, the rest not executed."""
    if reason is UnknownReason.REFUSED_REQUEST:
        return Declined(decline_code=DeclineCode.REQUEST_REFUSED, raw_reason=raw_reason)
    return NotExecuted(reason=NotExecutedReason.PROVEN_ABSENT)


def next_look_up(
    *, sent: Sent, now: datetime, patience: Patience, before_operator: bool, at_once: bool = False
) -> datetime:
    """When to ask about this send next: real time, later than ``now`` unless ``at_once``."""
    if at_once:
        return now
    if before_operator:
        return now + patience.settling * LOOK_UP_SLOWLY
    steps = [sent.committed_at + patience.settling * share for share in LOOK_UP_AT]
    final_from = settled_at(sent, patience)
    steps.append(sent.committed_at + patience.settling if final_from is None else final_from)
    upcoming = [step for step in steps if step > now]
    return upcoming[0] if upcoming else now + patience.settling * LOOK_UP_AGAIN


def _mismatch(record: Record, sent: SentCharge) -> str:
    if record.amount != sent.amount:
        return f"{record.imp_uid} has {record.amount} won, we asked for {sent.amount}"
    return f"{record.imp_uid} was made with another card than the one we named"
