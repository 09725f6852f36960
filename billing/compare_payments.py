"""One span of the gateway's list of payments against the books, both ways.

Nothing is mended here by guessing. Money under an attempt's name goes to ``record_outcomes`` as evidence, cancels that
we did not make to ``book_cancellations``; payments that nobody of us made become rows that a person answers.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeVar

from billing import look_up
from billing.book_cancellations import book_cancellations
from billing.look_up import ask_each
from billing.note_schedules import block_cards
from billing.own_rate import take_one_call
from billing.record_outcome import record_outcomes
from billing.report import Report
from billing.sent_charges import sent_charges
from billing.token_in_hand import token_in_hand
from domain.charge_attempt import UNDECIDED
from domain.errors import GatewayTrouble
from domain.evidence import Said, Source, judge
from domain.identity import is_ours
from domain.outcome import Approved
from gateway.port import Finding
from models.ids import new_id
from models.queries import foreign, installation, invariants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Row

    from billing.ports import Ports
    from domain.evidence import Record
    from models.session import Transaction

T = TypeVar("T")

#: So young a payment may be missing in the gateway's list, which lags.
_LAG: Final = timedelta(hours=1)
_AT_ONCE: Final = 1_000
_MONEY: Final = (Said.PAID, Said.CANCELLED)
#: The window that issues a key may leave a record; for KG Inicis its amount is shown and never approved.
_KEY_ISSUED: Final = "issue"


def in_groups(rows: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Rows in groups of at most so many."""
    left = iter(rows)
    while some := list(islice(left, size)):
        yield some


def compare_payments(
    ports: Ports, *, begin: datetime, until: datetime, progress: Callable[[str], None]
) -> Counter[str]:
    """Compare a span of real time, by the gateway's clock; gives what was found.

    Raises:
        GatewayTrouble: The list could not be read.
    """
    name = f"payments: {begin:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M}"
    progress(name)
    token = token_in_hand(ports)

    def seen(count: int) -> None:
        progress(f"{name}: {count:,} of them")
        take_one_call(ports)  # for the next page

    take_one_call(ports)
    records = ports.gateway.all_payments(begin=begin, end=until, token=token, seen=seen)
    found = Counter(payments=len(records))
    for some in in_groups(records, _AT_ONCE):
        found += _Compared(ports, some, token_digest=token.digest).acted()
    found += _ask_about_missing(ports, begin, until, {record.imp_uid for record in records})
    return found


class _Compared:
    """A group of records, and what each of them is to us."""

    def __init__(self, ports: Ports, records: Sequence[Record], *, token_digest: str) -> None:
        self._ports = ports
        self._token_digest = token_digest
        with ports.database.reading() as tx:
            self._now = tx.real
            self._attempts = foreign.attempts_named(
                tx, (each.merchant_uid for each in records if is_ours(each.merchant_uid, namespace=ports.namespace))
            )
            self._cards = foreign.cards_by_uid(
                tx, ports.channel.name, (each.customer_uid for each in records if each.customer_uid)
            )
            self._payments = invariants.payments_by_imp_uid(tx, [each.imp_uid for each in records])
            self._sent = sent_charges(
                tx, [row.id for row in self._attempts.values()], {row.id: row for row in self._attempts.values()}
            )
        self._foreign: list[Record] = []
        self._cancelled: list[Record] = []
        self._unbooked: defaultdict[str, list[Record]] = defaultdict(list)
        for record in records:
            self._sort(record)

    def acted(self) -> Counter[str]:
        """Write down what was found; gives how much of what."""
        counts: Counter[str] = Counter()
        counts["recorded"] = self._record()
        if self._cancelled:
            book_cancellations(self._ports, self._cancelled)
            counts["cancelled"] = len(self._cancelled)
        if self._foreign:
            counts["foreign"] = note_foreign(self._ports, self._foreign, self._cards, self._attempts)
        return counts

    def _sort(self, record: Record) -> None:
        attempt, payment = self._attempts.get(record.merchant_uid), self._payments.get(record.imp_uid)
        is_money = record.said in _MONEY
        is_known = attempt is not None or record.customer_uid in self._cards
        if attempt is not None and attempt.channels and self._ports.channel.name not in attempt.channels:
            return  # another channel of the same account, which is compared by itself
        if record.sandbox and is_money and is_known and not self._ports.channel.is_test:
            self._foreign.append(record)  # no money: whoever took it for some must be told
        elif attempt is None:
            is_named_so = is_ours(record.merchant_uid, namespace=self._ports.namespace)
            if is_named_so or record.customer_uid in self._cards:
                self._foreign.append(record)
        elif is_money and payment is None:
            self._unbooked[record.merchant_uid].append(record)
        elif is_money and payment is not None and payment.cancelled_amount != record.cancel_amount:
            self._cancelled.append(record)

    def _record(self) -> int:
        """Money under an attempt's name that is not written down: evidence, like any other look-up's."""
        reports = []
        for merchant_uid, records in self._unbooked.items():
            attempt = self._attempts[merchant_uid]
            outcome = judge(
                records=records, sent=self._sent[attempt.id], now=self._now, patience=self._ports.limits.patience
            )
            if isinstance(outcome, Approved):
                finding = Finding(source=Source.DAY_LIST, records=records, token_digest=self._token_digest)
                reports.append(
                    Report(
                        attempt_id=attempt.id,
                        send_no=attempt.send_no,
                        fence=None,
                        outcome=outcome,
                        looked=(look_up.seen(finding, began_at=self._now).looked,),
                        payments=records,
                    )
                )
            elif attempt.state not in UNDECIDED:  # what is undecided is asked about, and comes before an operator
                self._foreign.extend(records)
        record_outcomes(self._ports, reports)
        return len(reports)


