"""What does opening a due period cost, with a hundred thousand subscriptions, a million, ten million that are not due?

    python -m benchmarks.opening [--subscriptions N ...] [--due N] [--write]

It must cost what is due, not what there is. Shared buffers touched (hit or read, by PostgreSQL's own count) are told a
due row, and so is the CPU of the opener and of its backend; the same number is due each time, scattered among the
others. Nobody judges by the clock: CPU is told, buffers are compared.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg

from benchmarks import due_work, machine
from benchmarks.plain_task import NAMESPACE
from billing.make_what_has_come import make_what_has_come
from billing.open_period import BATCH, open_due_periods
from domain.billing_period import Calendar
from domain.instants import civil_date
from domain.schedule import parse_every
from models.queries import open_period, stop
from runtime.embedded.servers import Engines
from runtime.embedded.state_dir import open_state_dir
from runtime.settings import load_settings
from runtime.wiring import open_ports
from tests.support.databases import fresh_database

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date, datetime

    from billing.ports import Ports

REPOSITORY: Final = Path(__file__).parents[1]
_BEGIN: Final = "<!-- opening: begin -->"
_END: Final = "<!-- opening: end -->"
_ZONE: Final = "Asia/Seoul"
_AT_ONCE: Final = 500_000
#: Nothing but what is measured touches a buffer, and what was made is not written to the disk meanwhile.
_OPTIONS: Final = {
    "autovacuum": "off",
    "shared_buffers": "1GB",
    "max_wal_size": "16GB",
    "checkpoint_timeout": "60min",
    "max_connections": "50",
}
_FILL: Final = """
WITH made AS (SELECT n, md5('s' || n)::uuid AS id, lpad(to_hex(n), 12, '0') AS x,
                     CASE WHEN n %% %(every)s = 0 AND n / %(every)s <= %(due)s THEN 0 ELSE 1 + n %% %(days)s END AS day
                FROM generate_series(%(first)s::bigint, %(last)s) n),
customers AS (INSERT INTO customer (id, customer_ref, name, email, tel)
  SELECT ('00000000-0000-7000-8000-' || x)::uuid, 'c' || x, '김하나', x || '@shop.example', '010-0000-0000' FROM made),
cards AS (INSERT INTO billing_key (id, customer_id, customer_uid)
  SELECT ('00000000-0000-7000-9000-' || x)::uuid, ('00000000-0000-7000-8000-' || x)::uuid, 'card-' || x FROM made),
subscriptions AS (INSERT INTO subscription (id, customer_id, plan_id, plan_price_id, billing_key_id, timezone,
    started_on, anchored_on, state, ordinal, next_billing_at, catch_up_below)
  SELECT id, ('00000000-0000-7000-8000-' || x)::uuid, %(plan)s, %(price)s, ('00000000-0000-7000-9000-' || x)::uuid,
    'Asia/Seoul', (%(started)s::date[])[1 + day], (%(started)s::date[])[1 + day], 'active', 0,
    (%(next)s::timestamptz[])[1 + day], 0 FROM made)
INSERT INTO invoice (id, subscription_id, purpose, ordinal, period_start, period_end, amount, state, is_catch_up,
    next_trigger, ladder_step, attempt_count, opened_at)
  SELECT ('00000000-0000-7000-a000-' || x)::uuid, id, 'period', 0,
    (%(next)s::timestamptz[])[1 + day] - interval '28 days', (%(next)s::timestamptz[])[1 + day],
    9900, 'paid', false, 'schedule', 0, 1, now() FROM made
