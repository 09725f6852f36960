"""How many charges a second, and what CPU does one cost, beside a plain Celery task a charge?

    python -m benchmarks.charges [--charges N] [--repeats N] [--latencies MS ...] [--only WORDS] [--write]

Everything is real but the gateway: Celery, embedded PostgreSQL with every flush to the disk, embedded Valkey, full
bookkeeping. The contestants take turns within each repeat, so that a busy machine is busy for all of them. Every
measurement ends with the proof that each due charge was sent once and written down once.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import redis
from celery import Celery

from benchmarks import due_work, machine
from benchmarks.plain_task import NAMESPACE, QUEUE, TASK
from benchmarks.tables import Measurement, printed, written
from runtime.embedded.servers import Engines
from runtime.embedded.state_dir import open_state_dir
from runtime.settings import load_settings
from runtime.wiring import open_ports
from scheduler.pace import QUEUE_OF, Bell
from scheduler.tick import ring
from tests.support.databases import fresh_database
from tests.support.polling import eventually
from tests.support.processes import RunningProgram, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import Row

    from billing.ports import Ports

REPOSITORY: Final = Path(__file__).parents[1]
#: Charges before the measured ones: processes, connections and prepared statements are there then.
_WARM: Final = 600
_DEADLINE_SECONDS: Final = 120
_RING_ROUNDS: Final = 200
_PREPARED: Final = "prepared"
_OPTIONS: Final = ("--without-mingle", "--without-gossip", "--without-heartbeat", "--loglevel", "WARNING")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """One way to charge: its worker programs, and how many charges keep it busy for several seconds."""

    name: str
    is_ours: bool
    nodes: int
    options: Sequence[str]
    share: float  # of the charges asked for
    slots: int  # processes of ours, slots in one node of the plain task


OURS_IN_FLIGHT: Final = {0: 400, 300: 1_500}


def _plain(pool: str, slots: int, *, nodes: int = 1, share: float = 0.25) -> Contestant:
    name = f"plain, {f'{nodes} x ' if nodes > 1 else ''}{pool} {slots}"
    return Contestant(
        name=name, is_ours=False, nodes=nodes, options=("-P", pool, "-c", str(slots)), share=share, slots=slots
    )


CONTESTANTS: Final = (
    Contestant(name="ours, 1 process", is_ours=True, nodes=1, options=("-c", "1"), share=1, slots=1),
    Contestant(name="ours, 2 processes", is_ours=True, nodes=1, options=("-c", "2"), share=1, slots=2),
    _plain("prefork", 16, share=0.1),
    _plain("threads", 100),
    _plain("threads", 100, nodes=2),
    _plain("threads", 200, nodes=2),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What all measurements stand on: the two servers and a folder for logs."""

    database_url: str
    redis_url: str
    pids: dict[str, int]
    folder: Path


@contextlib.contextmanager
def _ground() -> Iterator[Ground]:
    with contextlib.ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="jeonggi-bench-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o711)  # as root, the engines run as a user of their own
        state = stack.enter_context(open_state_dir(folder / "state"))
        engines = stack.enter_context(Engines(state, postgres_options={"max_connections": "500"}))
        yield Ground(
            database_url=engines.urls.database_url,
            redis_url=engines.urls.redis_url,
            pids=dict(engines.pids),
            folder=folder,
        )


def _measure(ground: Ground, contestant: Contestant, *, latency: int, charges: int) -> Measurement:
    with contextlib.ExitStack() as stack:
        log = ground.folder / "stand-in.log"
        program = [sys.executable, "-m", "benchmarks.stand_in", str(latency)]
        stand_in = stack.enter_context(running(program, log=log, cwd=REPOSITORY))
        gateway_url = f"http://127.0.0.1:{stand_in.says(chr(10)).strip()}"
        database_url = stack.enter_context(fresh_database(ground.database_url))
        with redis.Redis.from_url(ground.redis_url) as valkey:
            valkey.flushall()
        environment = _environment(ground, contestant, database_url, gateway_url, latency)
        ports = _ports(environment)
        stack.callback(ports.database.close)
        workers = [
            stack.enter_context(_worker(ground, contestant, environment, number)) for number in range(contestant.nodes)
        ]
        return _charge_all(ground, contestant, ports, workers, stand_in, gateway_url, latency=latency, charges=charges)


def _environment(
    ground: Ground, contestant: Contestant, database_url: str, gateway_url: str, latency: int
) -> dict[str, str]:
    in_flight = OURS_IN_FLIGHT.get(latency, 1_500) // (contestant.slots if contestant.is_ours else 1)
    return {
        "JEONGGI_DATABASE_URL": database_url,
        "JEONGGI_REDIS_URL": ground.redis_url,
        "JEONGGI_GATEWAY_URL": gateway_url,
        "JEONGGI_NAMESPACE": NAMESPACE,
        "JEONGGI_IMP_KEY": "key",
        "JEONGGI_IMP_SECRET": "secret",
        "JEONGGI_STATE_DIR": str(ground.folder / "unused"),
        "JEONGGI_GATEWAY_RATE": "100000",
        "JEONGGI_GATEWAY_CONCURRENCY": str(in_flight),
        "PLAIN_BROKER_URL": ground.redis_url,
        "PLAIN_DATABASE_URL": database_url,
        "PLAIN_GATEWAY_URL": gateway_url,
    }


def _ports(environment: dict[str, str]) -> Ports:
    """Ours of this process: to make the work, to look, and to ring."""
    settings = load_settings(
        **{
            name.removeprefix("JEONGGI_").lower(): value
            for name, value in environment.items()
            if name.startswith("JEONGGI_")
        }
    )
    return open_ports(settings)


