"""Whole answers, as a server at the socket gives them: outcome, evidence and the request itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from domain.outcome import Approved, NotExecuted, NotExecutedReason, Outcome, Unknown, UnknownReason
from tests.contract.gateway.asking import charge_once, client, make_charge, make_token
from tests.contract.gateway.servers import Conversation, SocketServer, answer, paid

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def always(raw: bytes) -> Callable[[Conversation], Awaitable[None]]:
    async def behaviour(talk: Conversation) -> None:
        while True:
            await talk.whole_request()
            await talk.say(raw)

    return behaviour


REFUSED = {"code": -1, "message": "Unauthorized", "response": None}


@pytest.mark.parametrize(
    ("raw", "outcome"),
    [
        (answer(401, REFUSED), NotExecuted(reason=NotExecutedReason.UNAUTHORIZED)),
        (answer(429, b"slow down"), Unknown(reason=UnknownReason.SLOW_DOWN)),
        (answer(500, b"<html>"), Unknown(reason=UnknownReason.SERVER_ERROR)),
        (answer(503, b""), Unknown(reason=UnknownReason.SERVER_ERROR)),
        (answer(302, b"", headers=("Location: /elsewhere",)), Unknown(reason=UnknownReason.UNREADABLE)),
        (answer(307, b"", headers=("Location: /elsewhere",)), Unknown(reason=UnknownReason.UNREADABLE)),
        (answer(200, b"<html>maintenance</html>"), Unknown(reason=UnknownReason.UNREADABLE)),
    ],
)
def test_an_answer_is_asked_for_once(raw: bytes, outcome: Outcome) -> None:
    with SocketServer(always(raw)) as server, client(server.url) as gateway:
        assert charge_once(gateway).outcome == outcome
        assert len(server.requests) == 1


def test_an_approval_carries_its_masked_evidence() -> None:
    async def pays(talk: Conversation) -> None:
        await talk.say(answer(200, paid(await talk.whole_request())))

    with SocketServer(pays) as server, client(server.url) as gateway:
        charge = make_charge()
        answered = charge_once(gateway, charge)
        assert isinstance(answered.outcome, Approved)
        assert answered.charge is charge
        assert answered.http_status == 200
        assert answered.body is not None
        text = str(answered.body)
        for secret in ("홍길동", "9490", "customer-one", "hong@"):
            assert secret not in text
        asked = server.requests[0]
        assert (asked.method, asked.path) == ("POST", "/subscribe/payments/again")
        assert asked.headers["authorization"] == "Bearer a-token"
        assert asked.headers["content-type"] == "application/json"
        assert asked.json()["merchant_uid"] == charge.merchant_uid
        assert "cookie" not in asked.headers


def test_no_cookie_is_kept_and_a_bare_token_can_be_sent() -> None:
    async def sets_a_cookie(talk: Conversation) -> None:
        while True:
            await talk.say(answer(200, paid(await talk.whole_request()), headers=("Set-Cookie: a=b; Path=/",)))

    with SocketServer(sets_a_cookie) as server, client(server.url, bearer=False) as gateway:
        charge_once(gateway)
        charge_once(gateway)
        assert [asked.headers.get("cookie") for asked in server.requests] == [None, None]
        assert server.requests[0].headers["authorization"] == "a-token"


def test_the_environment_s_proxy_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")

    async def pays(talk: Conversation) -> None:
        await talk.say(answer(200, paid(await talk.whole_request())))

    with SocketServer(pays) as server, client(server.url) as gateway:
        assert isinstance(charge_once(gateway).outcome, Approved)


@pytest.mark.parametrize(("life", "is_configuration"), [(1800.0, True), (30.0, False)])
def test_a_refused_token_that_was_not_near_its_end_is_a_configuration_error(
    life: float,
    is_configuration: bool,
) -> None:
    with SocketServer(always(answer(401, REFUSED))) as server, client(server.url) as gateway:
        answered = charge_once(gateway, token=make_token(life=life))
        assert answered.refused_fresh_token is is_configuration
        assert len(server.requests) == 1, "neither a token nor a second try"
