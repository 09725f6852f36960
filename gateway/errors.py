"""What can go wrong at the gateway beyond the port's own errors."""

from __future__ import annotations

from typing import ClassVar

from domain.errors import GatewayTrouble


class TokenRefused(GatewayTrouble):
    """A look-up's token was refused (401); it is forgotten, so asking ``access_token`` again mends it."""

    code: ClassVar[str] = "token_refused"


class GatewayRefused(GatewayTrouble):
    """The gateway said no to a call that moves no money; the message is its own, masked."""

    code: ClassVar[str] = "gateway_refused"
