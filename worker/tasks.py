"""The tasks: doorbells. Each carries at most a channel's name, may come any number of times, and calls a use case.

The name is a routing word without authority: one that is unknown, or missing, does nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from kombu.exceptions import OperationalError

from billing.charge_due import charge_due
from billing.compare_gateway import compare_due
from billing.follow_hints import follow_hints
from billing.forget_hints import forget_hints
from billing.keep_forecast import compare_forecast, keep_forecast
from billing.refund_due import refund_due
from billing.resolve_unknown import resolve_unknown
from billing.take_turn import taken_turn
from domain.errors import BillingError
from runtime.wiring import open_channels
from scheduler.pace import QUEUE_OF, Bell, Queue
from scheduler.tick import tick
from worker.celery_app import SETTINGS, app

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from billing.ports import Ports

_log = structlog.get_logger("worker")
_channels: dict[str, Ports] = {}


def _real_things() -> Mapping[str, Ports]:
    """This process's own, a channel each; made at its first task, which is after any fork."""
    if not _channels:
        _channels.update(open_channels(SETTINGS))
    return _channels


def enqueue(bell: Bell, channel: str) -> None:
    """Ring a doorbell for a channel. One that cannot be rung is lost: the next tick rings again."""
    try:
        app.send_task(
            bell, kwargs={"channel": channel}, queue=QUEUE_OF[bell], expires=SETTINGS.tick_seconds, retry=False
        )
    except OperationalError:
        _log.warning("doorbell.lost", bell=str(bell), channel=channel)


def _run(bell: Bell, work: Callable[[], dict[str, object]], **of: str) -> dict[str, object]:
    """Do the work of a bell and say what came of it; trouble is told, and the next bell tries again."""
    try:
        did = work()
    except BillingError as error:
        _log.warning(f"{bell.name.lower()}.failed", code=error.code, message=str(error), **of)
        return {"failed": error.code}
    if did:
        _log.info(f"{bell.name.lower()}.done", **of, **did)
    return did


def _run_for(channel: str, bell: Bell, work: Callable[[Ports], dict[str, object]]) -> dict[str, object]:
    """The same for one channel's bell."""

    def of_the_channel() -> dict[str, object]:
        ports = _real_things().get(channel)
        if ports is None:
            _log.warning("doorbell.unknown_channel", bell=str(bell))
            return {}
        queue = QUEUE_OF[bell]
        most = ports.limits.charge_runs if queue is Queue.CHARGE else ports.limits.look_runs
        with taken_turn(ports, queue, most=most) as has_turn:
            return work(ports) if has_turn else {}

    return _run(bell, of_the_channel, channel=channel)


@app.task(name=Bell.TICK)
def tick_task() -> dict[str, object]:
    """Open due periods and ring for the work there is, of every channel."""

    def work() -> dict[str, object]:
        return dict(tick([*_real_things().values()], enqueue, open_for_seconds=SETTINGS.soft_limit_seconds / 2))

    return _run(Bell.TICK, work)


@app.task(name=Bell.CHARGE)
def charge_task(channel: str = "") -> dict[str, object]:
    """Charge what is due."""

    def work(ports: Ports) -> dict[str, object]:
        run = charge_due(ports)
        did: dict[str, object] = dict(run.outcomes)
        if run.claimed:
            did["claimed"] = run.claimed
        if run.stopped_because:
            did["stopped_because"] = run.stopped_because
        return did

    return _run_for(channel, Bell.CHARGE, work)


@app.task(name=Bell.RESOLVE)
def resolve_task(channel: str = "") -> dict[str, object]:
    """Ask about what is not known."""
    return _run_for(channel, Bell.RESOLVE, lambda ports: dict(resolve_unknown(ports)))


@app.task(name=Bell.FOLLOW)
def follow_task(channel: str = "") -> dict[str, object]:
    """Look where the gateway's hooks point, and delete old ones."""

    def work(ports: Ports) -> dict[str, object]:
        did: dict[str, object] = dict(follow_hints(ports))
        if forgotten := forget_hints(ports):
            did["forgotten"] = forgotten
        return did

    return _run_for(channel, Bell.FOLLOW, work)


@app.task(name=Bell.COMPARE)
def compare_task(channel: str = "") -> dict[str, object]:
    """Read a part of the gateway's lists against the books: the pace's other bells have their turn in between."""
    seconds = SETTINGS.soft_limit_seconds / 4
    return _run_for(channel, Bell.COMPARE, lambda ports: dict(compare_due(ports, for_seconds=seconds)))


@app.task(name=Bell.REFUND)
def refund_task(channel: str = "") -> dict[str, object]:
    """Send the refunds that are due, and ask about those of which nobody knows what became."""
    return _run_for(channel, Bell.REFUND, lambda ports: dict(refund_due(ports)))


@app.task(name=Bell.FORECAST)
def forecast_task() -> dict[str, object]:
    """Keep what the next day will charge, and hold the last one against what was foreseen for it."""

    def work() -> dict[str, object]:
        database = next(iter(_real_things().values())).database
        did = {
            "kept": keep_forecast(database, zone_name=SETTINGS.timezone.key),
            "unexplained": compare_forecast(database),
        }
        return {name: count for name, count in did.items() if count is not None}

    return _run(Bell.FORECAST, work)