def _worker(
    ground: Ground, contestant: Contestant, environment: dict[str, str], number: int
) -> contextlib.AbstractContextManager[RunningProgram]:
    app, queue = ("worker", QUEUE_OF[Bell.CHARGE]) if contestant.is_ours else ("benchmarks.plain_task", QUEUE)
    command = [sys.executable, "-m", "celery", "-A", app, "worker", "-Q", queue, "-n", f"bench-{number}@%h"]
    return running(
        [*command, *contestant.options, *_OPTIONS],
        log=ground.folder / f"worker-{number}.log",
        env=environment,
        cwd=REPOSITORY,
    )


def _charge_all(
    ground: Ground,
    contestant: Contestant,
    ports: Ports,
    workers: Sequence[RunningProgram],
    stand_in: RunningProgram,
    gateway_url: str,
    *,
    latency: int,
    charges: int,
) -> Measurement:
    terms = due_work.make_plan(ports.database)
    offer = _ring if contestant.is_ours else _release
    _await_done(ports, offer(ground, ports, due_work.make_due(ports, terms, first=0, count=_WARM)))
    due = due_work.make_due(ports, terms, first=_WARM, count=charges)
    enqueueing = time.process_time()
    start = offer(ground, ports, due)
    enqueueing = time.process_time() - enqueueing
    groups = {
        "workers": [worker.process.pid for worker in workers],
        "PostgreSQL": [ground.pids["postgres"]],
        "Valkey": [ground.pids["valkey"]],
        "stand-in": [stand_in.process.pid],
    }
    own = os.getpid()
    load = os.getloadavg()[0]
    before = {name: machine.cpu_seconds(pids) for name, pids in groups.items()}
    busy_before, own_before = machine.busy_seconds(), machine.cpu_seconds([own])
    began = due_work.clock(ports.database)
    _await_done(ports, start)
    seen_done = due_work.clock(ports.database)
    busy, own_cpu = machine.busy_seconds() - busy_before, machine.cpu_seconds([own]) - own_before
    spent = {name: machine.cpu_seconds(pids) - before[name] for name, pids in groups.items()}
    memory = machine.resident_megabytes(groups["workers"])
    took = (due_work.last_recorded_at(ports.database) - began).total_seconds()
    due_work.check_each_charged_once(ports.database, gateway_url, count=_WARM + charges)
    return Measurement(
        contestant=contestant.name,
        is_ours=contestant.is_ours,
        latency=latency,
        charges=charges,
        seconds=took,
        cpu_us={name: seconds / charges * 1e6 for name, seconds in spent.items()},
        enqueueing_us=0 if contestant.is_ours else enqueueing / charges * 1e6,
        megabytes=memory,
        foreign_cores=max(0.0, busy - own_cpu) / (seen_done - began).total_seconds(),
        load=load,
    )


def _await_done(ports: Ports, start: Callable[[], object]) -> None:
    """Start, and wait until everything is charged; the bell is rung again as beat would ring it."""
    rounds = 0

    def looked() -> bool:
        nonlocal rounds
        if rounds % _RING_ROUNDS == 0:
            start()
        rounds += 1
        return due_work.is_done(ports.database)

    eventually(looked, _DEADLINE_SECONDS, "every charge")


def _ring(ground: Ground, ports: Ports, due: Sequence[Row[Any]]) -> Callable[[], object]:
    """Ours: bells, as many as a tick rings."""
    del due
    app = Celery("bells", broker=ground.redis_url, set_as_current=False)
    app.conf.update(broker_transport_options={"global_keyprefix": "jeonggi:"}, task_default_exchange="")

    def enqueue(bell: Bell, channel: str) -> None:
        if bell is Bell.CHARGE:
            app.send_task(bell, kwargs={"channel": channel}, queue=QUEUE_OF[bell])

    return lambda: ring(ports, enqueue, Counter())


def _release(ground: Ground, ports: Ports, due: Sequence[Row[Any]]) -> Callable[[], object]:
    """The plain task: a message a charge, all of them made beforehand and given to the workers in one stroke."""
    del ports
    app = Celery("plain", broker=ground.redis_url, set_as_current=False)
    with app.producer_or_acquire() as producer:
        for row in due:
            app.send_task(
                TASK, (str(row.id), str(row.subscription_id), row.ordinal), queue=_PREPARED, producer=producer
            )

    def start() -> None:
        with redis.Redis.from_url(ground.redis_url) as valkey:
            if valkey.exists(_PREPARED):
                valkey.rename(_PREPARED, QUEUE)

    return start


def main() -> None:
    """Measure in turns, print the table, and write it down if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--charges", type=int, default=8_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--latencies", type=int, nargs="+", default=[0, 300])
    parser.add_argument("--only", default="", help="contestants whose name holds these words")
    parser.add_argument("--write", action="store_true", help="write docs/performance.json and the table beside it")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is stopped then, too
    measured: list[Measurement] = []
    with _ground() as ground:
        for latency in asked.latencies:
            for _ in range(asked.repeats):
                for contestant in CONTESTANTS:
                    if asked.only in contestant.name:
                        count = round(asked.charges * contestant.share)
                        measured.append(_measure(ground, contestant, latency=latency, charges=count))
                        print(measured[-1].line(), flush=True)
        about = machine.described(ground.database_url)
    print(printed(measured, about))
    if asked.write:
        written(measured, about, folder=REPOSITORY / "docs")


if __name__ == "__main__":
    main()
