"""Pacing, stopping, forking: the fan-out against a server that answers well."""

from __future__ import annotations

import logging
import os
import threading
import traceback

import pytest

from domain.errors import GatewayUnreachable, RuleBroken
from domain.outcome import Approved, NotExecuted, NotExecutedReason
from tests.contract.gateway.asking import (
    allowed,
    boottime,
    charge_once,
    client,
    collect,
    make_batch,
    make_charge,
    make_config,
    make_token,
)
from tests.contract.gateway.servers import Conversation, SocketServer, answer, paid

TOO_LATE = NotExecuted(reason=NotExecutedReason.TOO_LATE)
HANDED_BACK = NotExecuted(reason=NotExecutedReason.HANDED_BACK)


async def pays(talk: Conversation) -> None:
    while True:
        await talk.say(answer(200, paid(await talk.whole_request())))


async def hang(talk: Conversation) -> None:
    await talk.whole_request()
    await talk.until_gone()


def wait_for_requests(server: SocketServer, count: int) -> None:
    deadline = boottime() + 30
    while len(server.requests) < count and boottime() < deadline:
        threading.Event().wait(0.01)
    assert len(server.requests) >= count


def test_hundreds_of_charges_are_each_answered_once() -> None:
    charges = [make_charge(number) for number in range(300)]
    with SocketServer(pays) as server, client(server.url, concurrency=50) as gateway:
        fan_out = allowed(gateway)
        fan_out.send(make_batch(charges))
        answers = collect(fan_out, 300)
        assert {each.charge.merchant_uid for each in answers} == {charge.merchant_uid for charge in charges}
        assert all(isinstance(each.outcome, Approved) for each in answers)
        assert len(server.requests) == 300
        assert server.connections <= 50


def test_paced_charges_start_in_order() -> None:
    charges = [make_charge(number) for number in range(10)]
    with SocketServer(pays) as server, client(server.url) as gateway:
        fan_out = allowed(gateway)
        fan_out.send(make_batch(charges, spacing_seconds=0.02))
        collect(fan_out, 10)
        assert [asked.json()["merchant_uid"] for asked in server.requests] == [c.merchant_uid for c in charges]


def test_no_more_are_in_flight_than_there_are_connections() -> None:
    with SocketServer(hang) as server, client(server.url, concurrency=3) as gateway:
        fan_out = allowed(gateway)
        fan_out.send(make_batch([make_charge(number) for number in range(10)], send_before_boottime=boottime() + 0.5))
        answers = collect(fan_out, 10)
        assert len(server.requests) == 3
        assert [each.outcome for each in answers].count(TOO_LATE) == 7


def test_nothing_is_started_once_the_time_to_send_has_passed() -> None:
    with SocketServer(pays) as server, client(server.url) as gateway:
        fan_out = allowed(gateway)
        fan_out.send(make_batch([make_charge(1), make_charge(2)], send_before_boottime=boottime() - 1))
        assert [each.outcome for each in collect(fan_out, 2)] == [TOO_LATE, TOO_LATE]
        assert server.requests == []


def test_what_would_start_too_late_by_its_pace_is_told_so_at_once() -> None:
    with SocketServer(pays) as server, client(server.url) as gateway:
        fan_out = allowed(gateway)
        batch = make_batch([make_charge(n) for n in range(3)], spacing_seconds=1000.0)
        fan_out.send(batch)
        outcomes = [each.outcome for each in collect(fan_out, 3)]
        assert outcomes.count(TOO_LATE) == 2
        assert len(server.requests) == 1


def test_a_run_that_stops_hands_back_what_was_not_started() -> None:
    with SocketServer(pays) as server, client(server.url) as gateway:
        fan_out = allowed(gateway)
        fan_out.send(make_batch([make_charge(n) for n in range(5)], spacing_seconds=20.0))
        wait_for_requests(server, 1)
        fan_out.hand_back()
        outcomes = [each.outcome for each in collect(fan_out, 5)]
        assert outcomes.count(HANDED_BACK) == 4
        fan_out.send(make_batch([make_charge(9)]))
        assert [each.outcome for each in collect(fan_out, 1)] == [HANDED_BACK]
        assert len(server.requests) == 1


