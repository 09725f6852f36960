"""What was refused for the shop or for the request, and was held: once that is mended, all of it is charged.

Each invoice goes the way of ``charge_now``, in a transaction of its own, so that it may be broken off and run again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from billing.charge_now import charge_now
from domain.decline import class_of, codes_of
from domain.dunning import NO_STRIKE
from domain.errors import BadInput, Conflict
from models.queries import decline

if TYPE_CHECKING:
    from uuid import UUID

    from billing.change_subscription import By
    from billing.ports import Ports
    from domain.outcome import DeclineCode

#: Invoices made due by one command, at most.
BATCH: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldCharged:
    """What is due now: invoices and won; and why others, by id, are not."""

    invoices: int
    won: int
    left: dict[UUID, str]


def charge_held(
    ports: Ports, *, decline_code: DeclineCode | None, by: By, limit: int = BATCH, dry_run: bool = False
) -> HeldCharged:
    """Make due what was held, of one decline code or of any; the oldest first.

    Raises:
        BadInput: Nothing is held because of that code.
    """
    if decline_code is not None and class_of(decline_code) not in NO_STRIKE:
        raise BadInput(f"nothing is held because of {decline_code}; give a code of {' or '.join(NO_STRIKE)}")
    codes = codes_of(*NO_STRIKE) if decline_code is None else (decline_code,)
    with ports.database.reading() as tx:
        held = decline.held_invoices(tx, codes=codes, limit=limit)
    invoices, won = 0, 0
    left: dict[UUID, str] = {}
    for row in held:
        try:
            due = charge_now(ports, row.id, by=by, dry_run=dry_run)
        except Conflict as conflict:
            left[row.id] = str(conflict)
        else:
            invoices, won = invoices + 1, won + due.amount
    return HeldCharged(invoices=invoices, won=won, left=left)
