"""What was seen of foreign schedules is written down, and the cards that they may charge are blocked, or freed.

A card is blocked while a schedule may still charge it, and after one has: nobody knows what that paid for until a
person says so. Called inside a transaction.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from domain.foreign import QUIET, WAITING, ForeignState, may_have_begun
from gateway.port import ScheduleState
from models.ids import new_id
from models.queries import foreign, installation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row

    from billing.ports import Ports
    from gateway.port import Schedule
    from models.session import Transaction

#: How far schedules are looked for. Our choice: nobody plans further ahead, and the gateway lists any that do later.
SCHEDULES_AHEAD: Final = timedelta(days=370)
#: A schedule that was to run so long ago has run, or was revoked, or is asked about by its name.
SCHEDULES_BEHIND: Final = timedelta(days=1)
#: A payment that was given back, or never made, pays for nothing.
_UNPAID = frozenset({"failed", "cancelled"})


def state_of(schedule: Schedule | None) -> ForeignState:
    """What the gateway says of a schedule; None: it does not know it."""
    if schedule is None:
        return ForeignState.GONE
    return ForeignState.OTHER if schedule.state is ScheduleState.OTHER else ForeignState(schedule.state.value)


def note_schedules(ports: Ports, tx: Transaction, seen: Sequence[Schedule], *, told: bool = True) -> set[UUID]:
    """Write down schedules of cards of ours, block and free those cards; gives the cards that a schedule was seen of.

    A schedule that nobody saw waiting, and that does not wait any more, is nobody's concern: its payment is.
    """
    channel = ports.channel.name
    foreign.one_writer(tx, channel)
    cards = foreign.cards_by_uid(tx, channel, (each.customer_uid for each in seen))
    known = foreign.known_schedules(tx, channel, (each.merchant_uid for each in seen))
    new: dict[str, dict[str, Any]] = {}
    again: dict[UUID, dict[str, Any]] = {}
    keys: set[UUID] = set()
    for schedule in seen:
        row, card = known.get(schedule.merchant_uid), cards.get(schedule.customer_uid)
        if row is not None:
            again[row.id] = {"id": row.id, **_seen_again(ports, tx, row, state_of(schedule), schedule)}
            keys.add(row.billing_key_id)
        elif card is not None and state_of(schedule) in WAITING:
            new[schedule.merchant_uid] = {
                "id": new_id(tx.real),
                "channel": channel,
                "merchant_uid": schedule.merchant_uid,
                "billing_key_id": card.id,
                "first_seen_at": tx.real,
                **_seen(ports, tx, state_of(schedule), schedule),
            }
            keys.add(card.id)
    foreign.write_schedules(tx, new=list(new.values()), again=list(again.values()))
    block_cards(tx, keys, told=told)
    return keys


def note_unknown(ports: Ports, tx: Transaction, rows: Sequence[Row[Any]], *, told: bool = True) -> None:
    """Write down that the gateway does not know schedules any more that it knew."""
    foreign.write_schedules(
        tx,
        new=[],
        again=[
            {
                "id": row.id,
                "state": ForeignState.GONE,
                "last_seen_at": row.last_seen_at if row.state in QUIET else tx.real,
                "gone_at": row.gone_at or (None if _may_have_run(ports, row.schedule_at, tx.real) else tx.real),
            }
            for row in rows
        ],
    )
    block_cards(tx, {row.billing_key_id for row in rows}, told=told)


def block_cards(tx: Transaction, key_ids: Iterable[UUID], *, told: bool = True) -> None:
    """Block the cards that a schedule or an adoption asks about, free the others, and tell whose changed."""
    changed = {row.id: row.foreign_schedule_since for row in foreign.block(tx, key_ids)}
    if not changed or not told:
        return
    tell_blocked(tx, [key_id for key_id, since in changed.items() if since is not None])
    freed = [key_id for key_id, since in changed.items() if since is None]
    installation.write_events(
        tx,
        [
            installation.event(tx, "subscription.schedule_frees", subscription_id=row.id)
            for row in foreign.subscriptions_of_keys(tx, freed)
        ],
    )


def tell_blocked(tx: Transaction, key_ids: Iterable[UUID]) -> None:
    """Tell of each subscription that these cards pay for which schedule stands in its way."""
    installation.write_events(
        tx,
        [
            installation.event(
                tx,
                "subscription.schedule_blocks",
                subscription_id=row.id,
                is_incident=True,
                merchant_uid=row.merchant_uid,
                schedule_at=row.schedule_at.isoformat(),
                amount=row.amount,
            )
            for row in foreign.subscriptions_of_keys(tx, key_ids)
            if row.merchant_uid is not None
        ],
    )


def _seen(ports: Ports, tx: Transaction, state: ForeignState, schedule: Schedule) -> Mapping[str, Any]:
    asks = state in WAITING or (state is ForeignState.EXECUTED and schedule.payment_status not in _UNPAID)
    may_have_run = state is ForeignState.REVOKED and _may_have_run(ports, schedule.schedule_at, tx.real)
    return {
        "schedule_at": schedule.schedule_at,
        "amount": schedule.amount,
        "state": state,
        "payment_status": schedule.payment_status,
        "imp_uid": schedule.imp_uid,
        "last_seen_at": tx.real,
        "gone_at": None if asks or may_have_run else tx.real,
        "ignored_at": None,
        "ignored_because": None,
    }


def _seen_again(
    ports: Ports, tx: Transaction, row: Row[Any], state: ForeignState, schedule: Schedule
) -> Mapping[str, Any]:
    """What somebody has answered stands, unless it waits again."""
    values = dict(_seen(ports, tx, state, schedule))
    if state not in WAITING:
        values["gone_at"] = row.gone_at or values["gone_at"]
    if state in QUIET and row.state in QUIET:
        values["last_seen_at"] = row.last_seen_at
    return values | {"ignored_at": row.ignored_at, "ignored_because": row.ignored_because}


def _may_have_run(ports: Ports, at: datetime, now: datetime) -> bool:
    """Whether it may charge or have charged, whatever it says: ``billing.look_for_money`` finds out."""
    return may_have_begun(at=at, by=now, longest_processing=ports.limits.patience.longest_processing)
