"""Whole lists or nothing: what is evidence, and what is no answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from domain.errors import GatewayRefusedCredentials, GatewayTrouble, GatewayUnreachable, GatewayUnreadable, RuleBroken
from domain.outcome import DeclineCode
from gateway.errors import TokenRefused
from gateway.port import KnownToken
from tests.contract.gateway.asking import client, make_config, make_token
from tests.contract.gateway.reference import NONE_FOUND, UNAUTHORIZED, ReferenceGateway
from tests.contract.gateway.servers import Conversation, SocketServer, answer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from gateway.iamport import IamportGateway

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def record(imp_uid: str = "imps_1", merchant_uid: str | None = "m", **changes: object) -> dict[str, object]:
    return {
        "imp_uid": imp_uid,
        "merchant_uid": merchant_uid,
        "status": "paid",
        "amount": 9900,
        "cancel_amount": 0,
        "currency": "KRW",
        "started_at": 1_700_000_000,
        "paid_at": 1_700_000_001.0,
        "failed_at": 0,
        **changes,
    }


def page(items: Sequence[object], *, following: object = 0, total: object = None) -> bytes:
    response: dict[str, object] = {"total": len(items) if total is None else total, "previous": 0, "next": following}
    return answer(200, {"code": 0, "message": None, "response": {**response, "list": list(items)}})


def serves(*replies: bytes) -> Callable[[Conversation], Awaitable[None]]:
    """One reply after another, over all connections; the last one for ever."""

    async def behaviour(talk: Conversation) -> None:
        while True:
            await talk.whole_request()
            await talk.say(replies[min(len(talk.server.requests), len(replies)) - 1])

    return behaviour


def find_all(gateway: IamportGateway) -> list[Any]:
    return list(gateway.find_all(merchant_uid="m", token=make_token()).records)


def card_payments(gateway: IamportGateway) -> list[Any]:
    return list(gateway.card_payments(customer_uid="c", merchant_uid="m", token=make_token()).records)


def day_list(gateway: IamportGateway) -> list[Any]:
    findings = gateway.day_list(
        merchant_uids=["m", "n"], begin=BEGIN, end=BEGIN + timedelta(days=90), token=make_token()
    )
    assert findings["n"].records == []
    return list(findings["m"].records)


ENDPOINTS = [find_all, card_payments, day_list]


@pytest.mark.parametrize("look", ENDPOINTS)
def test_all_pages_are_read_and_other_people_s_records_ignored(look: Callable[[IamportGateway], list[Any]]) -> None:
    other = record("imps_2", "other", amount=1.5, currency="USD")
    odd = record("imps_3", "다른 주문")
    pages = (
        page([record(), other, odd], following=2, total=4),
        page([record("imps_4", status="failed", fail_reason="[120054] 잔액부족", paid_at=None)], total=4),
    )
    with SocketServer(serves(*pages)) as server, client(server.url) as gateway:
        first, second = look(gateway)
        assert (first.imp_uid, first.amount, first.paid_at) == (
            "imps_1",
            9900,
            datetime.fromtimestamp(1_700_000_001, tz=UTC),
        )
        assert (second.imp_uid, second.decline_code, second.paid_at) == (
            "imps_4",
            DeclineCode.INSUFFICIENT_BALANCE,
            None,
        )
        assert ["page=1" in server.requests[0].path, "page=2" in server.requests[1].path] == [True, True]


@pytest.mark.parametrize("look", ENDPOINTS)
def test_an_empty_list_is_absence(look: Callable[[IamportGateway], list[Any]]) -> None:
    with SocketServer(serves(page([]))) as server, client(server.url) as gateway:
        assert look(gateway) == []


def test_only_find_all_may_say_absent_with_a_404_in_the_envelope() -> None:
    with SocketServer(serves(answer(404, NONE_FOUND))) as server, client(server.url) as gateway:
        assert find_all(gateway) == []
        for look in (card_payments, day_list):
            with pytest.raises(GatewayUnreadable):
                look(gateway)


@pytest.mark.parametrize(
    "replies",
    [
        (answer(404, b"<html>no route</html>"),),
        (answer(404, {"code": 0, "message": None, "response": None}),),
        (answer(404, {"code": -1, "message": None, "response": None}),),
        (answer(400, {"code": -1, "message": "no such page", "response": None}),),
        (answer(200, {"code": -1, "message": "x", "response": None}),),
        (answer(200, {"code": 0, "message": None, "response": None}),),
        (answer(200, {"code": 0, "message": None, "response": {"list": []}}),),
        (answer(500, b""),),
        (answer(429, b""),),
        (answer(302, b"", headers=("Location: /",)),),
        (page([record(amount=99.5)]),),
        (page([record(amount=None)]),),
        (page([record(status=None)]),),
        (page([record(imp_uid="")]),),
        (page([record(currency="USD")]),),
        (page([record(merchant_uid=None)]),),
        (page(["no record"]),),
        (page([record()], total=2),),
        (page([], following=2), answer(400, {"code": -1, "message": "no such page", "response": None})),
        (page([], following=2), answer(404, NONE_FOUND)),
        (page([], following=1),),
        (page([], following=-1),),
        (page([], following="2"),),
    ],
)
def test_whatever_is_not_a_whole_list_is_no_evidence(replies: tuple[bytes, ...]) -> None:
    with SocketServer(serves(*replies)) as server, client(server.url) as gateway, pytest.raises(GatewayUnreadable):
        find_all(gateway)


@pytest.mark.parametrize("look", ENDPOINTS)
def test_a_refused_token_is_told_apart(look: Callable[[IamportGateway], list[Any]]) -> None:
    with SocketServer(serves(answer(401, UNAUTHORIZED))) as server, client(server.url) as gateway:
        with pytest.raises(TokenRefused):
            look(gateway)
        assert len(server.requests) == 1


def test_a_connection_that_breaks_is_asked_once_more() -> None:
    async def breaks_first(talk: Conversation) -> None:
        await talk.whole_request()
        if talk.number == 0:
            talk.reset()
        else:
            await talk.say(page([record()]))

    async def breaks(talk: Conversation) -> None:
        await talk.whole_request()
        talk.reset()

    with SocketServer(breaks_first) as server, client(server.url) as gateway:
        assert len(find_all(gateway)) == 1
    with SocketServer(breaks) as server, client(server.url) as gateway, pytest.raises(GatewayUnreachable):
        find_all(gateway)


def test_a_look_up_that_hangs_ends() -> None:
    async def hang(talk: Conversation) -> None:
        await talk.whole_request()
        await talk.until_gone()

    with (
        SocketServer(hang) as server,
        client(server.url, lookup_read_timeout_seconds=0.2) as gateway,
        pytest.raises(GatewayUnreachable),
    ):
        find_all(gateway)


def test_look_ups_are_not_kept_waiting_by_charges() -> None:
    config = make_config("http://x", concurrency=1)
    assert config.lookup_connections > 1


def test_a_span_is_bounded_for_a_day_list_and_split_for_all_payments() -> None:
    with SocketServer(serves(page([record(), record("imps_9", currency="USD", amount=1.5)]))) as server:
        with client(server.url) as gateway:
            with pytest.raises(RuleBroken):
                gateway.day_list(
                    merchant_uids=[], begin=BEGIN, end=BEGIN + timedelta(days=90, seconds=1), token=make_token()
                )
            counts: list[int] = []
            found = gateway.all_payments(
                begin=BEGIN, end=BEGIN + timedelta(days=200), token=make_token(), seen=counts.append
            )
        assert [each.imp_uid for each in found] == ["imps_1"]
        assert counts == [1, 1, 1]
        assert len(server.requests) == 3


def test_a_token_is_fetched_over_the_wire_and_wrong_keys_are_told() -> None:
    reference = ReferenceGateway()
    with SocketServer(reference.talk) as server:
        with client(server.url) as gateway:
            token = gateway.access_token(None)
            known = KnownToken(digest=token.digest, expires_at=token.expires_at, seconds_left=9)
            assert gateway.access_token(known) is token
            assert reference.tokens_given == 1
        with client(server.url, imp_secret="wrong") as gateway, pytest.raises(GatewayRefusedCredentials):
            gateway.access_token(None)


def test_a_gateway_that_is_away_is_unreachable() -> None:
    with client("http://127.0.0.1:1") as gateway:
        for ask in (lambda: gateway.access_token(None), lambda: find_all(gateway)):
            with pytest.raises(GatewayTrouble):
                ask()
