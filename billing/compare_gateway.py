"""Does the gateway have what we have, and we what it has? Payments and schedules, both ways, hour by hour.

A round reads the payments since the last one, with an overlap, and every schedule of the coming year. It goes in
steps, each with its own commit, so that whoever is stopped is gone on with. What is found goes the ordinary ways:
money of ours to ``record_outcomes``, cancels to ``book_cancellations``, what nobody of us made into rows that ask.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from billing.adopt_rows import resume_adoptions
from billing.compare_payments import compare_payments, in_groups
from billing.known_account import require_known_account
from billing.look_for_money import look_for_money
from billing.look_up import ask_each
from billing.note_schedules import SCHEDULES_AHEAD, SCHEDULES_BEHIND, note_schedules, note_unknown
from billing.own_rate import take_one_call
from billing.token_in_hand import token_in_hand
from domain.errors import GatewayTrouble
from models.queries import foreign

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Row

    from billing.ports import Ports
    from gateway.port import AccessToken, Schedule

#: Between the ends of two rounds. Real time, as everything here.
EVERY: Final = timedelta(hours=1)
#: Payments are read again this far back: the gateway's list may lag, and its clock is not ours.
OVERLAP: Final = timedelta(days=1)
#: How far back a channel is compared that never was.
FIRST: Final = timedelta(days=7)
#: Payments of such a span are in memory at once.
PAYMENTS_SPAN: Final = timedelta(hours=6)
#: The gateway gives at most three months of schedules at once; fewer are held in memory.
SCHEDULES_SPAN: Final = timedelta(days=31)
_SCHEDULES_AT_ONCE: Final = 1_000
_ASKED_AT_ONCE: Final = 200
#: Whoever took a round and says nothing for so long is dead.
_LEASE: Final = timedelta(minutes=10)


def compare_due(ports: Ports, *, for_seconds: float) -> Counter[str]:
    """Go on with this channel's round for a while, or begin the next if it is time; gives what was found.

    Raises:
        GatewayTrouble: A list could not be read; the round stands where it stood.
    """
    channel = ports.channel.name
    leave_at = ports.boottime() + for_seconds
    with ports.database.transaction() as tx:
        taken = foreign.take_comparison(
            tx, channel, until=tx.real + _LEASE, first_from=tx.real - FIRST, overlap=OVERLAP
        )
    if taken is None:
        return Counter()
    found: Counter[str] = Counter()
    stand = _Stand(
        began_at=taken.round_began_at, payments_until=taken.payments_until, schedules_from=taken.schedules_from
    )
    goes_on = True
    try:
        while goes_on and ports.boottime() < leave_at:
            goes_on = _step(ports, stand, found, leave_at)
    finally:
        if goes_on:
            with ports.database.transaction() as tx:
                foreign.note_comparison(tx, channel, taken_until=tx.real)
    return +found


@dataclass(slots=True)
class _Stand:
    """How far a round has come. Real time."""

    began_at: datetime
    payments_until: datetime
    schedules_from: datetime | None


def _step(ports: Ports, stand: _Stand, found: Counter[str], leave_at: float) -> bool:
    """Read one span, or end the round once all is read; gives whether there is more to do."""
    if stand.payments_until < stand.began_at:
        until = min(stand.payments_until + PAYMENTS_SPAN, stand.began_at)
        found += compare_payments(ports, begin=stand.payments_until, until=until, progress=_quietly)
        stand.payments_until = until
    elif (begin := stand.schedules_from or stand.began_at - SCHEDULES_BEHIND) < stand.began_at + SCHEDULES_AHEAD:
        stand.schedules_from = begin + SCHEDULES_SPAN
        found += sweep_schedules(ports, begin=begin, until=stand.schedules_from, progress=_quietly)
    else:
        found += ask_about_unseen(ports, since=stand.began_at)
        found += look_for_money(ports, goes_on=lambda: ports.boottime() < leave_at)
        # What somebody has begun and left; what time leaves over is the next round's.
        found += resume_adoptions(ports, moved=lambda _: None, goes_on=lambda: ports.boottime() < leave_at)
        with ports.database.transaction() as tx:
            foreign.end_round(tx, ports.channel.name, next_at=stand.began_at + EVERY)
        return False
    with ports.database.transaction() as tx:
        foreign.note_comparison(
            tx,
            ports.channel.name,
            taken_until=tx.real + _LEASE,
            payments_until=stand.payments_until,
            schedules_from=stand.schedules_from,
        )
    return True


def compare_now(
    ports: Ports,
    *,
    days: int,
    progress: Callable[[str], None],
    patiently: Callable[[Callable[[], Counter[str]]], Counter[str]] = lambda work: work(),
) -> Counter[str]:
    """Compare the last days' payments and all schedules, at once and whole; gives what was found.

    ``patiently`` does one span's work, once more if it wants: a token may come to its end on the way.

    Raises:
        GatewayTrouble: A list could not be read; what was found before is written down.
    """
    with ports.database.reading() as tx:
        began_at = tx.real
    found: Counter[str] = Counter()
    begin, end = began_at - timedelta(days=days), began_at
    while begin < end:
        until = min(begin + PAYMENTS_SPAN, end)
        found += patiently(partial(compare_payments, ports, begin=begin, until=until, progress=progress))
        begin = until
    begin, end = began_at - SCHEDULES_BEHIND, began_at + SCHEDULES_AHEAD
    while begin < end:
        until = min(begin + SCHEDULES_SPAN, end)
        found += patiently(partial(sweep_schedules, ports, begin=begin, until=until, progress=progress))
        begin = until
    progress("schedules that were not seen again")
    found += patiently(partial(ask_about_unseen, ports, since=began_at))
    progress("order numbers of schedules that may have charged")
    found += patiently(partial(look_for_money, ports))
    return +found


def sweep_schedules(ports: Ports, *, begin: datetime, until: datetime, progress: Callable[[str], None]) -> Counter[str]:
    """Read the gateway's schedules of a span; those of cards of ours are written down."""
    name = f"schedules: {begin:%Y-%m-%d} to {until:%Y-%m-%d}"
    progress(name)
    token = token_in_hand(ports)

    def seen(count: int) -> None:
        progress(f"{name}: {count:,} of them")
        take_one_call(ports)  # for the next page

    take_one_call(ports)
    schedules = ports.gateway.schedules(begin=begin, end=until, token=token, seen=seen)
    for some in in_groups(schedules, _SCHEDULES_AT_ONCE):
        with ports.database.transaction() as tx:
            note_schedules(ports, tx, some)
    return Counter(schedules=len(schedules))


