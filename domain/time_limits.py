"""How long may each thing take, and in which order must those lengths stand?

Every length is in seconds of real time: the gateway lives in real time, whatever clock billing runs on.
"""

from __future__ import annotations

from dataclasses import dataclass

from domain.errors import Misconfigured


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLimits:
    """All lengths that depend on one another, in seconds; the defaults are the production values.

    The setting of each is its name in capitals behind ``JEONGGI_``.
    """

    gateway_pool_timeout_seconds: float = 2
    gateway_connect_timeout_seconds: float = 3
    gateway_write_timeout_seconds: float = 5
    gateway_read_timeout_seconds: float = 60  # the gateway publishes no figure; every false timeout is an unknown
    gateway_total_timeout_seconds: float = 70
    gateway_lookup_read_timeout_seconds: float = 10
    send_window_seconds: float = 10  # from the claim to the last moment that a request may start
    recording_seconds: float = 5
    soft_limit_seconds: float = 120
    hard_limit_seconds: float = 135
    lease_seconds: float = 150
    token_life_seconds: float = 2100  # 30 minutes, and the 5 that asking in the last minute adds
    token_last_seconds: float = 60
    token_guard_seconds: float = 15
    longest_processing_seconds: float = 600
    settling_seconds: float = 2700
    operator_deadline_seconds: float = 7200
    tick_seconds: float = 5


#: What `jeonggi up` gives its processes when the simulator stands in for the gateway: the same order as in
#: production, short enough that an unknown is settled while somebody watches.
SCALED_FOR_SIMULATOR = TimeLimits(
    gateway_pool_timeout_seconds=0.5,
    gateway_connect_timeout_seconds=1,
    gateway_write_timeout_seconds=2,
    gateway_read_timeout_seconds=3,
    gateway_total_timeout_seconds=4,
    gateway_lookup_read_timeout_seconds=3,
    send_window_seconds=1.5,
    recording_seconds=0.5,
    soft_limit_seconds=15,
    hard_limit_seconds=20,
    lease_seconds=8,
    token_life_seconds=22,  # 20 and an extension
    token_last_seconds=1,
    token_guard_seconds=2,
    longest_processing_seconds=2,
    settling_seconds=24,
    operator_deadline_seconds=120,
    tick_seconds=1,
)

#: The part of that token's life which asking in its last minute adds; the simulator is started with the same.
SIMULATOR_TOKEN_EXTENSION_SECONDS = 2

#: A live channel does not go below the production value of these: each shortening can charge twice.
FLOORS_OF_A_LIVE_CHANNEL = (
    "gateway_read_timeout_seconds",
    "gateway_total_timeout_seconds",
    "lease_seconds",
    "settling_seconds",
    "token_life_seconds",
    "longest_processing_seconds",
)

_SHORTER_THAN = (
    ("gateway_pool_timeout_seconds", "gateway_connect_timeout_seconds"),
    ("gateway_connect_timeout_seconds", "gateway_write_timeout_seconds"),
    ("gateway_write_timeout_seconds", "gateway_read_timeout_seconds"),
    ("gateway_read_timeout_seconds", "gateway_total_timeout_seconds"),
    ("gateway_lookup_read_timeout_seconds", "gateway_total_timeout_seconds"),
    ("soft_limit_seconds", "hard_limit_seconds"),
    ("send_window_seconds", "token_guard_seconds"),
    ("token_guard_seconds", "token_life_seconds"),
    ("token_last_seconds", "token_life_seconds"),
    ("settling_seconds", "operator_deadline_seconds"),
)


def check_time_limits(limits: TimeLimits) -> None:
    """Refuse lengths that could let a late request, a late answer or a late resend slip through.

    Raises:
        Misconfigured: Two settings stand in the wrong order; both are named.
    """
    for shorter, longer in _SHORTER_THAN:
        if not getattr(limits, shorter) < getattr(limits, longer):
            raise Misconfigured(
                f"{_told(limits, shorter)} must be less than {_told(limits, longer)}: raise the latter."
            )
    run = limits.send_window_seconds + limits.gateway_total_timeout_seconds + limits.recording_seconds
    run_told = (
        f"JEONGGI_SEND_WINDOW_SECONDS + JEONGGI_GATEWAY_TOTAL_TIMEOUT_SECONDS + JEONGGI_RECORDING_SECONDS ({run:g})"
    )
    for longer in ("soft_limit_seconds", "lease_seconds"):
        if not run < getattr(limits, longer):
            raise Misconfigured(f"{run_told} must be less than {_told(limits, longer)}: raise the latter.")
    quiet = limits.token_life_seconds + limits.longest_processing_seconds
    if limits.settling_seconds < quiet:
        raise Misconfigured(
            f"{_told(limits, 'settling_seconds')} must be at least JEONGGI_TOKEN_LIFE_SECONDS"
            f" + JEONGGI_LONGEST_PROCESSING_SECONDS ({quiet:g}): raise the former."
        )


def check_floors_of_a_live_channel(limits: TimeLimits) -> None:
    """Refuse to shorten what stands between a live card and a second charge.

    Raises:
        Misconfigured: A setting is below its production value.
    """
    production = TimeLimits()
    for name in FLOORS_OF_A_LIVE_CHANNEL:
        floor = getattr(production, name)
        if getattr(limits, name) < floor:
            raise Misconfigured(
                f"{_told(limits, name)} must be at least {floor:g} on a live channel:"
                " raise it, or set JEONGGI_TEST_CHANNEL=true (`test = true` of a channel) if no real money moves there."
            )


def _told(limits: TimeLimits, name: str) -> str:
    return f"JEONGGI_{name.upper()} ({getattr(limits, name):g})"
