"""The I'mport (PortOne V1) client with KG Inicis behind it: the port's ``Gateway``, for one process at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from domain.decline_rules import NO_RULES
from gateway.cancels import CANCEL_PATH, after_cancel, cancel_body
from gateway.connection import Connection
from gateway.fan_out import IamportFanOut
from gateway.look_up import LookUp
from gateway.orders import Order
from gateway.other_calls import OtherCalls
from gateway.schedules import ScheduleLookUp, revoked, unschedule_order

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence
    from datetime import datetime

    from domain.decline_rules import DeclineRules
    from domain.evidence import Record
    from gateway.config import GatewayConfig
    from gateway.port import AccessToken, CancelAnswer, CancelOrder, FanOut, Finding, KnownToken, Schedule

T = TypeVar("T")


class IamportGateway:
    """Opens its connections at the first call of each process; a fork begins anew and leaves the parent's alone."""

    def __init__(self, config: GatewayConfig) -> None:
        self._config = config
        self._connection = Connection(config)
        self._rules = NO_RULES

    def access_token(self, known: KnownToken | None) -> AccessToken:
        """The token in hand, or a new one; never asked for in a known token's last minute.

        Raises:
            TokenNotYet: The newest known token is in its last minute, or dead for less than the margin.
            GatewayRefusedCredentials: Key and secret were refused.
            GatewayUnreachable, GatewayUnreadable: No usable answer.
        """
        return self._connection.tokens.current(known)

    def learn(self, rules: DeclineRules) -> None:
        """Read refusals so from the next set of charges, and the next look-up, on."""
        self._rules = rules

    def fan_out(self) -> FanOut:
        """A new set of charges in flight, on this process's connections."""
        return IamportFanOut(self._config, self._connection.line(), self._connection.tokens.refuse, self._rules)

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
        sent = self._connection.send(one, token, send_before_boottime=send_before_boottime)
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
        return revoked(self._connection.send(order, token))

    @property
    def other(self) -> OtherCalls:
        """The calls that billing does not make."""
        return OtherCalls(self._connection, self._rules)

    def close(self) -> None:
        """Close this process's connections; a later call opens new ones."""
        self._connection.close()

    def _look(self, token: AccessToken, question: Callable[[LookUp], Coroutine[Any, Any, T]]) -> T:
        return self._connection.ask(token, lambda line: question(LookUp(self._config, line.questions, self._rules)))

    def _ask_schedules(self, token: AccessToken, question: Callable[[ScheduleLookUp], Coroutine[Any, Any, T]]) -> T:
        return self._connection.ask(token, lambda line: question(ScheduleLookUp(self._config, line.questions)))
