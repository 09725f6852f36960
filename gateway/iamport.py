"""The I'mport (PortOne V1) client with KG Inicis behind it: the port's ``Gateway``, for one process at a time."""

from __future__ import annotations

import os
import threading
import weakref
from typing import TYPE_CHECKING, Any, Final, TypeVar

from gateway.cancels import CANCEL_PATH, after_cancel, cancel_body
from gateway.errors import TokenRefused
from gateway.fan_out import IamportFanOut
from gateway.line import Line
from gateway.look_up import LookUp
from gateway.orders import Order, Orders
from gateway.schedules import ScheduleLookUp, revoked, unschedule_order
from gateway.tokens import Tokens, ask_for_token

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence
    from datetime import datetime

    from domain.evidence import Record
    from gateway.config import GatewayConfig
    from gateway.orders import Sent
    from gateway.port import AccessToken, CancelAnswer, CancelOrder, FanOut, Finding, KnownToken, Schedule
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

    def payment(self, *, imp_uid: str, token: AccessToken) -> Record | None:
        """One payment with its cancel history; None: the gateway said that there is none. Raises as ``find_all``."""
        return self._look(token, lambda look_up: look_up.payment(imp_uid=imp_uid, token=token))

    def cancel(self, order: CancelOrder, *, token: AccessToken, send_before_boottime: float) -> CancelAnswer:
        """Ask once to give money back; nothing is sent at or after ``send_before_boottime``. Never raises trouble."""
        one = Order(method="POST", path=CANCEL_PATH, write=lambda: cancel_body(order))
        sent = self._send(one, token, send_before_boottime=send_before_boottime)
        return after_cancel(order, sent, is_test=self._config.is_test)

    def schedules(
        self, *, begin: datetime, end: datetime, token: AccessToken, seen: Callable[[int], None]
    ) -> Sequence[Schedule]:
        """Every schedule in won of [begin, end); ``seen`` is called on the gateway's thread. Raises as ``find_all``."""
        return self._ask_schedules(token, lambda ask: ask.all(begin=begin, end=end, token=token, seen=seen))

    def card_schedules(
        self, *, customer_uid: str, begin: datetime, end: datetime, token: AccessToken
    ) -> Sequence[Schedule]:
        """One card's schedules in won of [begin, end); raises as ``find_all``."""
        return self._ask_schedules(
            token, lambda ask: ask.of_card(customer_uid=customer_uid, begin=begin, end=end, token=token)
        )

    def schedule(self, *, merchant_uid: str, token: AccessToken) -> Schedule | None:
        """One schedule by its name; None: the gateway said that there is none. Raises as ``find_all``."""
        return self._ask_schedules(token, lambda ask: ask.one(merchant_uid=merchant_uid, token=token))

    def unschedule(self, *, customer_uid: str, merchant_uids: Sequence[str], token: AccessToken) -> Sequence[Schedule]:
        """Revoke schedules by name, asked once; gives what the gateway says it revoked.

        Raises:
            RuleBroken: No name was given: that request would wipe all of the card's schedules.
            TokenRefused, GatewayRefused: Nothing was revoked.
            GatewayUnreachable, GatewayUnreadable: Perhaps revoked; look at the schedule.
        """
        order = unschedule_order(customer_uid=customer_uid, merchant_uids=merchant_uids)
        return revoked(self._send(order, token))

    def close(self) -> None:
        """Close this process's connections; a later call opens new ones."""
        with self._lock:
            line, self._line = self._line, None
        if line is not None:
            line.close()

    def _look(self, token: AccessToken, question: Callable[[LookUp], Coroutine[Any, Any, T]]) -> T:
        return self._ask(token, lambda line: question(LookUp(self._config, line.questions)))

    def _ask_schedules(self, token: AccessToken, question: Callable[[ScheduleLookUp], Coroutine[Any, Any, T]]) -> T:
        return self._ask(token, lambda line: question(ScheduleLookUp(self._config, line.questions)))

    def _send(self, order: Order, token: AccessToken, *, send_before_boottime: float | None = None) -> Sent:
        sent = Orders(self._config, self._open_line()).send_once(
            order, token, send_before_boottime=send_before_boottime
        )
        if sent.is_token_refused:
            self._tokens.refuse(token.digest)
        return sent

    def _ask(self, token: AccessToken, question: Callable[[Line], Coroutine[Any, Any, T]]) -> T:
        line = self._open_line()
        try:
            return line.thread.ask(question(line))
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
