"""Which access tokens are good now?

Source: PortOne V1 documentation, "REST API access token" (the rules are quoted at ``options.TokenRules``).
"""

import hashlib
import math
import secrets
from dataclasses import dataclass
from typing import Protocol

from simulator.options import TokenRules


class TokenStore(Protocol):
    """Where tokens outlive a killed process."""

    def stored_tokens(self) -> list[tuple[str, str, float]]:
        """Return (imp_key, access token, unix time of expiry) of every token kept."""

    def store_token(self, *, imp_key: str, access_token: str, expires_at: float) -> None:
        """Keep a key's one token, in the place of the one before."""

    def forget_tokens(self) -> None:
        """Drop every token kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldToken:
    """What getToken answers; both instants are whole unix seconds."""

    access_token: str
    now: int
    expired_at: int


def token_digest(access_token: str) -> str:
    """Return the SHA-256 of a token in hexadecimal: what the ledger keeps instead of the token that charged."""
    return hashlib.sha256(access_token.encode()).hexdigest()


class TokenDesk:
    """Issues one token per key and knows when it dies.

    A token issued at 12.7 with a life of 3 s dies at exactly 15.0, and 15 is what the caller is told: lives are counted
    from the whole second, as the real answer's integers suggest, so a token never outlives the instant told.
    """

    def __init__(self, rules: TokenRules, store: TokenStore) -> None:
        self._rules = rules
        self._store = store
        self._held = {key: (token, expires_at) for key, token, expires_at in store.stored_tokens()}

    def issue(self, *, imp_key: str, now: float) -> ToldToken:
        """Return the key's token: the same one, the same one extended, or a new one once the old is dead."""
        token, expires_at = self._held.get(imp_key, ("", 0.0))
        if now >= expires_at:
            self._keep(imp_key, secrets.token_hex(20), math.floor(now) + self._rules.life_seconds)
        elif expires_at - now <= self._rules.last_seconds:
            self._keep(imp_key, token, expires_at + self._rules.extension_seconds)
        token, expires_at = self._held[imp_key]
        return ToldToken(access_token=token, now=math.floor(now), expired_at=math.ceil(expires_at))

    def key_of(self, access_token: str, *, now: float) -> str | None:
        """Return the imp_key for which the token was issued here; None if it was not, or has expired."""
        for key, (token, expires_at) in self._held.items():
            if access_token == token and now < expires_at:
                return key
        return None

    def is_good(self, access_token: str, *, now: float) -> bool:
        """Whether the token was issued here and has not expired."""
        return self.key_of(access_token, now=now) is not None

    def expire_all(self) -> int:
        """Make every token dead at once; return how many there were."""
        count = len(self._held)
        self._held.clear()
        self._store.forget_tokens()
        return count

    def _keep(self, imp_key: str, token: str, expires_at: float) -> None:
        self._held[imp_key] = (token, expires_at)
        self._store.store_token(imp_key=imp_key, access_token=token, expires_at=expires_at)
