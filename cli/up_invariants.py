"""The invariants at the end of a round, on both sides, over the gateway's own lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from billing.check_invariants import check_invariants
from cli.patience import once_there_is_a_token
from runtime.wiring import open_ports

if TYPE_CHECKING:
    from cli.up_programs import Installation


def broken_invariants(house: Installation) -> list[str]:
    """A sentence for each invariant that does not hold."""
    ports = open_ports(house.settings_of_children())
    try:
        found = once_there_is_a_token(ports, lambda: check_invariants(ports, gateway=True, progress=lambda _: None))
    finally:
        ports.gateway.close()
        ports.database.close()
    return [str(broken) for broken in found]
