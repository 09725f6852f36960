"""Which access token is in hand, and may a new one be asked for?

The gateway answers the same token until it is dead, and *extends* one that is asked for in its last minute. A token
that nobody extends dies on time, and with it every request that was frozen on its way: so nobody asks in that minute.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from domain.errors import GatewayRefusedCredentials, GatewayUnreachable, GatewayUnreadable, TokenNotYet
from gateway.port import AccessToken
from gateway.records import read_envelope, whole_won
from gateway.transport import Passage, StoppedBeforeSending

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.config import GatewayConfig
    from gateway.port import KnownToken
    from gateway.records import Envelope
    from gateway.transport import GatewayTransport, Reply

TOKEN_PATH: Final = "/users/getToken"  # noqa: S105 - a path
_OK: Final = 200
_UNAUTHORIZED: Final = 401
_REFUSALS: Final = frozenset({200, 400, 403})
_SENDABLE: Final = re.compile(r"[\x21-\x7e]{1,4000}")
_DIGEST_LENGTH: Final = 32


def boottime() -> float:
    """Seconds of CLOCK_BOOTTIME: it never jumps, and it counts the time that the host was suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def token_digest(value: str) -> str:
    """The name of a token in the database."""
    return hashlib.sha256(value.encode()).hexdigest()[:_DIGEST_LENGTH]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """The newest token of this process. Between the two instants of its death it may be dead or alive."""

    token: AccessToken
    surely_dead_at: float


class Tokens:
    """This process's token; safe from any thread.

    ``ask`` runs the question to the gateway; its argument says at which CLOCK_BOOTTIME it must have left.
    """

    def __init__(self, config: GatewayConfig, ask: Callable[[float], Reply]) -> None:
        self._config = config
        self._ask = ask
        self._lock = threading.Lock()
        self._held: _Held | None = None
        self._refused: str | None = None

    def after_fork(self) -> None:
        """The lock may have been held at the fork, by a thread that does not exist here."""
        self._lock = threading.Lock()

    def refuse(self, digest: str) -> None:
        """The gateway refused this token: it is not handed out again unless the gateway hands it out anew."""
        self._refused = digest

    def current(self, known: KnownToken | None) -> AccessToken:
        """The token in hand, or a new one.

        Raises:
            TokenNotYet: The newest token is too near its end to be used and not dead for certain.
            GatewayRefusedCredentials: Key and secret were refused.
            GatewayUnreachable, GatewayUnreadable: No usable answer.
        """
        with self._lock:
            now = boottime()
            held = self._held
            if held is not None and self._is_usable(held, known, now):
                return held.token
            self._require_time_to_ask(held, known, now)
            return self._ask_anew(now)

    def _is_usable(self, held: _Held, known: KnownToken | None, now: float) -> bool:
        token = held.token
        replaced = known is not None and known.digest != token.digest and known.expires_at > token.expires_at
        left = token.dies_at_boottime - now
        return left >= self._config.token_min_life_seconds and token.digest != self._refused and not replaced

    def _require_time_to_ask(self, held: _Held | None, known: KnownToken | None, now: float) -> None:
        margin = self._config.token_margin_seconds
        last = self._config.token_last_seconds + margin
        ends = []
        if held is not None:
            ends.append((held.token.dies_at_boottime - now, held.surely_dead_at - now))
        if known is not None:
            ends.append((known.seconds_left, known.seconds_left + 1))
        for left, left_at_most in ends:
            if left <= last and left_at_most > -margin:
                wait = max(1, round(left_at_most + margin))
                raise TokenNotYet(f"the access token is in its last minute: ask again in {wait} s")

    def _ask_anew(self, asked_at: float) -> AccessToken:
        # Whoever asks takes at most the margin to do so: then the last minute has not begun on the way.
        reply = self._ask(asked_at + self._config.token_margin_seconds)
        answered_at = boottime()
        value, now, expires_at = _read_token(reply)
        token = AccessToken(
            value=value,
            digest=token_digest(value),
            expires_at=expires_at,
            # Both are told in whole seconds: by its own clock the gateway may be almost one further.
            dies_at_boottime=asked_at + (expires_at - now) - 1,
        )
        self._held = _Held(token=token, surely_dead_at=answered_at + (expires_at - now))
        self._refused = None
        if token.dies_at_boottime - answered_at < self._config.token_min_life_seconds:
            raise TokenNotYet("the gateway gave a token that is about to die: ask again when it is dead")
        return token


async def ask_for_token(config: GatewayConfig, transport: GatewayTransport, leave_by: float) -> Reply:
    """Ask once; not at all if the question has not left by ``leave_by`` (CLOCK_BOOTTIME).

    Raises:
        GatewayUnreachable: No answer.
    """

    def gate() -> None:
        if boottime() >= leave_by:
            raise StoppedBeforeSending

    body = json.dumps({"imp_key": config.imp_key, "imp_secret": config.imp_secret}).encode()
    headers = {"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity"}
    request = transport.post(
        transport.fixed_url(TOKEN_PATH), headers, body, read_seconds=config.lookup_read_timeout_seconds
    )
    try:
        return await transport.call(request, Passage(gate=gate), total_seconds=config.total_lookup_seconds)
    except Exception as broken:  # noqa: BLE001 - the transport may raise any class
        raise GatewayUnreachable(f"no token: the gateway did not answer ({type(broken).__name__})") from None


def _read_token(reply: Reply) -> tuple[str, int, int]:
    """The token's value, the gateway's clock, and the token's end on that clock."""
    envelope = read_envelope(reply.body)
    if reply.status == _UNAUTHORIZED or (envelope is not None and envelope.code != 0 and reply.status in _REFUSALS):
        raise GatewayRefusedCredentials("the gateway refused the API key and secret: check both in its console")
    if envelope is None or envelope.code != 0 or reply.status != _OK:
        raise GatewayUnreadable(f"no token: the gateway answered HTTP {reply.status}")
    return _token_in(envelope)


def _token_in(envelope: Envelope) -> tuple[str, int, int]:
    response = envelope.response if isinstance(envelope.response, dict) else {}
    value, now, expires_at = (
        response.get("access_token"),
        whole_won(response.get("now")),
        whole_won(response.get("expired_at")),
    )
    if not isinstance(value, str) or not _SENDABLE.fullmatch(value) or now is None or expires_at is None:
        raise GatewayUnreadable("no token: the gateway's answer lacks it, its clock or its end")
    return value, now, expires_at
