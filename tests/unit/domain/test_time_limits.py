from __future__ import annotations

from dataclasses import replace

import pytest

from domain.errors import Misconfigured
from domain.time_limits import (
    FLOORS_OF_A_LIVE_CHANNEL,
    SCALED_FOR_SIMULATOR,
    TimeLimits,
    check_floors_of_a_live_channel,
    check_time_limits,
)


@pytest.mark.parametrize("limits", [TimeLimits(), SCALED_FOR_SIMULATOR], ids=["production", "simulator"])
def test_our_own_values_stand_in_order(limits: TimeLimits) -> None:
    check_time_limits(limits)


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        ({"gateway_pool_timeout_seconds": 3}, ("GATEWAY_POOL_TIMEOUT", "GATEWAY_CONNECT_TIMEOUT")),
        ({"gateway_connect_timeout_seconds": 5}, ("GATEWAY_CONNECT_TIMEOUT", "GATEWAY_WRITE_TIMEOUT")),
        ({"gateway_write_timeout_seconds": 60}, ("GATEWAY_WRITE_TIMEOUT", "GATEWAY_READ_TIMEOUT")),
        ({"gateway_read_timeout_seconds": 70}, ("GATEWAY_READ_TIMEOUT", "GATEWAY_TOTAL_TIMEOUT")),
        ({"gateway_lookup_read_timeout_seconds": 70}, ("GATEWAY_LOOKUP_READ_TIMEOUT", "GATEWAY_TOTAL_TIMEOUT")),
        ({"soft_limit_seconds": 85}, ("RECORDING", "SOFT_LIMIT")),
        ({"hard_limit_seconds": 90}, ("SOFT_LIMIT", "HARD_LIMIT")),
        ({"lease_seconds": 85}, ("GATEWAY_TOTAL_TIMEOUT", "LEASE")),
        ({"token_guard_seconds": 10}, ("SEND_WINDOW", "TOKEN_GUARD")),
        ({"token_guard_seconds": 2100}, ("TOKEN_GUARD", "TOKEN_LIFE")),
        ({"token_last_seconds": 2100}, ("TOKEN_LAST", "TOKEN_LIFE")),
        ({"settling_seconds": 2699}, ("SETTLING", "LONGEST_PROCESSING")),
        ({"operator_deadline_seconds": 2700}, ("SETTLING", "OPERATOR_DEADLINE")),
    ],
)
def test_a_broken_order_is_refused_and_both_settings_are_named(
    broken: dict[str, float], named: tuple[str, str]
) -> None:
    with pytest.raises(Misconfigured) as refused:
        check_time_limits(replace(TimeLimits(), **broken))

    assert all(f"JEONGGI_{name}_SECONDS" in str(refused.value) for name in named)


def test_settling_may_equal_the_sum_that_it_must_reach() -> None:
    check_time_limits(replace(TimeLimits(), settling_seconds=2700, token_life_seconds=2100))


@pytest.mark.parametrize("name", FLOORS_OF_A_LIVE_CHANNEL)
def test_a_live_channel_refuses_to_go_below_a_floor(name: str) -> None:
    lower = replace(TimeLimits(), **{name: getattr(TimeLimits(), name) - 1})

    with pytest.raises(Misconfigured, match=f"JEONGGI_{name.upper()}"):
        check_floors_of_a_live_channel(lower)


def test_a_live_channel_takes_the_floors_themselves() -> None:
    check_floors_of_a_live_channel(TimeLimits())
