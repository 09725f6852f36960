"""The invariants at the end of a round, on both sides, over the gateway's own lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from billing.check_invariants import check_invariants
from cli.patience import once_there_is_a_token
from runtime.wiring import open_channels

if TYPE_CHECKING:
    from cli.up_programs import Installation


def broken_invariants(house: Installation) -> list[str]:
    """A sentence for each invariant that does not hold."""
    channels = [*open_channels(house.settings_of_children()).values()]
    ports = channels[0]
    try:
        found = once_there_is_a_token(
            ports, lambda: check_invariants(ports, gateways=channels, progress=lambda _: None)
        )
    finally:
        for each in channels:
            each.gateway.close()
        ports.database.close()
    return [str(broken) for broken in found]
