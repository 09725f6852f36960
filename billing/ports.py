"""What a use case is given: the database, the gateway, the limits; built once a process by ``runtime.wiring``."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from domain.breaker import BreakerTerms
from domain.envelope import EnvelopeTerms

if TYPE_CHECKING:
    from collections.abc import Callable

    from domain.evidence import Patience
    from gateway.port import Gateway
    from models.session import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One gateway account with its MID, and what is known of its manners."""

    name: str
    pg: str = ""  # ``pg_provider.pg_id``
    is_test: bool = False  # no real money moves there; a record marked ``sandbox`` counts as paid
    imp_code: str = ""  # the merchant code that card forms use
    channel_key: str = ""
    #: What the gateway does with a merchant_uid that was paid, or declined; None: not known. No rule rests on them.
    refuses_used_merchant_uid: bool | None = None
    declined_merchant_uid_reusable: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Brakes:
    """What stops a channel by itself, before the next call."""

    breaker: BreakerTerms = field(default_factory=BreakerTerms)
    envelope: EnvelopeTerms = field(default_factory=EnvelopeTerms)
    zone_name: str = "Asia/Seoul"  # of the civil days that have an envelope each


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much, and how long. Seconds are real time; their order is checked at start (``domain.time_limits``)."""

    rate: int  # calls a second, over all workers
    concurrency: int  # calls in flight, this process
    claim_size: int  # invoices in one claim, at most
    group_size: int  # outcomes recorded in one commit, at most
    group_seconds: float
    send_window_seconds: float  # from the claim until nothing of it is sent any more
    token_guard_seconds: float  # a token with less life left is not claimed with
    lease_seconds: float  # from the claim until the resolver may ask
    run_seconds: float  # from its start a run claims, or asks, no longer than this
    resend_pause_seconds: float  # before an attempt that was not executed is sent again
    clearance_seconds: float  # for so long a look-up of the earlier attempts holds before a reattempt
    operator_deadline: timedelta  # an unknown older than this goes before an operator
    patience: Patience
    max_behind: int  # periods that may be caught up
    brakes: Brakes = field(default_factory=Brakes)
    usage_timeout_seconds: float = 10  # the merchant's own code may take so long to tell what a period used
    #: Charge runs, and runs that ask, which this channel has at once, over all workers; None: no bound.
    charge_runs: int | None = None
    look_runs: int | None = None
    turn_seconds: float = 240  # a run is surely over, or dead, so long after it began
    hint_look_ups_a_minute: int = 300  # hooks of the gateway that are followed by asking it, all channels together
    hint_retention: timedelta = timedelta(days=30)  # for so long hooks are kept
    hint_rows: int = 2_000_000  # and the newest so many at most, which is about a gigabyte

    @property
    def asking_seconds(self) -> float:
        """In a run that also sends no question begins later: slow answers would take the time to send."""
        return self.run_seconds / 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The outside world, as far as one channel's work needs it: a use case charges, asks and refunds one channel."""

    channel: Channel
    database: Database
    gateway: Gateway
    limits: Limits
    namespace: str
    boottime: Callable[[], float]  # seconds of CLOCK_BOOTTIME, which counts suspend
