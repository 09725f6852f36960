"""What the gateway client must be told: where, as whom, how many at once, and how long to wait.

All durations are seconds of real time: the gateway lives in real time, whatever the billing clock says.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

MASKED: Final = "***"


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConfig:
    """One gateway account and the manners of one process towards it.

    ``concurrency`` is the number of charges in flight in one process and of the connections for them; look-ups and
    token calls have ``lookup_connections`` of their own, so that slow charges never starve the questions about them.
    """

    base_url: str
    imp_key: str = field(repr=False)
    imp_secret: str = field(repr=False)
    #: ``Authorization: Bearer <token>``; False sends the bare token, as older clients do.
    bearer: bool = True
    #: A channel on which no real money moves: only there may a payment be marked ``sandbox``.
    is_test: bool = False
    #: Whether card numbers may pass, to ``onetime`` and ``customers``; they are kept nowhere.
    takes_card_numbers: bool = False
    concurrency: int = 200
    lookup_connections: int = 8
    pool_timeout_seconds: float = 2.0
    connect_timeout_seconds: float = 3.0
    write_timeout_seconds: float = 5.0
    read_timeout_seconds: float = 60.0
    total_timeout_seconds: float = 70.0
    lookup_read_timeout_seconds: float = 10.0
    #: A connection that was idle for longer is not used again; must stay below the server's own idle limit.
    keepalive_seconds: float = 4.0
    #: The gateway extends a token that is asked for in its last 60 seconds: nobody asks then.
    token_last_seconds: float = 60.0
    #: Room for clocks in whole seconds and for the way of the question, on both sides of that last minute.
    token_margin_seconds: float = 10.0
    #: A token that is handed out lives at least this long.
    token_min_life_seconds: float = 15.0
    #: Larger answers are not read to their end. A page of a list holds a thousand records of one or two kB.
    max_body_bytes: int = 8 * 1024 * 1024
    #: PEM file of the authorities to trust instead of the usual ones.
    ca_file: str | None = None

    @property
    def total_lookup_seconds(self) -> float:
        """The longest that one question may take, from the first step to the last byte."""
        in_parts = (
            self.pool_timeout_seconds
            + self.connect_timeout_seconds
            + self.write_timeout_seconds
            + self.lookup_read_timeout_seconds
        )
        return min(self.total_timeout_seconds, in_parts)
