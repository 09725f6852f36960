"""Stands between the client and the simulator, and keeps every whole request and answer as it went over the wire."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.contract.gateway.holding_against import call_of, differences_of_answer, differences_of_request
from tests.contract.gateway.servers import Conversation, SocketServer, answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.contract.gateway.servers import Asked


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request with its answer."""

    asked: Asked
    status: int
    body: bytes

    @property
    def call(self) -> str:
        return call_of(self.asked.method, urlsplit(self.asked.path).path)


@dataclass(slots=True)
class Relay:
    """Where it listens, and what went through it."""

    url: str = ""
    exchanges: list[Exchange] = field(default_factory=list)

    def calls(self) -> set[str]:
        return {each.call for each in self.exchanges}

    def differences(self) -> list[str]:
        """Every way in which something that went through differs from the schema."""
        found: list[str] = []
        for each in self.exchanges:
            found += differences_of_request(each.asked.method, each.asked.path, each.asked.body)
            found += differences_of_answer(each.asked.method, each.asked.path, each.status, each.body)
        return sorted(set(found))


@contextlib.contextmanager
def relay_to(url: str) -> Iterator[Relay]:
    """Relay to the gateway at ``url``."""
    relay = Relay()
    target = urlsplit(url)
    assert target.hostname is not None

    def pass_on(asked: Asked) -> Exchange:
        line = http.client.HTTPConnection(str(target.hostname), target.port, timeout=30)
        with contextlib.closing(line):
            kept = {name: value for name, value in asked.headers.items() if name in {"authorization", "content-type"}}
            line.request(asked.method, asked.path, body=asked.body or None, headers=kept)
            said = line.getresponse()
            return Exchange(asked, said.status, said.read())

    async def behaviour(talk: Conversation) -> None:
        while True:
            exchange = await asyncio.to_thread(pass_on, await talk.whole_request())
            relay.exchanges.append(exchange)
            await talk.say(answer(exchange.status, exchange.body))

    with SocketServer(behaviour) as server:
        relay.url = server.url
        yield relay
