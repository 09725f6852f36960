"""The tasks: three doorbells. Each carries nothing, may come any number of times, and only calls a use case."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from kombu.exceptions import OperationalError

from billing.charge_due import charge_due
from billing.resolve_unknown import resolve_unknown
from domain.errors import BillingError
from runtime.wiring import open_ports
from scheduler.pace import QUEUE_OF, Bell
from scheduler.tick import tick
from worker.celery_app import SETTINGS, app

if TYPE_CHECKING:
    from collections.abc import Callable

    from billing.ports import Ports

_log = structlog.get_logger("worker")
_ports: list[Ports] = []


def _real_things() -> Ports:
    """This process's own; made at its first task, which is after any fork."""
    if not _ports:
        _ports.append(open_ports(SETTINGS))
    return _ports[0]


def enqueue(bell: Bell) -> None:
    """Ring a doorbell. One that cannot be rung is lost: the next tick rings again."""
    try:
        app.send_task(bell, queue=QUEUE_OF[bell], expires=SETTINGS.tick_seconds, retry=False)
    except OperationalError:
        _log.warning("doorbell.lost", bell=str(bell))


def _run(bell: Bell, work: Callable[[Ports], dict[str, object]]) -> dict[str, object]:
    """Do the work of a bell and say what came of it; trouble is told, and the next bell tries again."""
    try:
        did = work(_real_things())
    except BillingError as error:
        _log.warning(f"{bell.name.lower()}.failed", code=error.code, message=str(error))
        return {"failed": error.code}
    if did:
        _log.info(f"{bell.name.lower()}.done", **did)
    return did


@app.task(name=Bell.TICK)
def tick_task() -> dict[str, object]:
    """Open due periods and ring for the work there is."""
    return _run(Bell.TICK, lambda ports: dict(tick(ports, enqueue, open_for_seconds=SETTINGS.soft_limit_seconds / 2)))


@app.task(name=Bell.CHARGE)
def charge_task() -> dict[str, object]:
    """Charge what is due."""

    def work(ports: Ports) -> dict[str, object]:
        run = charge_due(ports)
        did: dict[str, object] = dict(run.outcomes)
        if run.claimed:
            did["claimed"] = run.claimed
        if run.stopped_because:
            did["stopped_because"] = run.stopped_because
        return did

    return _run(Bell.CHARGE, work)


@app.task(name=Bell.RESOLVE)
def resolve_task() -> dict[str, object]:
    """Ask about what is not known."""
    return _run(Bell.RESOLVE, lambda ports: dict(resolve_unknown(ports)))
