"""What is due now? Steps 2 and 3 of a charge: open the periods that have begun, ring for the work that there is.

Stops and resumes that were asked for ahead are made here, too.

Any number of these at once, doubled, late or lost changes nothing but speed: what is due stands in rows.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from billing.forecast import begin_day
from billing.halt_channel import is_running
from billing.hold_charges import tell_expired_holds
from billing.make_what_has_come import make_what_has_come
from billing.open_final import open_finals
from billing.open_period import open_due_periods
from billing.resolve_usage import resolve_usage
from domain.window import closed_at
from models.queries import brake, claim, foreign, hint, installation, refund, resolve
from scheduler.pace import CHARGE_RUNS, Bell

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from billing.ports import Ports
    from models.session import Transaction


def tick(channels: Sequence[Ports], enqueue: Callable[[Bell, str], None], *, open_for_seconds: float) -> Counter[str]:
    """Open due periods and make what has come for a while, then ring; gives what it did and rang, for whoever watches.

    Periods are opened whatever channel their cards are of; ``enqueue`` is given a bell and the channel that it is for.
    """
    did: Counter[str] = Counter()
    rung: Counter[tuple[Bell, str]] = Counter()
    ports = channels[0]
    leave_at = ports.boottime() + open_for_seconds
    with ports.database.transaction() as tx:
        installation.note_clock(tx)
        tell_expired_holds(tx)
        _miss_channels(tx, [channel.channel.name for channel in channels])
    _ring_all(channels, enqueue, rung)  # first what is due already: opening may take long
    for channel in channels:  # before the day's periods are opened: what is opened is measured by it
        begin_day(channel.database, channel.channel.name, channel.limits.brakes.zone_name)
    while ports.boottime() < leave_at:
        opened = open_due_periods(ports)
        come = make_what_has_come(ports)  # a resume may leave periods to be opened, a stop waits for those before it
        finals = open_finals(ports)
        did["opened"] += opened.invoices + finals
        did["come"] += come.subscriptions - come.set_aside
        did["set_aside"] += opened.set_aside + come.set_aside
        if opened.subscriptions == 0 and come.subscriptions == 0 and finals == 0:
            # Last: what the merchant's own code has to tell first keeps nobody else waiting.
            asked = resolve_usage(ports, leave_at=leave_at)
            did["usage"] += asked
            if asked == 0:
                break
        _ring_all(channels, enqueue, rung)
    for (bell, _), count in rung.items():
        did[bell] += count
    return +did


def _miss_channels(tx: Transaction, names: Sequence[str]) -> None:
    """Tell, once, of cards whose channel this process does not know: nobody charges them."""
    installation.know_channels(tx, names)
    installation.write_events(
        tx,
        [
            installation.event(tx, "channel.missing", is_incident=True, channel=row.name, cards=row.cards)
            for row in installation.miss_channels(tx, names)
        ],
    )


def _ring_all(channels: Sequence[Ports], enqueue: Callable[[Bell, str], None], rung: Counter[tuple[Bell, str]]) -> None:
    for ports in channels:
        ring(ports, enqueue, rung)


def ring(ports: Ports, enqueue: Callable[[Bell, str], None], rung: Counter[tuple[Bell, str]]) -> None:
    """Ring once for every batch that a channel has due, and for what must be asked about there.

    A bell that is lost costs a tick. ``rung`` holds what was rung before, in the same tick.
    """
    channel = ports.channel.name
    with ports.database.reading() as tx:
        size = ports.limits.claim_size
        may_charge = is_running(tx, channel)
        due, looks = _due(tx, ports, may_charge=may_charge)
        undecided = resolve.undecided_count(tx, channel=channel)
        hints = hint.has_work(tx, keep_since=tx.real - ports.limits.hint_retention, keep_rows=ports.limits.hint_rows)
        compares = foreign.comparison_is_due(tx, channel)
        refunds = refund.is_due(tx, channel=channel, may_send=may_charge)
        turn = tx.real.microsecond
    most = min(CHARGE_RUNS, ports.limits.charge_runs or CHARGE_RUNS)
    wanted = {
        Bell.CHARGE: max(min(most, -(-due // size)), int(looks)),
        Bell.RESOLVE: min(undecided, 1),
        Bell.FOLLOW: int(hints),
        Bell.COMPARE: int(compares),
        Bell.REFUND: int(refunds),
    }
    # In another order each time: where a channel may ask in one run only, the first bell gets it.
    bells = [*wanted.items()] * 2
    for bell, count in bells[turn % len(wanted) :][: len(wanted)]:
        for _ in range(count - rung[bell, channel]):
            enqueue(bell, channel)
            rung[bell, channel] += 1


def _due(tx: Transaction, ports: Ports, *, may_charge: bool) -> tuple[int, bool]:
    """How much may be claimed, up to what is rung for, and whether something must be looked up before it may.

    Bells for what a channel that is stopped may not claim would ring in vain all night.
    """
    channel = ports.channel.name
    closed = closed_at(brake.windows_of(tx, channel), tx.now)
    limit = CHARGE_RUNS * ports.limits.claim_size
    due = claim.due_count(tx, channel=channel, limit=limit, closed=closed) if may_charge else 0
    fresh = tx.real - timedelta(seconds=ports.limits.clearance_seconds)
    return due, claim.needs_clearing(tx, channel=channel, is_running=may_charge, fresh=fresh, closed=closed)
