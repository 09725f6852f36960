"""Does everything that must hold, hold? The books against themselves, the calendar, and the gateway's list.

Reads only (but for the digest of the access token that the gateway's list needs). What is found is told, never mended.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Final

from billing.calendars import calendar_of
from billing.token_in_hand import token_in_hand
from domain.charge_attempt import UNDECIDED
from domain.evidence import Said
from domain.identity import is_ours, merchant_uid
from domain.invoice import Purpose
from models.queries import invariants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime
    from uuid import UUID

    from billing.ports import Ports
    from domain.evidence import Record
    from models.session import Transaction

#: Real time that work may take to be done before it counts as left lying.
LEEWAY: Final = timedelta(minutes=5)

#: The gateway's list is read in such spans, so that one of them fits the memory.
_SPAN: Final = timedelta(days=7)
#: The gateway's clock is not ours.
_MARGIN: Final = timedelta(hours=1)
_ASKED_AT_ONCE: Final = 1_000
_ATTEMPT_FIELD: Final = 3  # the last characters of a merchant_uid are the attempt's number
_MONEY: Final = (Said.PAID, Said.CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """One thing that is not as it must be, or that a person must look at: which rule, whose row, what is wrong."""

    invariant: str
    subject: str
    told: str

    def __str__(self) -> str:  # type: ignore[explicit-override]  # typing has no @override in 3.11
        """One line."""
        return f"{self.invariant}: {self.subject}: {self.told}"


def _nobody(_: Broken) -> None:
    return None


def check_invariants(
    ports: Ports,
    *,
    gateways: Sequence[Ports] = (),
    progress: Callable[[str], None],
    attention: Callable[[Broken], None] = _nobody,
    leeway: timedelta = LEEWAY,
) -> list[Broken]:
    """Check all of them; an empty list is a clean bill.

    Args:
        ports: Any channel's; its gateway is not asked.
        gateways: Channels that are compared with their gateway's own list of everything since the first charge, both
            ways.
        progress: Is told what is being looked at.
        attention: Is told what is not broken, but needs a person: what was set aside, surplus money, operators' work.
        leeway: Real time before what is due counts as left lying.

    Raises:
        GatewayTrouble: Its list could not be read.
    """
    broken: list[Broken] = []
    with ports.database.reading() as tx:
        for name, statement in invariants.BROKEN.items():
            progress(name)
            broken.extend(_told(name, invariants.found(tx, statement, leeway=leeway)))
        for name, look in (
            ("next_billing_is_the_next_period", _wrong_next_billing),
            ("term_ends_with_its_last_period", _wrong_terms),
            ("invoice_has_its_periods_dates", _wrong_periods),
        ):
            progress(name)
            broken.extend(_first(name, look(tx)))
        progress("merchant_uid_is_made_again")
        broken.extend(_first("merchant_uid_is_made_again", _wrong_names(tx, ports.namespace)))
        for name, statement in invariants.ATTENTION.items():
            progress(name)
            for each in _told(name, invariants.found(tx, statement, leeway=leeway)):
                attention(each)
    if gateways:
        broken.extend(_GatewaysLists(gateways, progress, attention).compared())
    return broken


def _told(name: str, found: Iterable[tuple[str, str]]) -> list[Broken]:
    return [Broken(invariant=name, subject=subject, told=told) for subject, told in found]


def _first(name: str, found: Iterator[tuple[object, str]]) -> list[Broken]:
    return [Broken(invariant=name, subject=str(subject), told=told) for subject, told in islice(found, invariants.TOLD)]


def _wrong_next_billing(tx: Transaction) -> Iterator[tuple[UUID, str]]:
    for row in invariants.standing_subscriptions(tx):
        expected = calendar_of(row).due_at(row.ordinal + 1)
        if row.next_billing_at != expected:
            yield row.id, f"bills next at {row.next_billing_at}, period {row.ordinal + 1} is due at {expected}"


def _wrong_terms(tx: Transaction) -> Iterator[tuple[UUID, str]]:
    for row in invariants.standing_subscriptions(tx):
        expected = calendar_of(row).ends_at
        if row.term_ends_at != expected:
            yield row.id, f"is to end at {row.term_ends_at}, the last of its {row.periods} periods ends at {expected}"


def _wrong_periods(tx: Transaction) -> Iterator[tuple[UUID, str]]:
    for row in invariants.invoices_with_calendar(tx):
        calendar = calendar_of(row)
        if row.ordinal < calendar.first_known:
            continue  # from before its billing day was moved: what is next to it says when it began and ended
        period, share = calendar.period(row.ordinal), None
        if period.share is not None:
            share = (period.share.days, period.share.of_days)
        if (row.share_days, row.share_of_days) != (share or (None, None)):
            yield row.id, f"is for {row.share_days} of {row.share_of_days} days, by its calendar for {share or 'all'}"
        if (row.period_start, row.period_end) != (period.start, period.end):
            yield (
                row.id,
                f"is for {row.period_start} to {row.period_end}, period {row.ordinal} starts at {period.start}",
            )


def _wrong_names(tx: Transaction, namespace: str) -> Iterator[tuple[UUID, str]]:
    for row in invariants.attempts_with_identity(tx):
        expected = merchant_uid(
            namespace=namespace,
            subscription_id=row.subscription_id,
            purpose=Purpose(row.purpose),
            ordinal=row.ordinal,
            attempt_no=row.attempt_no,
        )
        if row.merchant_uid != expected:
            yield row.id, f"is named {row.merchant_uid}, its name is {expected}"


class _GatewaysLists:
    """What the gateways have, against what we have, and the other way round.

    Over all channels at once: a period that was paid through two of them was paid twice.
    """

    def __init__(
        self, channels: Sequence[Ports], progress: Callable[[str], None], attention: Callable[[Broken], None]
    ) -> None:
        self._channels = channels
        self._database = channels[0].database
        self._attention = attention
        self._progress = progress
        self._seen: set[str] = set()
        self._by_period: dict[str, str] = {}  # the period's part of a merchant_uid -> its uncancelled payment
        self._broken: list[Broken] = []

    def compared(self) -> list[Broken]:
        """Walk the gateways' lists, then ours."""
        with self._database.reading() as tx:
            first, end, before = invariants.first_send_at(tx), tx.real + _MARGIN, invariants.id_bound(tx)
        if first is None:
            return []
        for ports in self._channels:
            begin = first - _MARGIN
            while begin < end:
                until = min(begin + _SPAN, end)
                self._compare_span(ports, begin, until)
                begin = until
        names = [ports.channel.name for ports in self._channels]
        with self._database.reading() as tx:
            for payment in invariants.payments_before(tx, before, channels=names):
                if payment.imp_uid not in self._seen:
                    self._tell("paid_here_is_paid_there", payment.imp_uid, "the gateway's list does not have it")
        return self._broken

    def _compare_span(self, ports: Ports, begin: datetime, until: datetime) -> None:
        name = f"gateway, channel {ports.channel.name}: {begin:%Y-%m-%d} to {until:%Y-%m-%d}"
        self._progress(name)
        records = ports.gateway.all_payments(
            begin=begin,
            end=until,
            token=token_in_hand(ports),
            seen=lambda count: self._progress(f"{name}: {count:,} records"),
        )
        money = iter(
            record
            for record in records
            if record.said in _MONEY
            and record.imp_uid not in self._seen
            and is_ours(record.merchant_uid, namespace=ports.namespace)
        )
        while some := list(islice(money, _ASKED_AT_ONCE)):
            self._compare(some)

    def _compare(self, records: Sequence[Record]) -> None:
        with self._database.reading() as tx:
            attempts = invariants.attempts_by_merchant_uid(tx, [record.merchant_uid for record in records])
            payments = invariants.payments_by_imp_uid(tx, [record.imp_uid for record in records])
        for record in records:
            self._seen.add(record.imp_uid)
            attempt, payment = attempts.get(record.merchant_uid), payments.get(record.imp_uid)
            if attempt is None:
                self._tell("no_call_without_its_attempt", record.imp_uid, f"{record.merchant_uid} is not in our books")
                continue
            if record.customer_uid is not None and record.customer_uid not in attempt.customer_uids:
                self._tell("paid_there_with_our_card", record.imp_uid, "another card than the one that we named")
            if payment is None:
                # What is undecided is being asked about; its money is written down then.
                if attempt.state not in UNDECIDED:
                    self._tell(
                        "paid_there_is_paid_here",
                        record.imp_uid,
                        f"{record.amount} won, our attempt is {attempt.state}",
                    )
            elif payment.amount != record.amount:
                self._tell(
                    "same_amount_here_and_there", record.imp_uid, f"{payment.amount} won here, {record.amount} there"
                )
            elif payment.cancelled_amount != record.cancel_amount:
                self._attention(
                    Broken(
                        invariant="cancelled_elsewhere",
                        subject=record.imp_uid,
                        told=f"{record.cancel_amount} won cancelled there, {payment.cancelled_amount} here",
                    )
                )
            if record.cancel_amount < record.amount and (payment is None or payment.counts):
                self._count(record)

    def _count(self, record: Record) -> None:
        other = self._by_period.setdefault(record.merchant_uid[:-_ATTEMPT_FIELD], record.imp_uid)
        if other != record.imp_uid:
            self._tell("one_payment_a_period", record.imp_uid, f"{other} paid the same period")

    def _tell(self, invariant: str, subject: str, told: str) -> None:
        self._broken.append(Broken(invariant=invariant, subject=subject, told=told))
