"""With which rules does one simulator run?"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from simulator.accounts import GivenAccount


class UsedMerchantUid(StrEnum):
    """What happens to a charge whose merchant_uid was used before."""

    STRICT = "strict"  # refused if it is paid, was paid, is ready or is being charged; one that failed is free again
    CARELESS = "careless"  # charged again
    ONCE = "once"  # as strict, and one that failed is refused as well


class HookMode(StrEnum):
    """What becomes of the hooks that are to be sent."""

    ON = "on"
    OFF = "off"  # none is sent
    LATE = "late"  # each waits
    DOUBLED = "doubled"  # each is sent twice
    REORDERED = "reordered"  # a handful is kept back and sent in the wrong order
    FORGED = "forged"  # each, and each failed charge, is joined by one that lies


class ScheduleShape(StrEnum):
    """How a list of schedules is told: the swagger file says a plain list, the official Java client reads pages."""

    PAGED = "paged"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class HookRules:
    """Where hooks go and how; a charge's own ``notice_url`` goes before ``url``.

    Source: PortOne V1 documentation, webhook: POST, JSON or form by a setting of the console; sent once, unless
    redelivery was asked for: up to five times a minute apart after a network error or a 5xx.
    """

    url: str | None = None
    is_form: bool = False
    mode: HookMode = HookMode.ON
    delay_ms: int = 1000
    redeliveries: int = 0
    redelivery_ms: int = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRules:
    """Lifetimes of access tokens, in seconds.

    Source: PortOne V1 documentation, "REST API access token": 30 minutes from issue; asked for again it is the same
    token; asked for in its last minute the same token lives five minutes longer; afterwards a new one is issued.
    """

    life_seconds: float = 1800
    extension_seconds: float = 300
    last_seconds: float = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Everything that the command line can choose for the server.

    Without ``imp_key`` and ``accounts`` any pair of non-empty credentials is good. With ``is_hiding_sandbox`` payments
    of a test channel are not shown by ``GET /payments/{imp_uid}`` unless asked for with ``include_sandbox=true``.
    """

    host: str
    port: int
    control_port: int
    ledger: Path
    used_merchant_uid: UsedMerchantUid = UsedMerchantUid.STRICT
    tokens: TokenRules = TokenRules()
    imp_key: str | None = None
    imp_secret: str | None = None
    latency_ms: int = 0
    is_issuing_on_sight: bool = True
    is_sandbox: bool = True
    is_hiding_sandbox: bool = True
    accounts: tuple[GivenAccount, ...] = ()
    hooks: HookRules = HookRules()
    schedule_shape: ScheduleShape = ScheduleShape.PAGED
