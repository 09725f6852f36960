"""The table at the end of a round: what this side holds, what the simulator's ledger holds, and whether they agree.

The ledger is read by the simulator's own program: the two sides share no code.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cli.output import say, show_table, warn
from cli.up_invariants import broken_invariants
from domain.errors import BillingError
from models.queries import progress

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from zoneinfo import ZoneInfo

    from cli.up_programs import Installation

_SHOWN = 10  # differences that are listed; all are counted


class LedgerUnreadable(BillingError):
    """The simulator's program could not tell its ledger."""

    code = "ledger_unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Invoices by state (count and won), payments on both sides, and what does not agree, in sentences.

    ``ledger`` is None with a gateway that is set: the invariants compare with that gateway's own list.
    """

    invoices: Sequence[tuple[str, int, int]]
    payments: tuple[int, int]
    ledger: tuple[int, int] | None
    differences: Sequence[str]
    broken: Sequence[str]

    @property
    def is_good(self) -> bool:
        """Both sides agree, and every invariant holds."""
        return not self.differences and not self.broken

    def document(self) -> dict[str, Any]:
        """As JSON: won as numbers."""
        return {
            "ok": self.is_good,
            "invoices": {state: {"count": count, "won": won} for state, count, won in self.invoices},
            "payments": {"count": self.payments[0], "won": self.payments[1]},
            "ledger": None if self.ledger is None else {"count": self.ledger[0], "won": self.ledger[1]},
            "differences": list(self.differences),
            "broken_invariants": list(self.broken),
        }

    def show(self, zone: ZoneInfo) -> None:
        """As a table and one sentence."""
        rows = [(f"invoices {state}", count, won) for state, count, won in self.invoices]
        rows.append(("payments written down here", *self.payments))
        if self.ledger is not None:
            rows.append(("payments in the simulator's ledger", *self.ledger))
        show_table(("", "count", "won"), rows, zone)
        for sentence in (*self.differences[:_SHOWN], *self.broken):
            warn(sentence)
        if len(self.differences) > _SHOWN:
            warn(f"and {len(self.differences) - _SHOWN} more differences")
        told = "every invariant holds" if not self.broken else f"{len(self.broken)} invariants are broken"
        if self.ledger is not None:
            agrees = "agree to the won" if not self.differences else "DO NOT AGREE"
            told = f"both sides {agrees}; {told}"
        say(told)


def compare(house: Installation) -> Comparison:
    """Compare payment by payment with the simulator's ledger, and check every invariant."""
    with house.database.reading() as tx:
        ours = {row.imp_uid: row for row in progress.list_payments(tx)}
        invoices = [(row.state, row.number, row.won) for row in progress.count_by_state(tx)]
    ledger, differences = None, list[str]()
    if house.simulator_ledger is not None:
        theirs = {row["imp_uid"]: row for row in _ledger(house.simulator_ledger) if row["status"] in _MONEY}
        ledger = (len(theirs), sum(row["amount"] - row["cancel_amount"] for row in theirs.values()))
        differences = _differences(ours, theirs)
    return Comparison(
        invoices=invoices,
        payments=(len(ours), sum(row.amount - row.cancelled_amount for row in ours.values())),
        ledger=ledger,
        differences=differences,
        broken=broken_invariants(house),
    )


_MONEY = ("paid", "cancelled")


def _differences(ours: Mapping[str, Any], theirs: Mapping[str, Mapping[str, Any]]) -> list[str]:
    told = []
    for imp_uid in sorted(ours.keys() | theirs.keys()):
        here, there = ours.get(imp_uid), theirs.get(imp_uid)
        if here is None and there is not None:
            told.append(f"{imp_uid} ({there['merchant_uid']}, {there['amount']:,} won) is in the ledger and not here")
        elif there is None:
            told.append(f"{imp_uid} is here and not in the ledger")
        elif here is not None and (here.amount, here.merchant_uid) != (there["amount"], there["merchant_uid"]):
            told.append(f"{imp_uid} is {here.amount:,} won here and {there['amount']:,} won in the ledger")
    charged: dict[str, list[str]] = {}
    for imp_uid, row in theirs.items():
        # All of a merchant_uid but its attempt number names the period.
        if row["status"] == "paid":
            charged.setdefault(row["merchant_uid"][:-3], []).append(imp_uid)
    told.extend(
        f"one period was charged {len(uids)} times: {', '.join(uids)}" for uids in charged.values() if len(uids) > 1
    )
    return told


def _ledger(file: Path) -> Sequence[Mapping[str, Any]]:
    read = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "simulator", "ledger", "--ledger", str(file), "--json"],
        capture_output=True,
        check=False,
        text=True,
    )
    if read.returncode != 0:
        raise LedgerUnreadable(f"the simulator's ledger cannot be read: {read.stderr.strip()}")
    rows: Sequence[Mapping[str, Any]] = json.loads(read.stdout)
    return rows
