"""An adoption goes on, from wherever it stands, until every schedule was read back and our subscription may charge.

That it will be asked is committed before the gateway is; what was revoked is believed only when the schedule itself, by
its name, says so. A schedule that ran meanwhile has paid its period, and that period is ours no more. Safe to repeat,
and to be killed anywhere: until the last commit the card is blocked, so nobody but the schedules can charge it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from billing.adopt_schedules import waiting_of_card
from billing.calendars import calendar_of
from billing.known_account import require_known_account
from billing.note_schedules import block_cards, note_schedules, note_unknown, state_of, tell_blocked
from billing.settle_elsewhere import settle_elsewhere
from billing.token_in_hand import token_in_hand
from domain.billing_period import Skip, SkipReason
from domain.errors import BadInput, GatewayTrouble, NotFound
from domain.evidence import Said
from domain.foreign import (
    ADOPTION_TABLE,
    MONEY,
    WAITING,
    AdoptionEvent,
    AdoptionState,
    Became,
    ForeignState,
    Waiting,
    adopted_periods,
    became,
    may_have_begun,
    waits_until,
)
from domain.states import advance
from models.ids import new_id
from models.queries import adoption, change, foreign, installation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row

    from billing.ports import Ports
    from domain.evidence import Record
    from gateway.port import AccessToken, Schedule
    from models.session import Transaction

#: How often the gateway is asked to revoke what still waits, before somebody is told to ask again.
_ROUNDS: Final = 3
#: How a payment of a schedule has ended.
_ENDS: Final = frozenset({Said.PAID, Said.CANCELLED, Said.FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Stands:
    """Where an adoption stands. ``waits_until``: real time from which on a look can be final, if one must wait."""

    subscription_id: UUID
    is_done: bool
    revoked: int = 0
    paid_elsewhere: int = 0
    because: str = ""
    waits_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """What the gateway says of one adopted schedule. ``now``: real time, not later than the look began."""

    row: Row[Any]
    schedule: Schedule | None
    became: Became
    now: datetime
    records: Sequence[Record] = ()

    @property
    def paid_by(self) -> tuple[str, str] | None:
        """The gateway's number and word of the payment that it made: by what it says itself, or by its order number."""
        if self.schedule is not None and self.schedule.imp_uid:
            return self.schedule.imp_uid, self.schedule.payment_status
        paid = [(record.imp_uid, record.status) for record in self.records if record.said in MONEY]
        return next(iter(paid), None)

    @property
    def at(self) -> datetime:
        """When it should have run."""
        at: datetime = self.row.schedule_at if self.schedule is None else self.schedule.schedule_at
        return at

    @property
    def still_waits(self) -> bool:
        return state_of(self.schedule) in WAITING


def finish_adoption(ports: Ports, subscription_id: UUID) -> Stands:
    """Ask the gateway to revoke what still waits, read everything back, and end the adoption if all is proven.

    Raises:
        GatewayTrouble: It could not be asked; everything stands as it stood.
    """
    with ports.database.reading() as tx:
        is_new = adoption.read(tx, subscription_id).state == AdoptionState.CREATED
    if is_new:
        _ask_to_revoke(ports, subscription_id)
    stands = _look(ports, subscription_id)
    for _ in range(_ROUNDS):
        if stands.is_done or not _ask_to_revoke(ports, subscription_id):
            break
        stands = _look(ports, subscription_id)
    return stands


def _ask_to_revoke(ports: Ports, subscription_id: UUID) -> bool:
    """Commit that it is asked, then ask, naming each; False: nothing waits, so nothing was asked."""
    token = token_in_hand(ports)
    with ports.database.transaction() as tx:
        _lock(tx, subscription_id)
        row = adoption.lock(tx, subscription_id)
        names = adoption.waiting_of(tx, subscription_id)
        if not names:
            return False
        state = advance(ADOPTION_TABLE, AdoptionState(row.state), AdoptionEvent.ASKED)
        adoption.move(tx, subscription_id, state=state, asked_at=tx.real)
    # What became of it is read back, whatever it is answered, and if it is not.
    with suppress(GatewayTrouble):
        ports.gateway.unschedule(customer_uid=row.customer_uid, merchant_uids=names, token=token)
    return True