def test_a_run_that_stops_at_once_still_answers_every_charge() -> None:
    with SocketServer(pays) as server, client(server.url) as gateway:
        for _ in range(20):
            fan_out = allowed(gateway)
            fan_out.send(make_batch([make_charge(n) for n in range(5)], first_at_boottime=boottime() + 20))
            fan_out.hand_back()
            assert [each.outcome for each in collect(fan_out, 5)] == [HANDED_BACK] * 5
        assert server.requests == []


def test_a_gateway_that_is_closed_at_once_still_answers_every_charge() -> None:
    with SocketServer(pays) as server:
        for _ in range(20):
            with client(server.url, concurrency=2) as gateway:
                fan_out = allowed(gateway)
                fan_out.send(make_batch([make_charge(n) for n in range(5)]))
                gateway.close()
                collect(fan_out, 5)
        sent = [asked.json()["merchant_uid"] for asked in server.requests]
        assert len(sent) <= 2 * 20


def test_answers_come_in_groups() -> None:
    with SocketServer(pays) as server, client(server.url) as gateway:
        fan_out = allowed(gateway)
        assert fan_out.answered(group_seconds=0, group_size=5) == []
        fan_out.send(make_batch([make_charge(n) for n in range(7)]))
        assert fan_out.in_flight == 7
        assert len(fan_out.answered(group_seconds=30, group_size=5)) == 5
        assert fan_out.in_flight == 2
        assert len(fan_out.answered(group_seconds=30, group_size=5)) == 2


def test_a_charge_that_cannot_be_written_down_does_not_harm_its_neighbours() -> None:
    broken = make_charge(1)
    object.__setattr__(broken, "amount", object())  # what no request could be built with
    with SocketServer(pays) as server, client(server.url) as gateway:
        fan_out = allowed(gateway)
        fan_out.send(make_batch([broken, make_charge(2)]))
        by_number = {each.charge.merchant_uid: each.outcome for each in collect(fan_out, 2)}
        assert by_number[broken.merchant_uid] == NotExecuted(reason=NotExecutedReason.NOT_SENT)
        assert isinstance(by_number[make_charge(2).merchant_uid], Approved)


def test_a_fork_opens_its_own_line_and_leaves_the_parent_s_alone() -> None:
    with SocketServer(pays) as server, client(server.url) as gateway:
        fan_out = allowed(gateway)
        fan_out.send(make_batch([make_charge(1)]))
        collect(fan_out, 1)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                with pytest.raises(RuleBroken):
                    fan_out.send(make_batch([make_charge(2)]))
                status = 0 if isinstance(charge_once(gateway, make_charge(3)).outcome, Approved) else 2
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert isinstance(charge_once(gateway, make_charge(4)).outcome, Approved)
        sent = [asked.json()["merchant_uid"] for asked in server.requests]
        assert sent == [make_charge(n).merchant_uid for n in (1, 3, 4)]


def test_a_closed_gateway_opens_again_when_it_is_used() -> None:
    with SocketServer(pays) as server, client(server.url) as gateway:
        old = allowed(gateway)
        gateway.close()
        old.send(make_batch([make_charge(1)]))
        assert [each.outcome for each in collect(old, 1)] == [HANDED_BACK]
        assert isinstance(charge_once(gateway).outcome, Approved)


def test_no_secret_shows_in_logs_errors_or_representations(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    token = make_token(value="very-secret-token")
    charge = make_charge()
    shown = [repr(make_config("http://127.0.0.1:1")), repr(token), repr(charge), repr(make_batch([charge]))]
    with SocketServer(pays) as server, client(server.url) as gateway:
        shown.append(repr(charge_once(gateway, charge, token=token)))
    with client("http://127.0.0.1:1") as gateway:
        shown.append(repr(charge_once(gateway, charge, token=token)))
        for ask in (
            lambda: gateway.card_payments(customer_uid=charge.customer_uid, merchant_uid="m", token=token),
            lambda: gateway.access_token(None),
        ):
            with pytest.raises(GatewayUnreachable) as caught:
                ask()
            shown.append("".join(traceback.format_exception(caught.value)))
    text = "\n".join([caplog.text, *shown])
    for secret in ("very-secret-token", "the-secret", "the-key", "customer-one", "홍길동", "hong@", "010-1234"):
        assert secret not in text