"""

_LARGE: Final = frozenset({"subscription", "invoice", "charge_attempt"})
_COME: Final = f"SELECT s.id FROM subscription s WHERE {stop.HAS_COME}"  # noqa: S608 - our own constant


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """One measurement: what so many due rows cost, among so many subscriptions. Buffers and CPU are told a due row."""

    subscriptions: int
    due: int
    buffers: float  # of everything: look-up, locks, invoices, lines, events, the foreign keys' checks
    lock_buffers: float  # of the look-up alone, a row of its first batch
    come_buffers: int  # of a look for stops, resumes and terms that have come, when none has; not a row
    opener_us: float
    backend_us: float
    seconds: float
    load: float

    def cells(self, least: Opening) -> Sequence[str]:
        """A line of the table."""
        return (
            f"{self.subscriptions:,}",
            f"{self.due:,}",
            f"{self.buffers:.1f}",
            f"{self.buffers / least.buffers:.3f}",
            f"{self.lock_buffers:.2f}",
            f"{self.come_buffers}",
            f"{self.opener_us:.0f}",
            f"{self.backend_us:.0f}",
            f"{(self.opener_us + self.backend_us) / (least.opener_us + least.backend_us):.2f}",
        )


_COLUMNS: Final = (
    "subscriptions", "due", "buffers a due row", "times the smallest", "of them the look-up",
    "a look for what has come, whole", "CPU us a due row: opener", "PostgreSQL", "times the smallest",
)  # fmt: skip


@contextlib.contextmanager
def _server() -> Iterator[tuple[str, int]]:
    with contextlib.ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="jeonggi-bench-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o711)  # as root, the engines run as a user of their own
        state = stack.enter_context(open_state_dir(folder / "state"))
        engines = stack.enter_context(Engines(state, postgres_options=_OPTIONS))
        yield engines.urls.database_url, engines.pids["postgres"]


def _opened(database_url: str) -> Ports:
    return open_ports(
        load_settings(
            database_url=database_url,
            redis_url="redis://127.0.0.1:1/0",  # nobody rings
            gateway_url="http://127.0.0.1:1",
            namespace=NAMESPACE,
            imp_key="key",
            imp_secret="secret",  # noqa: S106 - of nobody
        )
    )


def _days(now: datetime) -> tuple[list[date], list[datetime]]:
    """Starts of subscriptions, each with when its second period begins: first one that is due, then others."""

    def second(day: date) -> datetime:
        return Calendar(schedule=parse_every("1 month"), anchored_on=day, zone_name=_ZONE).start(1)

    today = civil_date(now, _ZONE)
    before = [today - timedelta(days=days) for days in range(40)]
    due = next(day for day in before if second(day) <= now)
    started = [due, *(day for day in before if second(day) > now)]
    return started, [second(day) for day in started]


def _fill(url: str, ports: Ports, *, count: int, due: int) -> None:
    terms = due_work.make_plan(ports.database)
    with ports.database.reading() as tx:
        started, following = _days(tx.now)
    parameters = {
        "plan": terms.plan_id,
        "price": terms.price_id,
        "started": started,
        "next": following,
        "days": len(started) - 1,
        "due": due,
        "every": count // due,
    }
    with psycopg.connect(url, autocommit=True) as connection:
        # What is made here keeps every rule: nobody need look, row by row.
        connection.execute("SET session_replication_role = replica")
        connection.execute("SET synchronous_commit = off")
        for first in range(1, count + 1, _AT_ONCE):
            last = min(first + _AT_ONCE - 1, count)
            connection.execute(_FILL, {**parameters, "first": first, "last": last})
            print(f"  {last:,} of {count:,} subscriptions made", flush=True)
        connection.execute("VACUUM (ANALYZE)")
        connection.execute("CHECKPOINT")


def _touched(url: str) -> int:
    """Shared buffers that were touched in this database so far; sessions that have ended are counted whole."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
        connection.execute("SELECT pg_stat_clear_snapshot()")
        row = connection.execute(
            "SELECT blks_hit + blks_read FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone()
        return int(row[0]) if row else 0


def _buffers_of(url: str, statement: str, **values: object) -> tuple[int, Mapping[str, Any]]:
    """What a statement touches, and its plan."""
    named = statement.replace("%", "%%")
    for name in values:
        named = named.replace(f":{name}", f"%({name})s")
    with psycopg.connect(url) as connection:
        # As a session that has prepared it: values are not looked at.
        row = connection.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {named}", values).fetchone()
        connection.rollback()
    plan: Mapping[str, Any] = row[0][0]["Plan"] if row else {}
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"], plan


def _refuse_scans(plan: Mapping[str, Any]) -> None:
    """A table that grows with the shop is never read from end to end.

    Raises:
        AssertionError: It is.
    """
    if plan["Node Type"] == "Seq Scan" and plan["Actual Loops"] and plan["Relation Name"] in _LARGE:
        raise AssertionError(f"reads all of {plan['Relation Name']}: {json.dumps(plan)}")
    for part in plan.get("Plans", ()):
        _refuse_scans(part)


def _open_all(ports: Ports) -> int:
    opened = 0
    while (batch := open_due_periods(ports)).subscriptions:
        opened += batch.invoices
    return opened


def _measure(server_url: str, postgres: int, *, count: int, due: int) -> Opening:
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(fresh_database(server_url))
        ports = _opened(url)
        _fill(url, ports, count=count, due=due + BATCH)
        open_due_periods(ports)  # caches are warm, and statements are planned
        with ports.database.reading() as tx:
            now = tx.now
        ports.database.close()
        lock = str(open_period._LOCK_DUE.text)  # noqa: SLF001 - the statement itself
        lock = lock.replace("CAST(:only AS uuid)", "NULL::uuid").replace(":only", "NULL")
        buffers, plan = _buffers_of(url, lock, now=now, limit=BATCH)
        _refuse_scans(plan)
        come, come_plan = _buffers_of(url, _COME, now=now)
        _refuse_scans(come_plan)
        ports = _opened(url)
        touched, load = _touched(url), os.getloadavg()[0]
        backend, own, began = machine.cpu_seconds([postgres]), time.process_time(), time.monotonic()
        opened = _open_all(ports)
        took, own = time.monotonic() - began, time.process_time() - own
        make_what_has_come(ports)
        ports.database.close()
        backend = machine.cpu_seconds([postgres]) - backend
        if opened != due:
            raise AssertionError(f"{opened} periods were opened, {due} were due: the measurement is worth nothing")
        return Opening(
            subscriptions=count,
            due=due,
            buffers=(_touched(url) - touched) / due,
            lock_buffers=buffers / BATCH,
            come_buffers=come,
            opener_us=own / due * 1e6,
            backend_us=backend / due * 1e6,
            seconds=took,
            load=load,
        )


def _printed(measured: Sequence[Opening], about: Mapping[str, str]) -> str:
    lines = [f"- {name}: {value}" for name, value in about.items() if name != "packages"]
    lines += ["", "| " + " | ".join(_COLUMNS) + " |", "|---" * len(_COLUMNS) + "|"]
    lines += ["| " + " | ".join(one.cells(measured[0])) + " |" for one in measured]
    return "\n".join(lines)


def _write(measured: Sequence[Opening], about: Mapping[str, str], *, folder: Path) -> None:
    """Into the page, between its marks, and beside the other measurements."""
    page = folder / "performance.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(_BEGIN)
    after = rest.partition(_END)[2]
    page.write_text(f"{before}{_BEGIN}\n{_printed(measured, about)}\n{_END}{after}", encoding="utf-8")
    told = json.loads((folder / "performance.json").read_text(encoding="utf-8"))
    told["opening"] = {"about": dict(about), "measurements": [asdict(one) for one in measured]}
    (folder / "performance.json").write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> None:
    """Measure from the smallest to the largest, print the table, and write it down if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subscriptions", type=int, nargs="+", default=[100_000, 1_000_000, 10_000_000])
    parser.add_argument("--due", type=int, default=10_000)
    parser.add_argument("--write", action="store_true", help="write docs/performance.json and the table of the page")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is stopped then, too
    measured: list[Opening] = []
    with _server() as (url, postgres):
        about = machine.described(url)
        for count in sorted(asked.subscriptions):
            measured.append(_measure(url, postgres, count=count, due=asked.due))
            print(_printed(measured, about), flush=True)
            if asked.write:
                _write(measured, about, folder=REPOSITORY / "docs")


if __name__ == "__main__":
    main()
