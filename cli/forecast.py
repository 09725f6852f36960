"""The command that tells which charges will fall due."""

import csv
import sys
from collections import Counter
from datetime import time
from typing import TYPE_CHECKING, Annotated

import typer

from billing.foresee import Foreseen, foresee
from cli.opening import opened_database
from cli.options import AsJson
from cli.output import say, say_json, show_table
from domain.instants import ONE_DAY, civil_date, instant_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

_MOST_DAYS = 3_660
_COLUMNS = ("due_at", "customer_ref", "subscription_id", "plan", "channel", "ordinal", "amount", "attempts", "purpose")


class _Totals:
    """Charges and won, by day and by plan."""

    def __init__(self, zone_name: str) -> None:
        self._zone_name = zone_name
        self.charges: Counter[date] = Counter()
        self.won: Counter[date] = Counter()
        self.plan_charges: Counter[str] = Counter()
        self.plan_won: Counter[str] = Counter()

    def add(self, charge: Foreseen, *, today: "date") -> None:
        """Count one; what is overdue counts today."""
        day = max(today, civil_date(charge.due_at, self._zone_name))
        self.charges[day] += 1
        self.won[day] += charge.amount
        self.plan_charges[charge.plan] += 1
        self.plan_won[charge.plan] += charge.amount


def forecast(
    days: Annotated[int, typer.Option(min=1, max=_MOST_DAYS, help="Civil days, today included.")] = 30,
    lines: Annotated[
        bool, typer.Option("--lines", help="Every charge, as CSV on stdout; with --json in the document.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Tell which charges will fall due as things stand, by day and by plan."""
    with opened_database() as (settings, database), database.reading() as tx:
        zone_name = settings.timezone.key
        today = civil_date(tx.now, zone_name)
        end = instant_of(today + days * ONE_DAY, time.min, zone_name)
        charges = (charge for charge in foresee(tx, until=end) if charge.due_at < end)
        if lines and not as_json:
            _write_lines(charges)
            return
        totals, kept = _Totals(zone_name), list[dict[str, object]]()
        for charge in charges:
            totals.add(charge, today=today)
            if lines:
                kept.append(_line(charge))
    if as_json:
        document: dict[str, object] = {
            "from": today,
            "until": end,
            "charges": totals.charges.total(),
            "won": totals.won.total(),
            "days": [
                {"day": day, "charges": count, "won": totals.won[day]} for day, count in sorted(totals.charges.items())
            ],
            "plans": [
                {"plan": plan, "charges": count, "won": totals.plan_won[plan]}
                for plan, count in sorted(totals.plan_charges.items())
            ],
        }
        say_json({**document, "lines": sorted(kept, key=_order)} if lines else document)
        return
    zone = settings.timezone
    show_table(
        ("day", "charges", "won"),
        [(f"{day:%Y-%m-%d %a}", count, totals.won[day]) for day, count in sorted(totals.charges.items())],
        zone,
    )
    show_table(
        ("plan", "charges", "won"),
        [(plan, count, totals.plan_won[plan]) for plan, count in sorted(totals.plan_charges.items())],
        zone,
    )
    last = today + (days - 1) * ONE_DAY
    say(f"{totals.charges.total():,} charges of {totals.won.total():,} won fall due from {today} to {last}")


def _write_lines(charges: "Iterable[Foreseen]") -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for charge in charges:
        line = _line(charge)
        writer.writerow([charge.due_at.isoformat(), *(line[column] for column in _COLUMNS[1:])])


def _line(charge: Foreseen) -> dict[str, object]:
    return {column: getattr(charge, column) for column in _COLUMNS}


def _order(line: dict[str, object]) -> tuple[str, str, str]:
    return str(line["due_at"]), str(line["subscription_id"]), str(line["ordinal"])
