"""The process behind `jeonggi web`: takes the gateway's hooks until it is told to stop."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, NoReturn

import structlog

from domain.errors import BillingError
from runtime.clock import boottime
from runtime.logs import set_up_logs
from runtime.settings import load_settings
from runtime.wiring import open_database
from web.app import web_app
from web.listener import listening, serve

if TYPE_CHECKING:
    from types import FrameType

_log = structlog.get_logger("web")


def main() -> int:
    """Serve; gives the exit code."""
    # The server takes these over, and gives them back, with the signal that it got, once it has ended in order.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    try:
        settings = load_settings()
        set_up_logs(settings)
        database = open_database(settings)
        at = listening(settings.web_host, settings.web_port)
    except BillingError as error:
        sys.stderr.write(f"jeonggi: {error}\n")
        return 2
    host, port = at.getsockname()[:2]
    _log.info("web.listening", host=host, port=port)
    try:
        serve(web_app(settings, database, clock=boottime), at)
    finally:
        database.close()
    return 0


def _end(number: int, frame: FrameType | None) -> NoReturn:
    del number, frame
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