def ask_about_unseen(ports: Ports, *, since: datetime) -> Counter[str]:
    """Ask by name about schedules that stood and that no list has shown since a real time."""
    found: Counter[str] = Counter()
    after = ""
    while True:
        token = token_in_hand(ports)
        with ports.database.reading() as tx:
            rows = foreign.unseen_schedules(tx, ports.channel.name, since=since, after=after, limit=_ASKED_AT_ONCE)

        def ask(row: Row[Any], token: AccessToken = token) -> Schedule | None:
            take_one_call(ports)
            return ports.gateway.schedule(merchant_uid=row.merchant_uid, token=token)

        answers = ask_each(rows, ask)
        told = [(row, answer) for row, answer in answers if not isinstance(answer, GatewayTrouble)]
        if any(schedule is None for _, schedule in told):
            take_one_call(ports)
            require_known_account(ports, token)
        with ports.database.transaction() as tx:
            note_schedules(ports, tx, [schedule for _, schedule in told if schedule is not None])
            note_unknown(ports, tx, [row for row, schedule in told if schedule is None])
        found["schedules_asked"] += len(rows)
        trouble = next((answer for _, answer in answers if isinstance(answer, GatewayTrouble)), None)
        if trouble is not None:
            raise trouble
        if len(rows) < _ASKED_AT_ONCE:
            return found
        after = rows[-1].merchant_uid


def _quietly(_: str) -> None:
    return None
