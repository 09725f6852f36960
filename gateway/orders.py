"""How is something asked for that changes what stands at the gateway? Once, and the answer is a value.

Nothing here is ever sent a second time, and no exception leaves: its traceback would hold what was being written.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from domain.errors import GatewayUnreachable, GatewayUnreadable
from gateway.errors import GatewayRefused, TokenRefused
from gateway.mask import clean_text
from gateway.questions import authorization
from gateway.records import ANSWERED, REFUSALS, read_envelope
from gateway.tokens import boottime
from gateway.transport import Passage, StoppedBeforeSending

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.config import GatewayConfig
    from gateway.line import Line
    from gateway.port import AccessToken
    from gateway.transport import Reply

_UNAUTHORIZED = 401


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One request. ``write`` makes its body on the gateway's thread, so that what is in it is nowhere else."""

    method: str
    path: str = field(repr=False)
    write: Callable[[], bytes] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What came of one order: a whole answer, or the name of what broke, with what our own mark proves."""

    reply: Reply | None = None
    is_proven_unsent: bool = False
    broke: str = ""

    @property
    def is_token_refused(self) -> bool:
        """401: proven not worked on."""
        return self.reply is not None and self.reply.status == _UNAUTHORIZED


class Orders:
    """Sends orders on one process's line; from any thread."""

    def __init__(self, config: GatewayConfig, line: Line) -> None:
        self._config = config
        self._line = line

    def send_once(self, order: Order, token: AccessToken, *, send_before_boottime: float | None = None) -> Sent:
        """Send it, once; nothing leaves at or after ``send_before_boottime`` (CLOCK_BOOTTIME). Never raises trouble."""

        def gate() -> None:
            if send_before_boottime is not None and boottime() >= send_before_boottime:
                raise StoppedBeforeSending

        passage = Passage(gate=gate)
        try:
            return self._line.thread.ask(self._send(order, token, passage))
        except GatewayUnreachable:  # the line was closed meanwhile; the call has ended
            return Sent(is_proven_unsent=passage.is_proven_unsent, broke="the line was closed")

    async def _send(self, order: Order, token: AccessToken, passage: Passage) -> Sent:
        transport = self._line.orders
        headers = {**authorization(self._config, token), "Content-Type": "application/json"}
        try:
            request = transport.order(
                order.method, order.path, headers, order.write, read_seconds=self._config.read_timeout_seconds
            )
            reply = await transport.call(request, passage, total_seconds=self._config.total_timeout_seconds)
        except Exception as broken:  # noqa: BLE001 - any class; only the mark says what it means
            return Sent(is_proven_unsent=passage.is_proven_unsent, broke=type(broken).__name__)
        return Sent(reply=reply)


def response_of(sent: Sent, *, clean: Callable[[str], str] = clean_text) -> object:
    """The ``response`` of an order that was worked on.

    Args:
        sent: What came of it.
        clean: Masks the gateway's own words before they stand in an error.

    Raises:
        TokenRefused: 401; nothing was done.
        GatewayRefused: The gateway said no, in its own words.
        GatewayUnreachable, GatewayUnreadable: Perhaps done; look.
    """
    if sent.reply is None:
        left = "nothing was sent" if sent.is_proven_unsent else "it may have been done"
        raise GatewayUnreachable(f"the gateway did not answer ({sent.broke}): {left}")
    if sent.is_token_refused:
        raise TokenRefused("the gateway refused the token: ask for a token again")
    envelope = read_envelope(sent.reply.body)
    if envelope is None:
        raise GatewayUnreadable(f"answered with HTTP {sent.reply.status}, outside the gateway's envelope")
    if envelope.code != 0 and sent.reply.status in REFUSALS:
        raise GatewayRefused(clean(envelope.message) or f"the gateway refused, without a word (code {envelope.code})")
    if envelope.code != 0 or sent.reply.status not in ANSWERED:
        told = f"HTTP {sent.reply.status}, code {envelope.code}"
        raise GatewayUnreadable(f"answered with {told}: neither done nor refused")
    return envelope.response
