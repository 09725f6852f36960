"""When may a token be asked for, and which one is handed out?"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field

import pytest

from domain.errors import GatewayRefusedCredentials, GatewayTrouble, GatewayUnreadable, TokenNotYet
from gateway.config import GatewayConfig
from gateway.port import KnownToken
from gateway.tokens import Tokens, boottime
from gateway.transport import Reply

CONFIG = GatewayConfig(base_url="http://x", imp_key="k", imp_secret="s")


@dataclass(slots=True)
class Issuer:
    """Answers getToken; ``life`` is what the gateway says is left."""

    life: float = 1800
    value: str = "token-1"
    asked_by: list[float] = field(default_factory=list)

    def __call__(self, leave_by: float) -> Reply:
        self.asked_by.append(leave_by)
        response = {"access_token": self.value, "now": 1_000_000, "expired_at": 1_000_000 + self.life}
        return Reply(status=200, body=json.dumps({"code": 0, "message": None, "response": response}).encode())


def known(left: float, *, digest: str = "other", expires_at: int = 2_000_000) -> KnownToken:
    return KnownToken(digest=digest, expires_at=expires_at, seconds_left=left)


def test_a_token_is_asked_for_once_and_its_life_is_counted_on_this_host_s_clock() -> None:
    issuer = Issuer(life=1568)
    tokens = Tokens(CONFIG, issuer)
    before = boottime()
    token = tokens.current(None)
    assert tokens.current(known(1000, expires_at=1)) is token
    assert len(issuer.asked_by) == 1
    assert before + 1567 <= token.dies_at_boottime <= boottime() + 1567  # told in whole seconds
    assert token.expires_at == 1_001_568
    assert token.digest == hashlib.sha256(b"token-1").hexdigest()[:32]
    assert "token-1" not in repr(token)


@pytest.mark.parametrize("left", [70.0, 60.0, 1.0, 0.0, -9.0])
def test_nobody_asks_in_the_known_token_s_last_minute_nor_right_after_it(left: float) -> None:
    issuer = Issuer()
    with pytest.raises(TokenNotYet):
        Tokens(CONFIG, issuer).current(known(left))
    assert issuer.asked_by == []


@pytest.mark.parametrize("left", [1800.0, 75.0, -11.0, -100_000.0])
def test_a_fresh_process_asks_while_the_known_token_is_well_or_dead(left: float) -> None:
    issuer = Issuer()
    Tokens(CONFIG, issuer).current(known(left))
    assert len(issuer.asked_by) == 1


def test_the_question_must_leave_within_the_margin() -> None:
    issuer = Issuer()
    before = boottime()
    Tokens(CONFIG, issuer).current(None)
    assert before + 10 <= issuer.asked_by[0] <= boottime() + 10


def test_a_token_in_its_last_minute_is_still_handed_out_while_it_lives_long_enough() -> None:
    issuer = Issuer(life=40)
    tokens = Tokens(CONFIG, issuer)
    token = tokens.current(None)
    assert tokens.current(known(40, digest=token.digest, expires_at=token.expires_at)) is token
    assert len(issuer.asked_by) == 1


def test_a_token_about_to_die_is_neither_handed_out_nor_asked_for() -> None:
    issuer = Issuer(life=10)
    tokens = Tokens(CONFIG, issuer)
    for _ in range(3):
        with pytest.raises(TokenNotYet):
            tokens.current(None)
    assert len(issuer.asked_by) == 1


def test_a_dead_token_is_replaced() -> None:
    issuer = Issuer(life=-100)
    tokens = Tokens(CONFIG, issuer)
    with pytest.raises(TokenNotYet):
        tokens.current(None)
    issuer.life, issuer.value = 1800, "token-2"
    assert tokens.current(None).value == "token-2"


def test_a_refused_token_is_asked_for_anew() -> None:
    issuer = Issuer()
    tokens = Tokens(CONFIG, issuer)
    token = tokens.current(None)
    tokens.refuse("another")
    assert tokens.current(None) is token
    tokens.refuse(token.digest)
    issuer.value = "token-2"
    assert tokens.current(None).value == "token-2"
    assert len(issuer.asked_by) == 2


def test_a_refused_token_in_its_last_minute_is_waited_out() -> None:
    issuer = Issuer(life=40)
    tokens = Tokens(CONFIG, issuer)
    tokens.refuse(tokens.current(None).digest)
    with pytest.raises(TokenNotYet):
        tokens.current(None)
    assert len(issuer.asked_by) == 1


def test_a_token_that_others_have_replaced_is_not_used_any_more() -> None:
    issuer = Issuer()
    tokens = Tokens(CONFIG, issuer)
    token = tokens.current(None)
    assert tokens.current(known(900, expires_at=token.expires_at - 1)) is token
    issuer.value = "token-2"
    assert tokens.current(known(900, expires_at=token.expires_at + 1)).value == "token-2"


REFUSED = json.dumps({"code": -1, "message": "인증에 실패하였습니다.", "response": None}).encode()


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, REFUSED, GatewayRefusedCredentials),
        (401, b"", GatewayRefusedCredentials),
        (400, REFUSED, GatewayRefusedCredentials),
        (200, REFUSED, GatewayRefusedCredentials),
        (500, REFUSED, GatewayUnreadable),
        (200, b"<html>", GatewayUnreadable),
        (200, b'{"code":0,"message":null,"response":null}', GatewayUnreadable),
        (200, b'{"code":0,"response":{"access_token":"a b","now":1,"expired_at":2}}', GatewayUnreadable),
        (200, b'{"code":0,"response":{"access_token":"a","now":1}}', GatewayUnreadable),
        (200, b'{"code":0,"response":{"access_token":"a\\r\\nX: y","now":1,"expired_at":2}}', GatewayUnreadable),
    ],
)
def test_an_answer_without_a_token_says_why(status: int, body: bytes, error: type[GatewayTrouble]) -> None:
    with pytest.raises(error):
        Tokens(CONFIG, lambda _: Reply(status=status, body=body)).current(None)
