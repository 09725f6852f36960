"""Servers at the socket, each with one way to misbehave, that count the whole requests they read."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from tests.support.stream_server import StreamServer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType


@dataclass(slots=True)
class Asked:
    """One whole request, as the server read it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict[str, object]:
        parsed: dict[str, object] = json.loads(self.body)
        return parsed


@dataclass(slots=True)
class Conversation:
    """One accepted connection; ``number`` counts them from 0."""

    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    server: SocketServer

    async def whole_request(self) -> Asked:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        method, path, _ = first.split(" ")
        asked = Asked(method, path, headers, body)
        self.server.requests.append(asked)
        return asked

    async def say(self, raw: bytes) -> None:
        self.writer.write(raw)
        await self.writer.drain()

    def hang_up(self) -> None:
        """FIN: an orderly end."""
        self.writer.close()

    def reset(self) -> None:
        """RST: no linger, then close."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def until_gone(self) -> None:
        """Stay silent until the client ends the connection."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(4096):
                pass


@dataclass(slots=True)
class SocketServer:
    """Runs one behaviour for every accepted connection, on a loop in a thread of its own, on a free port."""

    behaviour: Callable[[Conversation], Awaitable[None]]
    requests: list[Asked] = field(default_factory=list)
    connections: int = 0
    _server: StreamServer | None = None

    @property
    def port(self) -> int:
        assert self._server is not None
        return self._server.port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._server = StreamServer(self._talk).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.stop()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number, self.connections = self.connections, self.connections + 1
        try:
            await self.behaviour(Conversation(number, reader, writer, self))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


def answer(status: int, body: bytes | dict[str, object], *, headers: tuple[str, ...] = ()) -> bytes:
    """A whole HTTP answer."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(raw)}", "Content-Type: application/json", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + raw


def paid(asked: Asked) -> dict[str, object]:
    """The envelope of a charge that went well."""
    body = asked.json()
    return {
        "code": 0,
        "message": None,
        "response": {
            "imp_uid": "imps_123456789012",
            "merchant_uid": body["merchant_uid"],
            "customer_uid": body["customer_uid"],
            "amount": body["amount"],
            "cancel_amount": 0,
            "currency": "KRW",
            "status": "paid",
            "paid_at": 1_700_000_000,
            "buyer_name": body.get("buyer_name"),
            "card_number": "9490-22**-****-1234",
        },
    }
