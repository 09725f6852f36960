"""What a broken call proves, on the transport that ships: the outcome, and how many whole requests the server read."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import gzip
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from domain.outcome import Approved, NotExecuted, NotExecutedReason, Outcome, Unknown, UnknownReason
from tests.contract.gateway.asking import allowed, boottime, charge_once, client, make_batch, make_charge
from tests.contract.gateway.servers import Conversation, SocketServer, answer, paid

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

NOT_SENT = NotExecuted(reason=NotExecutedReason.NOT_SENT)
NO_ANSWER = Unknown(reason=UnknownReason.NO_ANSWER)


async def fin_after_accept(talk: Conversation) -> None:
    talk.hang_up()


async def rst_after_accept(talk: Conversation) -> None:
    talk.reset()


async def fin_after_request(talk: Conversation) -> None:
    await talk.whole_request()
    talk.hang_up()


async def rst_after_request(talk: Conversation) -> None:
    await talk.whole_request()
    talk.reset()


async def half_a_header(talk: Conversation) -> None:
    await talk.whole_request()
    await talk.say(b"HTTP/1.1 200 OK\r\nContent-Le")
    talk.hang_up()


async def junk_for_an_answer(talk: Conversation) -> None:
    await talk.whole_request()
    await talk.say(b"\x00\x01 nothing that is HTTP\r\n\r\n")
    talk.hang_up()


async def half_a_body(talk: Conversation) -> None:
    whole = answer(200, paid(await talk.whole_request()))
    await talk.say(whole[:-20])
    talk.hang_up()


async def body_stalls(talk: Conversation) -> None:
    whole = answer(200, paid(await talk.whole_request()))
    await talk.say(whole[:-20])
    await talk.until_gone()


async def hang(talk: Conversation) -> None:
    await talk.whole_request()
    await talk.until_gone()


async def drip_headers(talk: Conversation) -> None:
    await talk.whole_request()
    await talk.say(b"HTTP/1.1 200 OK\r\nX-Drip: ")
    while True:  # each byte well inside the read limit; only a deadline over everything ends this
        await talk.say(b"x")
        await asyncio.sleep(0.05)


async def drip_body(talk: Conversation) -> None:
    await talk.whole_request()
    await talk.say(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        await talk.say(b" ")
        await asyncio.sleep(0.05)


async def huge_body(talk: Conversation) -> None:
    await talk.whole_request()
    await talk.say(answer(200, b" " * 9_000_000))


async def endless_body(talk: Conversation) -> None:
    await talk.whole_request()
    await talk.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        await talk.say(b"10000\r\n" + b" " * 65536 + b"\r\n")


async def gzip_garbage(talk: Conversation) -> None:
    await talk.whole_request()
    await talk.say(answer(200, b"no gzip at all", headers=("Content-Encoding: gzip",)))


async def gzip_bomb(talk: Conversation) -> None:
    await talk.whole_request()
    await talk.say(answer(200, gzip.compress(b" " * 30_000_000), headers=("Content-Encoding: gzip",)))


async def strange_encoding(talk: Conversation) -> None:
    await talk.whole_request()
    await talk.say(answer(200, b"{}", headers=("Content-Encoding: br",)))


AFTER_THE_REQUEST: tuple[Callable[[Conversation], Awaitable[None]], ...] = (
    fin_after_request,
    rst_after_request,
    half_a_header,
    junk_for_an_answer,
    half_a_body,
    body_stalls,
    hang,
    drip_headers,
    drip_body,
    huge_body,
    endless_body,
    gzip_garbage,
    gzip_bomb,
    strange_encoding,
)


@pytest.mark.parametrize("behaviour", AFTER_THE_REQUEST, ids=lambda behaviour: behaviour.__name__)
def test_whatever_breaks_after_the_request_was_read_is_unknown_and_is_not_sent_again(
    behaviour: Callable[[Conversation], Awaitable[None]],
) -> None:
    with SocketServer(behaviour) as server, client(server.url) as gateway:
        outcome = charge_once(gateway).outcome
        assert outcome == NO_ANSWER
        assert len(server.requests) == 1


@pytest.mark.parametrize("behaviour", [fin_after_accept, rst_after_accept], ids=lambda behaviour: behaviour.__name__)
def test_a_connection_that_ends_right_after_accept_is_never_sent_twice(
    behaviour: Callable[[Conversation], Awaitable[None]],
) -> None:
    with SocketServer(behaviour) as server, client(server.url) as gateway:
        outcome = charge_once(gateway).outcome
        # Bytes may have left before the end was noticed: both are true, an approval would not be.
        assert outcome in (NOT_SENT, NO_ANSWER)
        assert server.requests == []
        assert server.connections == 1


def test_a_refused_port_is_proof_that_nothing_was_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with client(f"http://127.0.0.1:{port}") as gateway:
        assert charge_once(gateway).outcome == NOT_SENT


def test_a_name_that_does_not_resolve_is_proof_that_nothing_was_sent() -> None:
    with client("http://no-such-host.invalid") as gateway:
        assert charge_once(gateway).outcome == NOT_SENT


async def plain_bytes(talk: Conversation) -> None:
    await talk.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await talk.until_gone()


@pytest.mark.parametrize("behaviour", [plain_bytes, fin_after_accept, rst_after_accept, lambda talk: talk.until_gone()])
def test_a_failed_tls_handshake_is_proof_that_nothing_was_sent(
    behaviour: Callable[[Conversation], Awaitable[None]],
) -> None:
    with SocketServer(behaviour) as server, client(f"https://127.0.0.1:{server.port}") as gateway:
        assert charge_once(gateway).outcome == NOT_SENT
        assert server.requests == []


async def silence(talk: Conversation) -> None:
    await talk.until_gone()


def test_a_tls_handshake_that_hangs_is_proof_that_nothing_was_sent() -> None:
    with SocketServer(silence) as server, client(f"https://127.0.0.1:{server.port}") as gateway:
        assert charge_once(gateway).outcome == NOT_SENT
        assert server.requests == []
    gc.collect()


@contextlib.contextmanager
def full_house() -> Iterator[socket.socket]:
    """A listening socket whose queue is full: further SYNs are not answered."""
    with contextlib.ExitStack() as opened:
        listener = opened.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = opened.enter_context(socket.socket())
            filler.settimeout(0)
            filler.connect_ex(listener.getsockname())
        yield listener


def test_a_connection_that_is_never_answered_is_proof_that_nothing_was_sent() -> None:
    with full_house() as listener, client(f"http://127.0.0.1:{listener.getsockname()[1]}") as gateway:
        assert charge_once(gateway).outcome == NOT_SENT


def test_a_process_held_up_while_connecting_does_not_send_after_its_time() -> None:
    received: list[bytes] = []
    send_before = boottime() + 0.2

    def let_in(listener: socket.socket) -> None:
        listener.settimeout(20)
        while boottime() < send_before:
            threading.Event().wait(0.01)
        while not gone.is_set():
            with contextlib.suppress(TimeoutError):
                listener.settimeout(0.1)
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(0.5)
                    with contextlib.suppress(TimeoutError):
                        received.append(connection.recv(10))

    gone = threading.Event()
    with (
        full_house() as listener,
        client(
            f"http://127.0.0.1:{listener.getsockname()[1]}", connect_timeout_seconds=20.0, total_timeout_seconds=30.0
        ) as gateway,
    ):
        doorman = threading.Thread(target=let_in, args=(listener,))
        doorman.start()
        outcome = charge_once(gateway, send_before_boottime=send_before).outcome
        gone.set()
        doorman.join()
    assert outcome == NotExecuted(reason=NotExecutedReason.TOO_LATE)
    assert not any(received), "a byte left after the time to send had passed"


async def closes_at_reuse(talk: Conversation) -> None:
    """Answers the first request and reads the second one whole, to then say nothing."""
    await talk.say(answer(200, paid(await talk.whole_request())))
    await talk.whole_request()
    talk.hang_up()


async def closes_when_idle(talk: Conversation) -> None:
    await talk.say(answer(200, paid(await talk.whole_request())))
    talk.hang_up()


async def keeps_open(talk: Conversation) -> None:
    while True:
        await talk.say(answer(200, paid(await talk.whole_request())))


def test_a_charge_on_a_connection_that_ends_at_reuse_is_not_sent_again_behind_our_back() -> None:
    with SocketServer(closes_at_reuse) as server, client(server.url) as gateway:
        first = charge_once(gateway, make_charge(1))
        second = charge_once(gateway, make_charge(2))
        assert isinstance(first.outcome, Approved)
        assert second.outcome == NO_ANSWER
        assert [asked.json()["merchant_uid"] for asked in server.requests] == [
            make_charge(1).merchant_uid,
            make_charge(2).merchant_uid,
        ]
        assert server.connections == 1


def test_charges_over_connections_that_the_server_ends_are_each_sent_at_most_once() -> None:
    with SocketServer(closes_when_idle) as server, client(server.url) as gateway:
        outcomes: list[Outcome] = [charge_once(gateway, make_charge(number)).outcome for number in range(30)]
        sent = [asked.json()["merchant_uid"] for asked in server.requests]
        assert len(sent) == len(set(sent))
        approved = {make_charge(number).merchant_uid for number, outcome in enumerate(outcomes) if outcome != NO_ANSWER}
        assert all(isinstance(outcome, Approved) or outcome == NO_ANSWER for outcome in outcomes)
        assert approved <= set(sent)


def test_one_connection_carries_one_charge_after_another() -> None:
    with SocketServer(keeps_open) as server, client(server.url) as gateway:
        for number in range(5):
            assert isinstance(charge_once(gateway, make_charge(number)).outcome, Approved)
        assert (server.connections, len(server.requests)) == (1, 5)


def test_closing_the_client_ends_charges_in_flight_by_what_their_mark_proves() -> None:
    with SocketServer(hang) as server, client(server.url, concurrency=2, read_timeout_seconds=60.0) as gateway:
        fan_out = allowed(gateway)
        fan_out.send(make_batch([make_charge(number) for number in range(5)]))
        deadline = boottime() + 30
        while len(server.requests) < 2 and boottime() < deadline:
            threading.Event().wait(0.01)
        gateway.close()
        outcomes = [each.outcome for each in fan_out.answered(group_seconds=30, group_size=5)]
        assert outcomes.count(NO_ANSWER) == 2
        assert outcomes.count(NotExecuted(reason=NotExecutedReason.HANDED_BACK)) == 3
        assert len(server.requests) == 2
