"""What do settings say that are more than a word or a number? Networks, and the mapped clock."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from domain.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockSetting:
    """Where the mapped clock begins, and how many of its seconds pass in a real one (None: it is stepped)."""

    origin: datetime
    rate: int | None


def read_networks(variable: str, text: str) -> Sequence[Network]:
    """Addresses and networks, separated by commas; the empty text has none.

    Raises:
        Misconfigured: One of them is neither.
    """
    try:
        return [ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip()]
    except ValueError:
        raise Misconfigured(
            f"{variable} cannot be used: give addresses or networks, separated by commas, such as"
            " 192.0.2.7,198.51.100.0/24."
        ) from None


def read_clock(variable: str, text: str) -> ClockSetting:
    """``ORIGIN@RATE`` or ``ORIGIN@step``.

    Raises:
        Misconfigured: It is neither.
    """
    origin_text, at, rate_text = text.rpartition("@")
    try:
        origin = datetime.fromisoformat(origin_text)
    except ValueError:
        origin = None
    whole = rate_text.isascii() and rate_text.isdigit() and int(rate_text) >= 1
    if not at or origin is None or origin.tzinfo is None or not (whole or rate_text == "step"):
        raise Misconfigured(
            f"{variable} cannot be used: give ORIGIN@RATE with an offset and a whole rate of at least 1, or"
            " ORIGIN@step, such as 2026-01-31T00:00:00+09:00@86400."
        )
    return ClockSetting(origin=origin, rate=int(rate_text) if whole else None)
