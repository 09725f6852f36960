"""The mark of what left: set before the first byte, tied to its own call, and able to stop the write."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

import httpx
import pytest

from gateway.transport import GatewayTransport, Passage, StoppedBeforeSending
from tests.contract.gateway.asking import make_config
from tests.contract.gateway.servers import Conversation, SocketServer, answer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")


async def ok(talk: Conversation) -> None:
    while True:
        await talk.whole_request()
        await talk.say(answer(200, {"code": 0}))


async def hang(talk: Conversation) -> None:
    await talk.whole_request()
    await talk.until_gone()


def on_a_transport(
    url: str, connections: int, use: Callable[[GatewayTransport], Awaitable[T]], *, connect_seconds: float = 10.0
) -> T:
    """A busy machine may take its time to connect; a test that waits for a connection in vain says how long."""

    async def run() -> T:
        transport = GatewayTransport(make_config(url, connect_timeout_seconds=connect_seconds), connections=connections)
        try:
            return await use(transport)
        finally:
            await transport.close()

    return asyncio.run(run())


def post(transport: GatewayTransport) -> httpx.Request:
    return transport.post(transport.fixed_url("/x"), {}, b'{"a":1}', read_seconds=1.0)


def test_a_gate_that_raises_stops_the_write_before_any_byte() -> None:
    seen: list[bytes] = []

    async def listen(talk: Conversation) -> None:
        seen.append(await talk.reader.read(100))

    def shut() -> None:
        raise StoppedBeforeSending

    async def use(transport: GatewayTransport) -> Passage:
        passage = Passage(gate=shut)
        with pytest.raises(StoppedBeforeSending):
            await transport.call(post(transport), passage, total_seconds=5)
        return passage

    with SocketServer(listen) as server:
        passage = on_a_transport(server.url, 1, use)
        assert passage.is_proven_unsent
        assert server.requests == []
    assert not any(seen)


def test_a_gate_is_asked_before_the_mark_is_set() -> None:
    order: list[bool] = []
    passage = Passage()
    passage.gate = lambda: order.append(passage.sent)

    async def use(transport: GatewayTransport) -> None:
        await transport.call(post(transport), passage, total_seconds=5)

    with SocketServer(ok) as server:
        on_a_transport(server.url, 1, use)
    assert order == [False]
    assert passage.sent
    assert not passage.is_proven_unsent


def test_a_full_pool_is_proof_for_the_call_that_waited_and_none_for_the_one_in_it() -> None:
    first, second = Passage(), Passage()

    async def use(transport: GatewayTransport) -> list[object]:
        calls = (transport.call(post(transport), passage, total_seconds=5) for passage in (first, second))
        return await asyncio.gather(*calls, return_exceptions=True)

    with SocketServer(hang) as server:
        results = on_a_transport(server.url, 1, use, connect_seconds=0.5)
        assert all(isinstance(result, Exception) for result in results)
        assert len(server.requests) == 1
    assert not first.is_proven_unsent
    assert second.is_proven_unsent


def test_the_transport_calls_a_broken_read_a_connect_timeout_and_the_mark_knows_better() -> None:
    passage = Passage()

    async def break_off(talk: Conversation) -> None:
        await talk.whole_request()
        talk.hang_up()

    async def use(transport: GatewayTransport) -> None:
        await transport.call(post(transport), passage, total_seconds=5)

    with SocketServer(break_off) as server, pytest.raises(httpx.ConnectTimeout):
        on_a_transport(server.url, 1, use)
    assert not passage.is_proven_unsent


def test_a_cancelled_call_is_judged_by_its_mark() -> None:
    passage = Passage()

    async def use(transport: GatewayTransport) -> None:
        call = asyncio.create_task(transport.call(post(transport), passage, total_seconds=5))
        while not server.requests:  # noqa: ASYNC110 - another thread's list
            await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    with SocketServer(hang) as server:
        on_a_transport(server.url, 1, use)
    assert not passage.is_proven_unsent


def test_an_answer_without_a_mark_ends_all_trust_in_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = Passage(), Passage()

    async def use(transport: GatewayTransport) -> None:
        trace = transport._session.trace_configs[0]
        monkeypatch.setattr(trace, "_on_request_headers_sent", type(trace.on_request_start)(trace))
        trace._on_request_headers_sent.freeze()
        await transport.call(post(transport), first, total_seconds=5)
        with pytest.raises(TimeoutError):
            await transport.call(post(transport), second, total_seconds=0)

    with SocketServer(ok) as server:
        on_a_transport(server.url, 1, use)
    assert not first.is_proven_unsent
    assert not second.is_proven_unsent


def test_marks_prove_nothing_when_the_trace_never_began() -> None:
    assert Passage().is_proven_unsent
    assert Passage(handed_over=True, traced=True).is_proven_unsent
    assert not Passage(handed_over=True).is_proven_unsent
    assert not Passage(handed_over=True, traced=True, sent=True).is_proven_unsent
    assert not Passage(handed_over=True, traced=True, trusted=False).is_proven_unsent
