"""The I'mport (PortOne V1) client with KG Inicis behind it: the port's ``Gateway``, for one process at a time."""

from __future__ import annotations

import os
import threading
import weakref
from typing import TYPE_CHECKING, Any, Final, TypeVar

from gateway.errors import TokenRefused
from gateway.fan_out import IamportFanOut
from gateway.line import Line
from gateway.look_up import LookUp
from gateway.tokens import Tokens, ask_for_token

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence
    from datetime import datetime

    from domain.evidence import Record
    from gateway.config import GatewayConfig
    from gateway.port import AccessToken, FanOut, Finding, KnownToken
    from gateway.transport import Reply

T = TypeVar("T")

_gateways: Final[weakref.WeakSet[IamportGateway]] = weakref.WeakSet()
#: Lines of the parent, in a forked child: closing them here would write on the parent's connections.
_left_alone: Final[list[Line]] = []


class IamportGateway:
    """Opens its connections at the first call of each process; a fork begins anew and leaves the parent's alone."""

    def __init__(self, config: GatewayConfig) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._line: Line | None = None
        self._tokens = Tokens(config, self._ask_for_token)
        _gateways.add(self)

    def access_token(self, known: KnownToken | None) -> AccessToken:
        """The token in hand, or a new one; never asked for in a known token's last minute.

        Raises:
            TokenNotYet: The newest known token is in its last minute, or dead for less than the margin.
            GatewayRefusedCredentials: Key and secret were refused.
            GatewayUnreachable, GatewayUnreadable: No usable answer.
        """
        return self._tokens.current(known)

    def fan_out(self) -> FanOut:
        """A new set of charges in flight, on this process's connections."""
        return IamportFanOut(self._config, self._open_line(), self._tokens.refuse)

    def find_all(self, *, merchant_uid: str, token: AccessToken) -> Finding:
        """Every record of a ``merchant_uid``, whatever its status.

        Raises:
            TokenRefused: The token is not taken any more; ask for one again.
            GatewayUnreachable, GatewayUnreadable: No answer; no evidence.
        """
        return self._look(token, lambda look_up: look_up.find_all(merchant_uid=merchant_uid, token=token))

    def card_payments(self, *, customer_uid: str, merchant_uid: str, token: AccessToken) -> Finding:
        """The records of ``merchant_uid`` among a card's payments; raises as ``find_all``."""
        return self._look(
            token,
            lambda look_up: look_up.card_payments(customer_uid=customer_uid, merchant_uid=merchant_uid, token=token),
        )

    def day_list(
        self, *, merchant_uids: Sequence[str], begin: datetime, end: datetime, token: AccessToken
    ) -> Mapping[str, Finding]:
        """One walk over the status list of [begin, end), at most 90 days; raises as ``find_all``."""
        return self._look(
            token,
            lambda look_up: look_up.day_list(merchant_uids=merchant_uids, begin=begin, end=end, token=token),
        )

    def all_payments(
        self, *, begin: datetime, end: datetime, token: AccessToken, seen: Callable[[int], None]
    ) -> Sequence[Record]:
        """Every record in won of [begin, end); ``seen`` is called on the gateway's thread. Raises as ``find_all``."""
        return self._look(token, lambda look_up: look_up.all_payments(begin=begin, end=end, token=token, seen=seen))

    def close(self) -> None:
        """Close this process's connections; a later call opens new ones."""
        with self._lock:
            line, self._line = self._line, None
        if line is not None:
            line.close()

    def _look(self, token: AccessToken, question: Callable[[LookUp], Coroutine[Any, Any, T]]) -> T:
        line = self._open_line()
        try:
            return line.thread.ask(question(LookUp(self._config, line.questions)))
        except TokenRefused:
            self._tokens.refuse(token.digest)
            raise

    def _ask_for_token(self, leave_by: float) -> Reply:
        line = self._open_line()
        return line.thread.ask(ask_for_token(self._config, line.questions, leave_by))

    def _open_line(self) -> Line:
        with self._lock:
            if self._line is None:
                self._line = Line(self._config)
            return self._line

    def _after_fork(self) -> None:
        self._lock = threading.Lock()
        if self._line is not None:
            _left_alone.append(self._line)
            self._line = None
        self._tokens.after_fork()


def _after_fork() -> None:
    for gateway in list(_gateways):
        gateway._after_fork()  # noqa: SLF001 - this module's own


os.register_at_fork(after_in_child=_after_fork)
