"""Two months of a small shop, and every word of it: what must be the same whatever zones the processes live in.

``python -m tests.support.zone_life FOLDER ZONE PROCESS_ZONE URL...`` lives it once for each pair of the latter, with
all subscribers in ``ZONE``, and prints what it saw as one JSON list: what a mutated copy of the source is asked.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
from datetime import UTC, date, datetime
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest

from billing.change_subscription import By
from billing.windows import add_window
from cli.main import run
from domain.identity import subscription_id
from domain.window import NIGHTLY
from tests.fakes.gateway import Fate
from tests.support.house import NAMESPACE, House
from tests.support.zones import living_in

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Where the subscribers of a shop that sells everywhere are: clocks that change, odd offsets, both ends of a day.
ABROAD: Final = ("Asia/Seoul", "America/Juneau", "UTC", "Pacific/Kiritimati", "Asia/Kathmandu", "Australia/Lord_Howe")

_PLANS: Final = """
[[plan]]
code = "monthly"
name = "Monthly"
amount = 9900
every = "1 month"
catch_up = "all"
[[plan]]
code = "nightly"
name = "Half past midnight"
amount = 500
cron = "30 0 * * *"
[[plan]]
code = "last"
name = "Last of the month"
amount = 1000
cron = "0 10 L * *"
[[plan]]
code = "yearly"
name = "Yearly"
amount = 90000
every = "1 year"
"""
#: Plan, first day, last day paid elsewhere; each row is a customer, and the zones go round.
_ROWS: Final = (
    ("monthly", "2026-01-31", ""),
    ("monthly", "2025-12-31", ""),  # behind: at most one charge a civil day
    ("monthly", "2025-12-01", "2026-01-31"),
    ("nightly", "2026-01-30", "2026-02-24"),
    ("nightly", "2026-03-01", ""),
    ("last", "2026-01-01", ""),
    ("yearly", "2024-02-29", "2025-03-01"),
)
#: In the window of a night; midnights of Seoul and UTC; just before and at a due instant; Juneau's change of clocks.
_MOMENTS: Final = (
    "2026-01-31T14:30", "2026-01-31T15:00", "2026-02-01T01:00", "2026-02-02T01:00", "2026-02-28T00:59:59.999999",
    "2026-02-28T01:00", "2026-03-01T00:00", "2026-03-08T11:00", "2026-03-31T01:00",
)  # fmt: skip

_TABLES: Final = (
    "subscription", "skipped_period", "invoice", "charge_attempt", "send", "payment", "charge_envelope",
    "maintenance_window", "outbox_event", "audit_entry",
)  # fmt: skip
#: Real time of whoever writes the row, and numbers that follow from the order of random ids.
_NOT_OURS: Final = {"created_at", "recorded_at", "imp_uid", "id"}
_DRAWN: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|imps_[0-9]+")

Seen = dict[str, list[str]]


def live(url: str, folder: Path, *, zone_names: Sequence[str] = ABROAD) -> Seen:
    """Import, open, charge, decline, catch up, close for a night; then every row, and what the commands say.

    Args:
        url: A fresh, migrated database.
        folder: For the files that are imported.
        zone_names: Where the subscribers are, in turn.
    """
    house = House(url)
    said: list[str] = []
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {
                "DATABASE_URL": url, "REDIS_URL": "redis://127.0.0.1:1/0", "STATE_DIR": str(folder / "state"),
                "NAMESPACE": NAMESPACE,
            }.items():  # fmt: skip
                patch.setenv(f"JEONGGI_{name}", value)
            said += _import(folder, zone_names)
            add_window(house.database, NIGHTLY, channel=None, by=By(actor="ops", reason="nightly"))
            _charge_for_two_months(house)
            said += [_jeonggi(*command) for command in _READS]
        return {"said": said, **_rows(url)}
    finally:
        house.close()


_READS: Final = (("subscription", "list", "--json"), ("invoice", "list"))


def _import(folder: Path, zone_names: Sequence[str]) -> list[str]:
    plans, rows = folder / "plans.toml", folder / "subscriptions.csv"
    plans.write_text(_PLANS, encoding="utf-8")
    header = "customer_ref,name,email,tel,customer_uid,plan,started_on,timezone,paid_through"
    lines = [
        f"c{number},Kim,kim@shop.example,010-0000-0000,card-{number},{plan},{started_on},{zone_name},{paid_through}"
        for number, ((plan, started_on, paid_through), zone_name) in enumerate(zip(_ROWS, cycle(zone_names)))
    ]
    rows.write_text("\n".join((header, *lines)) + "\n", encoding="utf-8")
    return [_jeonggi("plan", "import", str(plans), "--json"), _jeonggi("subscription", "import", str(rows), "--json")]


def _charge_for_two_months(house: House) -> None:
    declined = subscription_id(
        namespace=NAMESPACE, customer_ref="c0", plan_code="monthly", started_on=date(2026, 1, 31)
    )
    house.gateway.script(house.uid(declined, 0), Fate.DECLINE)
    for moment in _MOMENTS:
        house.to(datetime.fromisoformat(moment).replace(tzinfo=UTC))
        house.tick()
        house.charge()


def _jeonggi(*arguments: str) -> str:
    """What a command says, without the ids that are drawn."""
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = run(list(arguments))
    assert code == 0, out.getvalue() + err.getvalue()
    said = out.getvalue()
    # Lists come in the order of drawn ids, and their columns are as wide as those.
    return "\n".join(sorted(" ".join(_DRAWN.sub("<id>", line).split()) for line in said.splitlines()))


def _rows(url: str) -> Seen:
    with psycopg.connect(url) as connection:
        connection.execute("SET timezone TO 'UTC'")
        return {
            table: sorted(_told(row[0]) for row in connection.execute(f"SELECT to_jsonb(t) FROM {table} t"))
            for table in _TABLES
        }


def _told(row: dict[str, Any]) -> str:
    return _DRAWN.sub("<id>", json.dumps({name: row[name] for name in sorted(row) if name not in _NOT_OURS}))


def main(folder: str, zone_name: str, *pairs: str) -> None:
    """Print what was seen by a process that lives in one zone after another, each with a database of its own."""
    seen = []
    for process_zone, url in zip(pairs[::2], pairs[1::2], strict=True):
        with living_in(process_zone):
            seen.append(live(url, Path(folder), zone_names=[zone_name]))
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
