import math

import pytest

from simulator.options import TokenRules
from simulator.tokens import TokenDesk

START = 1_800_000_000.7


class Memory:
    """Keeps tokens as the ledger does, without a file."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[str, float]] = {}

    def stored_tokens(self) -> list[tuple[str, str, float]]:
        return [(key, token, expires_at) for key, (token, expires_at) in self.kept.items()]

    def store_token(self, *, imp_key: str, access_token: str, expires_at: float) -> None:
        self.kept[imp_key] = (access_token, expires_at)

    def forget_tokens(self) -> None:
        self.kept.clear()


def test_a_token_lives_half_an_hour_and_is_told_again_unchanged() -> None:
    desk = TokenDesk(TokenRules(), Memory())

    first = desk.issue(imp_key="key", now=START)
    again = desk.issue(imp_key="key", now=START + 1700)

    assert first.expired_at - first.now == 1800
    assert (again.access_token, again.expired_at) == (first.access_token, first.expired_at)


def test_a_token_asked_for_in_its_last_minute_lives_five_minutes_longer() -> None:
    desk = TokenDesk(TokenRules(), Memory())
    first = desk.issue(imp_key="key", now=START)

    extended = desk.issue(imp_key="key", now=first.expired_at - 60)

    assert (extended.access_token, extended.expired_at) == (first.access_token, first.expired_at + 300)
    assert desk.is_good(first.access_token, now=first.expired_at + 299.9)


def test_after_its_end_another_token_is_told() -> None:
    desk = TokenDesk(TokenRules(), Memory())
    first = desk.issue(imp_key="key", now=START)

    second = desk.issue(imp_key="key", now=first.expired_at)

    assert second.access_token != first.access_token
    assert not desk.is_good(first.access_token, now=first.expired_at)


@pytest.mark.parametrize("life_seconds", [0.5, 1, 2, 2.5, 3])
@pytest.mark.parametrize("fraction", [0.0, 0.001, 0.4, 0.999])
def test_no_token_outlives_the_instant_that_was_told(life_seconds: float, fraction: float) -> None:
    rules = TokenRules(life_seconds=life_seconds, extension_seconds=1.5, last_seconds=0.5)
    desk = TokenDesk(rules, Memory())
    now = math.floor(START) + fraction

    told = desk.issue(imp_key="key", now=now)

    assert isinstance(told.expired_at, int)
    assert not desk.is_good(told.access_token, now=told.expired_at)
    assert not desk.is_good(told.access_token, now=now + life_seconds)


def test_keys_have_tokens_of_their_own_that_outlive_the_desk() -> None:
    memory = Memory()
    desk = TokenDesk(TokenRules(), memory)
    tokens = {key: desk.issue(imp_key=key, now=START).access_token for key in ("a", "b")}

    reopened = TokenDesk(TokenRules(), memory)

    assert tokens["a"] != tokens["b"]
    assert all(reopened.is_good(token, now=START + 1) for token in tokens.values())
    assert reopened.expire_all() == 2
    assert not any(reopened.is_good(token, now=START + 1) for token in tokens.values())
    assert memory.kept == {}
