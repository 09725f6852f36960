"""Short ways to make a client, a batch, and to wait for its answers."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any
from uuid import UUID

from gateway.config import GatewayConfig
from gateway.iamport import IamportGateway
from gateway.port import AccessToken, Batch, Charge

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gateway.port import Answer, FanOut, Gateway

#: Every limit of the test client, far below production's, in the same order.
SHORT: dict[str, Any] = {
    "imp_key": "the-key",
    "imp_secret": "the-secret",
    "is_test": True,
    "concurrency": 8,
    "pool_timeout_seconds": 0.4,
    "connect_timeout_seconds": 0.5,
    "write_timeout_seconds": 0.6,
    "read_timeout_seconds": 1.0,
    "lookup_read_timeout_seconds": 1.0,
    "total_timeout_seconds": 3.0,
}
WAIT_SECONDS = 30.0


def boottime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def make_config(url: str, **changes: Any) -> GatewayConfig:  # noqa: ANN401 - any field of the config
    return GatewayConfig(base_url=url, **{**SHORT, **changes})


@contextlib.contextmanager
def client(url: str, **changes: Any) -> Iterator[IamportGateway]:  # noqa: ANN401 - any field of the config
    gateway = IamportGateway(make_config(url, **changes))
    try:
        yield gateway
    finally:
        gateway.close()


def make_charge(number: int = 0, **changes: Any) -> Charge:  # noqa: ANN401 - any field of a charge
    values: dict[str, Any] = {
        "attempt_id": UUID(int=number),
        "send_no": 1,
        "fence": 7,
        "merchant_uid": f"m{number:039d}",
        "customer_uid": "customer-one",
        "amount": 9900,
        "name": "정기 결제",
        "buyer_name": "홍길동",
        "buyer_email": "hong@example.com",
        "buyer_tel": "010-1234-5678",
    }
    return Charge(**{**values, **changes})


def make_token(*, life: float = 1800, value: str = "a-token") -> AccessToken:
    return AccessToken(value=value, digest="d" * 32, expires_at=2_000_000_000, dies_at_boottime=boottime() + life)


def make_batch(charges: Sequence[Charge], **changes: Any) -> Batch:  # noqa: ANN401 - any field of a batch
    values: dict[str, Any] = {
        "charges": charges,
        "token": make_token(),
        "send_before_boottime": boottime() + 60,
        "first_at_boottime": boottime(),
        "spacing_seconds": 0.0,
    }
    return Batch(**{**values, **changes})


def collect(fan_out: FanOut, count: int) -> list[Answer]:
    """All answers of a fan-out; there must be exactly ``count``."""
    answers: list[Answer] = []
    deadline = boottime() + WAIT_SECONDS
    while fan_out.in_flight and boottime() < deadline:
        answers += fan_out.answered(group_seconds=1, group_size=count)
    assert len(answers) == count
    assert fan_out.in_flight == 0
    return answers


def allowed(gateway: Gateway) -> FanOut:
    """A fan-out with a permission that outlives the test."""
    fan_out = gateway.fan_out()
    fan_out.allow(until_boottime=boottime() + 3600)
    return fan_out


def charge_once(gateway: IamportGateway, charge: Charge | None = None, **changes: Any) -> Answer:  # noqa: ANN401
    fan_out = allowed(gateway)
    fan_out.send(make_batch([charge or make_charge()], **changes))
    return collect(fan_out, 1)[0]