def _look(ports: Ports, subscription_id: UUID) -> Stands:
    """Read every schedule back by its name, and the card's list for such as were made meanwhile; write it down."""
    began = ports.boottime()
    with ports.database.reading() as tx:
        row = adoption.read(tx, subscription_id)
        adopted = adoption.schedules_of(tx, subscription_id)
        now = tx.real
    if row.state == AdoptionState.DONE:
        return _stands(adopted, is_done=True)

    def real() -> datetime:
        """The time, or later: it counts on while this process is frozen."""
        return now + timedelta(seconds=ports.boottime() - began)

    token = token_in_hand(ports)
    reads = [_read(ports, token, row, each, now, real) for each in adopted if each.became == Became.OPEN]
    if any(each.schedule is None for each in reads):
        require_known_account(ports, token)
    names = {each.merchant_uid for each in adopted}
    others = [
        each
        for each in waiting_of_card(ports, row.customer_uid, token=token, now=now)
        if each.merchant_uid not in names
    ]
    return _write(ports, row, reads, others)


def _read(
    ports: Ports, token: AccessToken, row: Row[Any], adopted: Row[Any], now: datetime, real: Callable[[], datetime]
) -> _Read:
    schedule = ports.gateway.schedule(merchant_uid=adopted.merchant_uid, token=token)
    seen_by = real()
    state = state_of(schedule)
    at = adopted.schedule_at if schedule is None else schedule.schedule_at
    asked_at = row.asked_at or row.began_at
    longest = ports.limits.patience.longest_processing
    status = "" if schedule is None else schedule.payment_status
    # It may have run in the moment in which it was revoked, and not tell; or ran, and does not tell with what end.
    is_doubtful = (
        state is ForeignState.GONE
        or (
            state is ForeignState.REVOKED
            and may_have_begun(at=at, by=max(asked_at, seen_by), longest_processing=longest)
        )
        or (state is ForeignState.EXECUTED and status not in _ENDS)
    )
    records: Sequence[Record] = ()
    if is_doubtful:
        records = ports.gateway.find_all(merchant_uid=adopted.merchant_uid, token=token).records
    return _Read(
        row=adopted,
        schedule=schedule,
        became=became(
            state=state,
            payment_status=status,
            saids={record.said for record in records},
            at=at,
            asked_at=asked_at,
            now=now,
            seen_by=seen_by,
            patience=ports.limits.patience,
        ),
        now=now,
        records=records,
    )


def _write(ports: Ports, row: Row[Any], reads: Sequence[_Read], others: Sequence[Schedule]) -> Stands:
    """Write down what was read; with nothing left open, the adoption ends here, in the same commit."""
    subscription_id = row.subscription_id
    with ports.database.transaction() as tx:
        foreign.one_writer(tx, ports.channel.name)
        subscription = _lock(tx, subscription_id)
        foreign.lock_keys(tx, [row.billing_key_id])
        if adoption.lock(tx, subscription_id).state == AdoptionState.DONE:
            return _stands(adoption.schedules_of(tx, subscription_id), is_done=True)
        adoption.note_became(tx, subscription_id, {each.row.merchant_uid: each.became for each in reads})
        # Here, not at the end: what is proven is not read again.
        _list_paid(ports, tx, row, reads)
        note_schedules(
            ports, tx, [each.schedule for each in reads if each.schedule is not None] + [*others], told=False
        )
        gone = {each.row.merchant_uid for each in reads if each.schedule is None}
        known = foreign.known_schedules(tx, ports.channel.name, gone)
        note_unknown(ports, tx, list(known.values()), told=False)
        _take_over(ports, tx, subscription, others)
        adopted = adoption.schedules_of(tx, subscription_id)
        because, until = _open_because(ports, row, adopted, reads)
        if not because:
            because = _pass_over(tx, subscription, [each.ordinal for each in adopted if each.became == Became.PAID])
        if not because:
            _end(ports, tx, row, adopted)
    return _stands(adopted, is_done=not because, because=because, until=until)


def _take_over(ports: Ports, tx: Transaction, subscription: Row[Any], others: Sequence[Schedule]) -> None:
    """Schedules that were made meanwhile are adopted, too, if they go on with the others; else they block and ask."""
    adopted = adoption.schedules_of(tx, subscription.id)
    last = adopted[-1]
    waiting = [Waiting(merchant_uid=each.merchant_uid, at=each.schedule_at, amount=each.amount) for each in others]
    with suppress(BadInput):
        ordinals = adopted_periods(
            calendar_of(subscription), waiting, price=last.amount, accept_amount=False, paid_through=None
        )
        if waiting and ordinals[0] == last.ordinal + 1:
            adoption.add_schedules(
                tx,
                [
                    {
                        "subscription_id": subscription.id,
                        "ordinal": ordinal,
                        "channel": ports.channel.name,
                        "merchant_uid": each.merchant_uid,
                        "schedule_at": each.at,
                        "amount": each.amount,
                        "became": Became.OPEN,
                    }
                    for ordinal, each in zip(ordinals, waiting, strict=True)
                ],
            )


