"""The access token, in hand before anything is claimed: the fence that the gateway itself enforces.

Whoever speaks to the gateway comes by here first, so here it also learns what operators taught about refusals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.port import AccessToken, KnownToken
from models.queries import decline, installation

if TYPE_CHECKING:
    from billing.ports import Ports


def token_in_hand(ports: Ports) -> AccessToken:
    """A token, written down by its digest: seeing a later one proves that an earlier one is dead.

    Raises:
        TokenNotYet: The newest one is in its last minute, and asking now would extend it.
        GatewayTrouble: The gateway gave none.
    """
    with ports.database.reading() as tx:
        newest = installation.newest_token(tx, channel=ports.channel.name)
        rules = decline.rules_in_force(tx)
    ports.gateway.learn(rules)
    known = None
    if newest is not None:
        known = KnownToken(digest=newest.digest, expires_at=newest.expires_at, seconds_left=newest.seconds_left)
    token = ports.gateway.access_token(known)
    if known is None or (token.digest, token.expires_at) != (known.digest, known.expires_at):
        with ports.database.transaction() as tx:
            installation.note_token(
                tx,
                channel=ports.channel.name,
                digest=token.digest,
                expires_at=token.expires_at,
                seconds_left=token.dies_at_boottime - ports.boottime(),
            )
    return token
