from __future__ import annotations

import traceback
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from domain.errors import Misconfigured
from domain.time_limits import SCALED_FOR_SIMULATOR, TimeLimits
from runtime.setting_values import ClockSetting
from runtime.settings import exported, load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

LIVE = {
    "JEONGGI_GATEWAY_URL": "https://api.iamport.kr",
    "JEONGGI_NAMESPACE": "shop-live",
    "JEONGGI_IMP_KEY": "key-of-the-shop",
    "JEONGGI_IMP_SECRET": "secret-of-the-shop",
}


def test_an_empty_environment_means_embedded_servers_and_no_gateway() -> None:
    settings = load_settings()

    assert (settings.database_url, settings.redis_url, settings.gateway_url) == (None, None, None)
    assert settings.time_limits == TimeLimits()


def test_a_live_channel_is_told_from_a_test_channel_and_the_simulator(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, LIVE)

    assert load_settings().channel_is_live
    assert not load_settings(test_channel=True).channel_is_live
    assert not load_settings(gateway_url="http://127.0.0.1:8080").channel_is_live
    assert not load_settings(gateway_url="http://[::1]:8080").channel_is_live
    assert not load_settings(gateway_url="http://simulator:8080").channel_is_live
    assert load_settings(gateway_url="https://127.0.0.1.example.com").channel_is_live


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"DATABASE_URL": "postgresql://u:p@h/d"}, "JEONGGI_DATABASE_URL is set without JEONGGI_REDIS_URL"),
        ({"REDIS_URL": "redis://h/0"}, "JEONGGI_REDIS_URL is set without JEONGGI_DATABASE_URL"),
        ({"DATABASE_URL": "postgres://u:p@h/d", "REDIS_URL": "redis://h/0"}, "JEONGGI_DATABASE_URL"),
        ({"DATABASE_URL": "postgresql://u:p@h/d", "REDIS_URL": "h:6379"}, "JEONGGI_REDIS_URL"),
        ({**LIVE, "NAMESPACE": ""}, "JEONGGI_NAMESPACE is required"),
        ({**LIVE, "NAMESPACE": "Shop"}, "JEONGGI_NAMESPACE"),
        ({**LIVE, "NAMESPACE": "x" * 41}, "JEONGGI_NAMESPACE"),
        ({**LIVE, "IMP_KEY": ""}, "JEONGGI_IMP_KEY is required"),
        ({**LIVE, "IMP_SECRET": ""}, "JEONGGI_IMP_SECRET is required"),
        ({**LIVE, "GATEWAY_URL": "api.iamport.kr"}, "JEONGGI_GATEWAY_URL is no address"),
        ({**LIVE, "GATEWAY_URL": "http://api.iamport.kr"}, "JEONGGI_GATEWAY_URL sends keys in the clear"),
        ({**LIVE, "CLOCK": "2026-01-31T00:00:00+09:00@60"}, "JEONGGI_CLOCK is only for the simulator"),
        ({**LIVE, "LEASE_SECONDS": "100"}, "JEONGGI_LEASE_SECONDS"),
        ({"CLOCK": "2026-01-31T00:00:00@60"}, "JEONGGI_CLOCK"),
        ({"CLOCK": "2026-01-31T00:00:00+09:00@0"}, "JEONGGI_CLOCK"),
        ({"CLOCK": "2026-01-31T00:00:00+09:00@1.5"}, "JEONGGI_CLOCK"),
        ({"CLOCK": "2026-01-31T00:00:00+09:00"}, "JEONGGI_CLOCK"),
        ({"CLOCK": "@step"}, "JEONGGI_CLOCK"),
        ({"TIMEZONE": "Asia/Sole"}, "JEONGGI_TIMEZONE"),
        ({"GATEWAY_RATE": "0"}, "JEONGGI_GATEWAY_RATE"),
        ({"GATEWAY_RATE": "2.5"}, "JEONGGI_GATEWAY_RATE"),
        ({"TICK_SECONDS": "nan"}, "JEONGGI_TICK_SECONDS"),
        ({"TICK_SECONDS": "0"}, "JEONGGI_TICK_SECONDS"),
        ({"SETTLING_SECONDS": "60"}, "JEONGGI_SETTLING_SECONDS"),
        ({"TEST_CHANNEL": "perhaps"}, "JEONGGI_TEST_CHANNEL"),
        ({"LOG_FORMAT": "xml"}, "JEONGGI_LOG_FORMAT"),
        ({"FLOWER_PORT": "70000"}, "JEONGGI_FLOWER_PORT"),
        ({"GATEWAY_RATES": "3"}, "did you mean JEONGGI_GATEWAY_RATE"),
    ],
)
def test_a_wrong_setting_is_named_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str], says: str
) -> None:
    _set(monkeypatch, variables)

    with pytest.raises(Misconfigured) as refused:
        load_settings()

    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_wrong_secret_is_not_told() -> None:
    secret = "eulav-terces"[::-1]  # backwards: a traceback quotes this file, too

    with pytest.raises(Misconfigured) as refused:
        load_settings(imp_key=[secret], gateway_rate=secret)

    assert secret not in "".join(traceback.format_exception(refused.value))


def test_secrets_are_not_in_the_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(
        monkeypatch, {**LIVE, "DATABASE_URL": "postgresql://u:hidden-word@h/d", "REDIS_URL": "redis://:hidden-word@h/0"}
    )

    told = repr(load_settings()) + str(load_settings())

    assert "hidden-word" not in told
    assert "of-the-shop" not in told


@pytest.mark.parametrize(("text", "rate"), [("86400", 86400), ("1", 1), ("step", None)])
def test_a_clock_has_an_origin_and_a_rate_or_steps(text: str, rate: int | None) -> None:
    settings = load_settings(clock=f"2026-01-31T00:00:00+09:00@{text}")

    assert settings.clock_setting == ClockSetting(origin=datetime(2026, 1, 30, 15, tzinfo=UTC), rate=rate)
    assert settings.clock_setting.origin.utcoffset() == timedelta(hours=9)


def test_what_a_platform_puts_beside_our_settings_is_let_be(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, {"SERVICE_HOST": "10.0.0.1", "PORT_5432_TCP": "tcp://10.0.0.1:5432"})

    load_settings()


def test_exported_time_limits_come_back_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, exported(SCALED_FOR_SIMULATOR))

    assert load_settings().time_limits == SCALED_FOR_SIMULATOR


def _set(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"JEONGGI_{name.removeprefix('JEONGGI_')}", value)