def _open_because(
    ports: Ports, row: Row[Any], adopted: Sequence[Row[Any]], reads: Sequence[_Read]
) -> tuple[str, datetime | None]:
    """Why it cannot end yet, and until when a look would be too early."""
    left = [each for each in adopted if each.became == Became.OPEN]
    if not left:
        return "", None
    settled = [each for each in reads if each.became is Became.OPEN and not each.still_waits]
    if len(settled) < len(left):
        return f"{left[0].merchant_uid} still waits at the gateway", None
    until = max(
        waits_until(
            state=state_of(each.schedule),
            at=each.at,
            asked_at=row.asked_at or row.began_at,
            now=each.now,
            patience=ports.limits.patience,
        )
        for each in settled
    )
    return f"{settled[0].row.merchant_uid} was about to run, or is not told of; it is looked at again", until


def _pass_over(tx: Transaction, subscription: Row[Any], paid: Sequence[int]) -> str:
    """Periods that were paid elsewhere are not charged; why not yet, if one cannot be passed over before others."""
    calendar = calendar_of(subscription)
    ordinal = subscription.ordinal
    skips = []
    for each in sorted(paid):
        if each <= subscription.ordinal:
            settle_elsewhere(tx, subscription, ordinal=each)
        elif each == ordinal + 1:
            ordinal = each
            skips.append(Skip(first=each, last=each, reason=SkipReason.PAID_ELSEWHERE))
        else:
            return f"period {each} was paid elsewhere; period {ordinal + 1} is not opened yet"
    if skips and subscription.next_billing_at is not None:
        change.write_skips(tx, subscription_id=subscription.id, skips=skips)
        adoption.move_subscription(
            tx, subscription_id=subscription.id, ordinal=ordinal, next_billing_at=calendar.due_at(ordinal + 1)
        )
    return ""


def _list_paid(ports: Ports, tx: Transaction, row: Row[Any], reads: Sequence[_Read]) -> None:
    adoption.write_paid(
        tx,
        [
            _payment(ports, tx, row, each, paid_by)
            for each in reads
            if each.became is Became.PAID and (paid_by := each.paid_by) is not None
        ],
    )


def _end(ports: Ports, tx: Transaction, row: Row[Any], adopted: Sequence[Row[Any]]) -> None:
    state = advance(ADOPTION_TABLE, AdoptionState(row.state), AdoptionEvent.FINISHED)
    adoption.move(tx, row.subscription_id, state=state, done_at=tx.real)
    foreign.answer_schedules(tx, ports.channel.name, [each.merchant_uid for each in adopted])
    revoked, paid_elsewhere = _counts(adopted)
    installation.write_events(
        tx,
        [
            installation.event(
                tx,
                "subscription.adopted",
                subscription_id=row.subscription_id,
                revoked=revoked,
                paid_elsewhere=paid_elsewhere,
            )
        ],
    )
    block_cards(tx, [row.billing_key_id], told=False)
    tell_blocked(tx, [row.billing_key_id])


def _payment(ports: Ports, tx: Transaction, row: Row[Any], read: _Read, paid_by: tuple[str, str]) -> Mapping[str, Any]:
    imp_uid, status = paid_by
    return {
        "id": new_id(tx.real),
        "channel": ports.channel.name,
        "imp_uid": imp_uid,
        "merchant_uid": read.row.merchant_uid,
        "billing_key_id": row.billing_key_id,
        "amount": read.row.amount if read.schedule is None else read.schedule.amount,
        "cancelled_amount": 0,
        "status": status,
        "is_money": True,
        "is_sandbox": False,
        "paid_at": read.at,
        "first_seen_at": tx.real,
        "last_seen_at": tx.real,
        "accepted_at": tx.real,
        "accepted_because": "a schedule that was adopted made it",
    }


def _lock(tx: Transaction, subscription_id: UUID) -> Row[Any]:
    row = change.lock_subscription(tx, subscription_id)
    if row is None:
        raise NotFound(f"there is no subscription {subscription_id}")
    return row


def _counts(adopted: Sequence[Row[Any]]) -> tuple[int, int]:
    return sum(each.became == Became.REVOKED for each in adopted), sum(each.became == Became.PAID for each in adopted)


def _stands(adopted: Sequence[Row[Any]], *, is_done: bool, because: str = "", until: datetime | None = None) -> Stands:
    revoked, paid_elsewhere = _counts(adopted)
    return Stands(
        subscription_id=adopted[0].subscription_id,
        is_done=is_done,
        revoked=revoked,
        paid_elsewhere=paid_elsewhere,
        because=because,
        waits_until=until,
    )
