"""What is due now? Steps 2 and 3 of a charge: open the periods that have begun, ring for the work that there is.

Any number of these at once, doubled, late or lost changes nothing but speed: what is due stands in rows.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from billing.open_period import open_due_periods
from models.queries import claim, installation, resolve
from scheduler.pace import CHARGE_RUNS, Bell

if TYPE_CHECKING:
    from collections.abc import Callable

    from billing.ports import Ports


def tick(ports: Ports, enqueue: Callable[[Bell], None], *, open_for_seconds: float) -> Counter[str]:
    """Open due periods for a while, then ring; gives what was opened and rung, for whoever watches."""
    did: Counter[str] = Counter()
    leave_at = ports.boottime() + open_for_seconds
    with ports.database.transaction() as tx:
        installation.note_clock(tx)
    ring(ports, enqueue, did)  # first what is due already: opening may take long
    while ports.boottime() < leave_at:
        opened = open_due_periods(ports)
        did["opened"] += opened.invoices
        did["set_aside"] += opened.set_aside
        if opened.subscriptions == 0:
            break
        ring(ports, enqueue, did)
    return +did


def ring(ports: Ports, enqueue: Callable[[Bell], None], did: Counter[str]) -> None:
    """Ring once for every batch that is due, and for what must be asked about. A bell that is lost costs a tick."""
    with ports.database.reading() as tx:
        size = ports.limits.claim_size
        due = claim.due_count(tx, limit=CHARGE_RUNS * size)
        undecided = resolve.undecided_count(tx)
    wanted = min(CHARGE_RUNS, -(-due // size)) - did[Bell.CHARGE]
    for _ in range(wanted):
        enqueue(Bell.CHARGE)
        did[Bell.CHARGE] += 1
    if undecided and not did[Bell.RESOLVE]:
        enqueue(Bell.RESOLVE)
        did[Bell.RESOLVE] += 1
