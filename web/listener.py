"""How are connections kept from being held for nothing? One request each, its head within a time, so many at once.

Source of what uvicorn leaves to us: it has no time limit for a request's head, and counts connections only once a
request was read.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, ClassVar, Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from domain.errors import Misconfigured

if TYPE_CHECKING:
    import asyncio

    from starlette.types import ASGIApp

#: The whole head of a request comes in one packet; a slow line has this long.
HEAD_SECONDS: Final = 5
LARGEST_HEAD: Final = 16 * 1024
CONNECTIONS: Final = 256
_BACKLOG: Final = 512
_STOP_SECONDS: Final = 10


class OneRequest(H11Protocol):
    """A connection that carries one request and is closed after it, or if its head does not come in time.

    When there are too many, the one that has kept us waiting for its head for the longest makes room: a sender whose
    head comes at once gets through any number that send nothing.
    """

    _silent: ClassVar[dict[OneRequest, None]] = {}  # whose head has not come, the oldest first
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override,explicit-override]
        """Begin to wait for the head."""
        super().connection_made(transport)
        self._patience = self.loop.call_later(HEAD_SECONDS, self.let_go_if_silent)
        self._silent[self] = None
        if len(self.connections) > CONNECTIONS:
            next(iter(self._silent)).let_go_if_silent()

    def data_received(self, data: bytes) -> None:  # type: ignore[explicit-override]  # none in typing 3.11
        """Hear of it; no longer silent once the head is whole."""
        super().data_received(data)
        if self.headers:
            self._silent.pop(self, None)

    def connection_lost(self, exc: Exception | None) -> None:  # type: ignore[explicit-override]
        """Wait no more."""
        self._silent.pop(self, None)
        if self._patience is not None:
            self._patience.cancel()
        super().connection_lost(exc)

    def let_go_if_silent(self) -> None:
        """Close it, unless its request is being answered."""
        if not self.headers:  # none were read
            self.transport.abort()


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 takes a free one.

    Raises:
        Misconfigured: It cannot be had.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise Misconfigured(
            f"cannot listen on {host}:{port} ({reason}): set JEONGGI_WEB_HOST and JEONGGI_WEB_PORT to what is free"
        ) from None


def serve(app: ASGIApp, at: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT; what is being answered then is still answered."""
    options: dict[str, Any] = {
        "http": OneRequest,
        "ws": "none",
        "loop": "asyncio",
        "lifespan": "off",
        "interface": "asgi3",
        "proxy_headers": False,
        "server_header": False,
        "access_log": False,
        "log_config": None,
        "log_level": "error",  # a line for each piece of garbage would let strangers fill the log
        "headers": [("Connection", "close")],
        "h11_max_incomplete_event_size": LARGEST_HEAD,
        "timeout_graceful_shutdown": _STOP_SECONDS,
    }
    uvicorn.Server(uvicorn.Config(app, **options)).run(sockets=[at])
