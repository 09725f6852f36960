"""From whom does a request come? From the near end of its connection, unless that is a proxy of our own."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ipaddress import IPv4Network, IPv6Network

    Network = IPv4Network | IPv6Network

Address = IPv4Address | IPv6Address

#: More hops than this are nobody's real way.
_HOPS: Final = 20
#: One host has all the addresses of such a network.
_OF_ONE_HOST: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Which addresses are listened to (``allowed`` empty: all), and which are our own ``proxies``."""

    allowed: Sequence[Network] = ()
    proxies: Sequence[Network] = ()

    def sender(self, peer: str | None, forwarded_for: Sequence[str]) -> Address | None:
        """Who sent it; None: it cannot be told.

        ``forwarded_for`` are the values of ``X-Forwarded-For`` in order. They are read from their end, as far as our
        own proxies wrote them: what stands before is the sender's own word.
        """
        hops = [hop.strip() for value in forwarded_for for hop in value.split(",")][-_HOPS:]
        found = _address(peer or "")
        while found is not None and hops and _is_in(found, self.proxies):
            found = _address(hops.pop())
        return found

    def is_allowed(self, sender: Address | None) -> bool:
        """Whether a sender is listened to."""
        return not self.allowed or (sender is not None and _is_in(sender, self.allowed))


def one_host(sender: Address | None) -> str:
    """The name under which a sender's requests are counted together."""
    if isinstance(sender, IPv6Address):
        return str(ip_network((sender, _OF_ONE_HOST), strict=False))
    return str(sender)


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def _address(text: str) -> Address | None:
    try:
        found = ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found
