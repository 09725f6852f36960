"""How does one simulator run from its first line to its end?"""

import asyncio
import json
import os
import signal
import sys

from aiohttp import web

from simulator.app import public_app
from simulator.control import control_app
from simulator.options import Options
from simulator.schedule_runs import fire_due
from simulator.simulation import Simulation

SHUTDOWN_SECONDS = 5.0
TURN_SECONDS = 0.1
BACKLOG = 4096


class CannotListen(Exception):
    """A port cannot be had; the text says which."""


async def serve(options: Options) -> None:
    """Serve both ports until SIGTERM or SIGINT; calls that hang or wait are then let go, uncharged if held.

    Raises:
        CannotListen: A port is taken.
    """
    simulation = Simulation(options)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, simulation.closing.set)
    runners: list[web.AppRunner] = []
    try:
        port = await _listen(runners, public_app(simulation), options.host, options.port)
        control_port = await _listen(runners, control_app(simulation), options.host, options.control_port)
        _say({"event": "listening", "port": port, "control_port": control_port, "pid": os.getpid()})
        while not simulation.closing.is_set():
            await simulation.pause(TURN_SECONDS)
            fire_due(simulation)
            simulation.settle()
    finally:
        simulation.closing.set()
        for runner in runners:
            await runner.cleanup()
        await simulation.hooks.close()
        simulation.ledger.close()


async def _listen(runners: list[web.AppRunner], app: web.Application, host: str, port: int) -> int:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS, keepalive_timeout=75)
    await runner.setup()
    runners.append(runner)
    try:
        await web.TCPSite(runner, host, port, backlog=BACKLOG).start()
    except OSError as taken:
        raise CannotListen(f"cannot listen on {host}:{port}: {taken.strerror or taken}") from taken
    return int(runner.addresses[0][1])


def _say(line: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
