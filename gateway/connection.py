"""What has one process open towards the gateway, and with which token? Opened at the first call, anew after a fork."""

from __future__ import annotations

import os
import threading
import weakref
from typing import TYPE_CHECKING, Any, Final, TypeVar

from gateway.errors import TokenRefused
from gateway.line import Line
from gateway.orders import Orders
from gateway.tokens import Tokens, ask_for_token

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from gateway.config import GatewayConfig
    from gateway.orders import Order, Sent
    from gateway.port import AccessToken
    from gateway.transport import Reply

T = TypeVar("T")

_connections: Final[weakref.WeakSet[Connection]] = weakref.WeakSet()
#: Lines of the parent, in a forked child: closing them here would write on the parent's connections.
_left_alone: Final[list[Line]] = []


class Connection:
    """Safe from any thread. A token that the gateway refused, whichever call told so, is not handed out again."""

    def __init__(self, config: GatewayConfig) -> None:
        self.config = config
        self.tokens = Tokens(config, self._ask_for_token)
        self._lock = threading.Lock()
        self._line: Line | None = None
        _connections.add(self)

    def ask(self, token: AccessToken, question: Callable[[Line], Coroutine[Any, Any, T]]) -> T:
        """Run a question on the line's loop and wait for it.

        Raises:
            TokenRefused: The token is not taken any more; ask for one again.
            GatewayUnreachable, GatewayUnreadable: No answer.
        """
        line = self.line()
        try:
            return line.thread.ask(question(line))
        except TokenRefused:
            self.tokens.refuse(token.digest)
            raise

    def send(self, order: Order, token: AccessToken, *, send_before_boottime: float | None = None) -> Sent:
        """Send an order, once; never raises trouble."""
        sent = Orders(self.config, self.line()).send_once(order, token, send_before_boottime=send_before_boottime)
        if sent.is_token_refused:
            self.tokens.refuse(token.digest)
        return sent

    def line(self) -> Line:
        """This process's line; opened if it is not."""
        with self._lock:
            if self._line is None:
                self._line = Line(self.config)
            return self._line

    def close(self) -> None:
        """Close this process's line; a later call opens another."""
        with self._lock:
            line, self._line = self._line, None
        if line is not None:
            line.close()

    def _ask_for_token(self, leave_by: float) -> Reply:
        line = self.line()
        return line.thread.ask(ask_for_token(self.config, line.questions, leave_by))

    def after_fork(self) -> None:
        """In the child: the parent's line is the parent's, and its lock may have been held at the fork."""
        self._lock = threading.Lock()
        if self._line is not None:
            _left_alone.append(self._line)
            self._line = None
        self.tokens.after_fork()


def _after_fork() -> None:
    for connection in list(_connections):
        connection.after_fork()


os.register_at_fork(after_in_child=_after_fork)