def note_foreign(
    ports: Ports, records: Sequence[Record], cards: Mapping[str, Row[Any]], attempts: Mapping[str, Row[Any]]
) -> int:
    """Write down payments that we did not make; money among them is told once. Gives how many are new."""
    with ports.database.transaction() as tx:
        foreign.one_writer(tx, ports.channel.name)
        known = foreign.known_payments(tx, (record.imp_uid for record in records))
        adopted = foreign.adopted_names(tx, ports.channel.name, (record.merchant_uid for record in records))
        new, again, events = [], [], []
        for record in records:
            card = cards.get(record.customer_uid or "")
            row = known.get(record.imp_uid)
            if row is None and (record.merchant_uid in adopted or _is_before(record, card)):
                continue
            values = _values(tx, record)
            if row is None:
                new.append(
                    {
                        "id": new_id(tx.real),
                        "channel": ports.channel.name,
                        "merchant_uid": record.merchant_uid,
                        "billing_key_id": None if card is None else card.id,
                        "first_seen_at": tx.real,
                        "is_sandbox": record.sandbox,
                        **values,
                    }
                )
            else:
                again.append(values)
            if values["is_money"] and (row is None or not row.is_money):
                events.append(_incident(ports, tx, record, card, attempts.get(record.merchant_uid)))
        foreign.write_payments(tx, new=new, again=again)
        installation.write_events(tx, events)
        # A schedule of theirs may have made it.
        block_cards(tx, (card.id for record in records if (card := cards.get(record.customer_uid or "")) is not None))
    return len(new)


def _values(tx: Transaction, record: Record) -> dict[str, Any]:
    has_moved = record.said in _MONEY and record.cancel_amount < record.amount
    return {
        "imp_uid": record.imp_uid,
        "amount": record.amount,
        "cancelled_amount": record.cancel_amount,
        "status": record.status,
        "is_money": has_moved and record.usage != _KEY_ISSUED,
        "paid_at": record.paid_at,
        "last_seen_at": tx.real,
    }


def _is_before(record: Record, card: Row[Any] | None) -> bool:
    """Whether it was made before the card came to us: then whose it is is no question of ours."""
    at = record.paid_at or record.failed_at or record.started_at
    # The gateway tells whole seconds: one of the same second may have been made after it.
    return card is not None and at is not None and at < card.created_at.replace(microsecond=0)


def _incident(
    ports: Ports, tx: Transaction, record: Record, card: Row[Any] | None, attempt: Row[Any] | None
) -> dict[str, Any]:
    is_unreal = record.sandbox and not ports.channel.is_test
    owner = attempt or card
    about: dict[str, Any] = {
        "subscription_id": None if owner is None else owner.subscription_id,
        "invoice_id": None if attempt is None else attempt.invoice_id,
        "attempt_id": None if attempt is None else attempt.id,
        "channel": ports.channel.name,
        "imp_uid": record.imp_uid,
        "merchant_uid": record.merchant_uid,
        "amount": record.amount,
        "status": record.status,
    }
    if is_unreal:
        return installation.event(tx, "payment.sandbox", is_incident=True, **about)
    return installation.event(tx, "payment.foreign", is_incident=True, **about)


def _ask_about_missing(ports: Ports, begin: datetime, until: datetime, there: set[str]) -> Counter[str]:
    """Payments of ours that the list should show and does not are asked about, each by its number."""
    with ports.database.reading() as tx:
        end = min(until, tx.real - _LAG)
        ours = foreign.payments_of_channel(tx, ports.channel.name, begin=begin, end=end)
    absent = [row for row in ours if row.imp_uid not in there]
    if not absent:
        return Counter()
    token = token_in_hand(ports)

    def ask(row: Row[Any]) -> Sequence[Record]:
        take_one_call(ports)
        record = ports.gateway.payment(imp_uid=row.imp_uid, token=token)
        return [] if record is None else [record]

    missing: list[Row[Any]] = []
    cancelled: list[Record] = []
    for row, answer in ask_each(absent, ask):
        if isinstance(answer, GatewayTrouble):
            raise answer
        if not answer:
            missing.append(row)
        cancelled.extend(record for record in answer if record.cancel_amount != row.cancelled_amount)
    if cancelled:
        book_cancellations(ports, cancelled)
    with ports.database.transaction() as tx:
        foreign.one_writer(tx, ports.channel.name)
        installation.write_events(
            tx,
            [
                installation.event(
                    tx,
                    "payment.missing_there",
                    subscription_id=row.subscription_id,
                    invoice_id=row.invoice_id,
                    attempt_id=row.attempt_id,
                    is_incident=True,
                    imp_uid=row.imp_uid,
                    amount=row.amount,
                )
                for row in missing
                if not foreign.told_of_payment(
                    tx, kind="payment.missing_there", invoice_id=row.invoice_id, imp_uid=row.imp_uid
                )
            ],
        )
    return Counter(missing_there=len(missing), cancelled=len(cancelled))
