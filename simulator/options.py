"""With which rules does one simulator run?"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class UsedMerchantUid(StrEnum):
    """What happens to a charge whose merchant_uid is already paid or still being charged."""

    STRICT = "strict"
    CARELESS = "careless"


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

    Without ``imp_key`` any pair of non-empty credentials is good. ``sandbox`` payments are hidden from
    ``GET /payments/{imp_uid}`` unless asked for with ``include_sandbox=true``.
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
