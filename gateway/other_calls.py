"""The gateway's calls that billing does not make: cards that are typed in, billing keys, new schedules and the rest.

Synchronous and safe from any thread; each order is sent once. A card passes only if the channel's configuration says
so, and is gone when the call returns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from domain.decline_rules import NO_RULES
from domain.errors import BadInput
from gateway.card_companies import CardCompanyLookUp
from gateway.customers import CustomerLookUp, after_delete, after_issue, delete_order, issue_order
from gateway.look_up import LookUp
from gateway.new_schedules import after_place, place_order
from gateway.onetime import after_onetime, onetime_order
from gateway.prepared import after_prepare, after_prepared, prepare_order, prepared_order

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from domain.decline_rules import DeclineRules
    from domain.evidence import Record
    from domain.outcome import Outcome
    from gateway.card_companies import CardCompany
    from gateway.connection import Connection
    from gateway.customers import Customer, IssueKey
    from gateway.new_schedules import NewSchedules
    from gateway.onetime import OnetimeCharge
    from gateway.port import AccessToken, Schedule
    from gateway.prepared import Prepared

T = TypeVar("T")


class OtherCalls:
    """On one process's connection; what is said of refusals is read with ``rules``."""

    def __init__(self, connection: Connection, rules: DeclineRules = NO_RULES) -> None:
        self._connection = connection
        self._rules = rules

    def onetime(self, charge: OnetimeCharge, *, token: AccessToken, send_before_boottime: float) -> Outcome:
        """Charge a card that is typed in, once; nothing is sent at or after ``send_before_boottime``.

        Raises:
            BadInput: This channel takes no card numbers. Trouble is never raised: it is an outcome.
        """
        self._require_cards()
        sent = self._connection.send(onetime_order(charge), token, send_before_boottime=send_before_boottime)
        return after_onetime(charge, sent, is_test=self._connection.config.is_test, rules=self._rules)

    def issue_key(self, asked: IssueKey, *, token: AccessToken) -> Customer:
        """Keep a card under a new billing key, without a charge.

        Raises:
            BadInput: This channel takes no card numbers.
            TokenRefused, GatewayRefused: None was issued.
            GatewayUnreachable, GatewayUnreadable: Perhaps issued; read the key.
        """
        self._require_cards()
        return after_issue(asked, self._connection.send(issue_order(asked), token))

    def customer(self, *, customer_uid: str, token: AccessToken) -> Customer | None:
        """One billing key; None: the gateway said, in its own envelope, that there is none.

        Raises:
            TokenRefused: The token is not taken any more; ask for one again.
            GatewayUnreachable, GatewayUnreadable: No answer; no evidence.
        """
        return self._ask_customers(token, lambda ask: ask.one(customer_uid=customer_uid, token=token))

    def customers(self, *, customer_uids: Sequence[str], token: AccessToken) -> Mapping[str, Customer]:
        """Those of the named billing keys that there are, by name; raises as ``customer``."""
        return self._ask_customers(token, lambda ask: ask.several(customer_uids=customer_uids, token=token))

    def delete_key(self, *, customer_uid: str, token: AccessToken, reason: str = "", requester: str = "") -> bool:
        """Delete a billing key, for good; False: there was none.

        Raises:
            TokenRefused, GatewayRefused: Nothing was deleted.
            GatewayUnreachable, GatewayUnreadable: Perhaps deleted; read the key.
        """
        order = delete_order(customer_uid, reason=reason, requester=requester)
        return after_delete(self._connection.send(order, token))

    def card_history(self, *, customer_uid: str, token: AccessToken) -> Sequence[Record]:
        """Every payment in won of a billing key, all pages; raises as ``customer``, also if the key was deleted."""
        return self._look(token, lambda look_up: look_up.card_history(customer_uid=customer_uid, token=token))

    def find(self, *, merchant_uid: str, token: AccessToken) -> Record | None:
        """The newest payment of an order; it hides older ones, so it is no evidence. Raises as ``customer``."""
        return self._look(token, lambda look_up: look_up.find(merchant_uid=merchant_uid, token=token))

    def place_schedules(self, asked: NewSchedules, *, token: AccessToken) -> Sequence[Schedule]:
        """Let the gateway itself charge a card later; what is also charged from here would be paid twice.

        Raises:
            TokenRefused, GatewayRefused: Nothing was placed.
            GatewayUnreachable, GatewayUnreadable: Perhaps placed; look at the schedules.
        """
        return after_place(asked, self._connection.send(place_order(asked), token))

    def prepare(self, wanted: Prepared, *, token: AccessToken, is_change: bool = False) -> Prepared:
        """Register the amount of an order, or change it.

        Raises:
            TokenRefused, GatewayRefused: Nothing was registered.
            GatewayUnreachable, GatewayUnreadable: Perhaps registered; ask.
        """
        return after_prepare(wanted, self._connection.send(prepare_order(wanted, is_change=is_change), token))

    def prepared(self, *, merchant_uid: str, token: AccessToken) -> Prepared | None:
        """What is registered for an order; None: nothing is, in the gateway's own words. Raises as ``prepare``."""
        return after_prepared(self._connection.send(prepared_order(merchant_uid), token))

    def card_companies(self, *, token: AccessToken) -> Sequence[CardCompany]:
        """Every card company that the gateway knows; raises as ``customer``."""
        return self._ask_cards(token, lambda ask: ask.all(token=token))

    def card_company(self, *, code: str, token: AccessToken) -> CardCompany | None:
        """One card company by its code; raises as ``customer``."""
        return self._ask_cards(token, lambda ask: ask.one(code=code, token=token))

    def _require_cards(self) -> None:
        if not self._connection.config.takes_card_numbers:
            raise BadInput("card numbers do not pass here: set JEONGGI_TAKES_CARD_NUMBERS=true where they may")

    def _look(self, token: AccessToken, question: Callable[[LookUp], Coroutine[Any, Any, T]]) -> T:
        config = self._connection.config
        return self._connection.ask(token, lambda line: question(LookUp(config, line.questions, self._rules)))

    def _ask_customers(self, token: AccessToken, question: Callable[[CustomerLookUp], Coroutine[Any, Any, T]]) -> T:
        config = self._connection.config
        return self._connection.ask(token, lambda line: question(CustomerLookUp(config, line.questions)))

    def _ask_cards(self, token: AccessToken, question: Callable[[CardCompanyLookUp], Coroutine[Any, Any, T]]) -> T:
        config = self._connection.config
        return self._connection.ask(token, lambda line: question(CardCompanyLookUp(config, line.questions)))
