"""Are channels and their credentials read as they are told, and is what cannot be used refused in one sentence?"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

import pytest

from domain.errors import Misconfigured
from runtime.credentials import all_secrets, credentials_of, write_credentials
from runtime.settings import load_settings
from runtime.wiring import channel_of, gateway_configs, limits_of

if TYPE_CHECKING:
    from pathlib import Path

SHOP = '[[channel]]\nname = "shop"\npg = "html5_inicis.MOIshop123"\n'
BOOKS = '[[channel]]\nname = "books-2"\npg = "html5_inicis.MOIbooks12"\n'
SECRET = "eulav-terces"[::-1]  # backwards: a traceback quotes this file, too


class Channels:
    """A file of channels, and what its settings are."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.file = folder / "channels.toml"
        self.secrets = folder / "secrets"
        self.secrets.mkdir(mode=0o700)
        self._monkeypatch = monkeypatch
        self.set(CHANNELS_FILE=self.file, SECRETS_DIR=self.secrets, NAMESPACE="shop")
        self.set(GATEWAY_URL="https://api.iamport.kr")

    def set(self, **variables: object) -> None:
        for name, value in variables.items():
            self._monkeypatch.setenv(f"JEONGGI_{name}", str(value))

    def secret(self, name: str, text: str, mode: int = 0o600) -> Path:
        file = self.secrets / f"{name}.toml"
        file.write_text(text, encoding="utf-8")
        file.chmod(mode)
        return file

    def refused(self, text: str) -> str:
        """What a file is refused with, and nothing of it in the traceback but that."""
        self.file.write_text(text, encoding="utf-8")
        with pytest.raises(Misconfigured) as refused:
            gateway_configs(load_settings())
        told = str(refused.value)
        assert "\n" not in told
        assert SECRET not in "".join(traceback.format_exception(refused.value))
        return told


@pytest.fixture
def channels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Channels:
    return Channels(tmp_path, monkeypatch)


def test_each_channel_has_its_own_account_limits_and_manners(channels: Channels) -> None:
    channels.file.write_text(
        SHOP
        + "rate = 7\nconcurrency = 30\nrefuses_used_merchant_uid = true\ndeclined_merchant_uid_reusable = false\n"
        + BOOKS
        + 'test = true\nbearer = false\nimp_code = "imp123"\nchannel_key = "channel-key-x"\n'
    )
    channels.set(CHANNEL_SHOP_IMP_KEY="key-1", CHANNEL_SHOP_IMP_SECRET="secret-1", GATEWAY_RATE=3)
    channels.secret("books-2", 'imp_key = "key-2"\nimp_secret = "secret-2"\n')

    settings = load_settings()
    configs = gateway_configs(settings)
    shop, books = settings.channels

    assert [(config.imp_key, config.imp_secret) for config in configs.values()] == [
        ("key-1", "secret-1"),
        ("key-2", "secret-2"),
    ]
    assert (configs["shop"].is_test, configs["books-2"].is_test) == (False, True)
    assert (configs["shop"].concurrency, configs["shop"].bearer, configs["books-2"].bearer) == (30, True, False)
    assert (limits_of(settings, shop).rate, limits_of(settings, books).rate) == (7, 3)
    assert (limits_of(settings, shop).charge_runs, limits_of(settings, shop).look_runs) == (2, 1)
    assert (channel_of(shop).refuses_used_merchant_uid, channel_of(shop).declined_merchant_uid_reusable) == (
        True,
        False,
    )
    assert (channel_of(books).imp_code, channel_of(books).channel_key, channel_of(books).pg) == (
        "imp123",
        "channel-key-x",
        "html5_inicis.MOIbooks12",
    )
    assert settings.channel_is_live
    assert "key-1" not in repr(configs) + repr(settings.channels)
    assert set(all_secrets(settings)) == {"key-1", "secret-1", "key-2", "secret-2"}


def test_the_only_channel_has_the_plain_settings_and_all_of_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"GATEWAY_URL": "https://api.iamport.kr", "NAMESPACE": "shop", "IMP_KEY": "k"}.items():
        monkeypatch.setenv(f"JEONGGI_{name}", value)
    monkeypatch.setenv("JEONGGI_IMP_SECRET", "s")
    monkeypatch.setenv("JEONGGI_PG", "html5_inicis.MOIonly123")

    settings = load_settings()
    (only,) = settings.channels

    assert (only.name, channel_of(only).pg, channel_of(only).is_test) == ("default", "html5_inicis.MOIonly123", False)
    assert (limits_of(settings, only).charge_runs, limits_of(settings, only).look_runs) == (None, None)
    assert credentials_of(settings, only).imp_key == "k"


def test_without_any_gateway_the_simulators_accounts_are_written_for_us_alone(channels: Channels) -> None:
    channels.set(GATEWAY_URL="")
    channels.file.write_text(SHOP + BOOKS)
    settings = load_settings()

    assert not settings.has_gateway
    for channel in settings.channels:
        write_credentials(channels.secrets, channel, imp_key=channel.name, imp_secret='"quoted"')
    with_gateway = load_settings(gateway_url="http://127.0.0.1:1")
    assert [config.imp_secret for config in gateway_configs(with_gateway).values()] == ['"quoted"'] * 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[channel]\n", "is not TOML in UTF-8"),
        ("", "must hold [[channel]] tables and nothing else, and it holds none"),
        ("channel = 1\n", "must hold [[channel]] tables"),
        ("[channel]\nname = 'shop'\n", "must hold [[channel]] tables"),
        (SHOP + "[extra]\n", "and it holds extra"),
        ('[[channel]]\npg = "html5_inicis.MOIshop123"\n', "channel number 1 has no name"),
        ('[[channel]]\nname = "shop"\n', "channel 'shop' has no pg"),
        (SHOP.replace('"shop"', '"Shop One"'), "has no usable name"),
        (SHOP.replace('"shop"', f'"{"x" * 33}"'), "has no usable name"),
        (SHOP.replace('"shop"', "7"), "has no usable name"),
        (SHOP.replace("html5_inicis.", ""), "has no usable pg"),
        (SHOP + f'imp_key = "{SECRET}"\n', "credentials do not belong into this file"),
        (SHOP + "ratee = 3\n", "is rate meant?"),
        (SHOP + "colour = 3\n", "is nothing a channel has"),
        (SHOP + "rate = 0\n", "has no usable rate"),
        (SHOP + "rate = true\n", "has no usable rate"),
        (SHOP + 'concurrency = "3"\n', "has no usable concurrency"),
        (SHOP + 'test = "yes"\n', "has no usable test: write true or false"),
        (SHOP + f'channel_key = "{"x" * 56}"\n', "has no usable channel_key"),
        (SHOP + 'gateway_url = "http://api.iamport.kr"\n', "sends keys in the clear"),
        (SHOP + 'gateway_url = "api.iamport.kr"\n', "is no address"),
        (SHOP + 'gateway_url = "https://user:password@api.iamport.kr"\n', "is no address"),
        (SHOP + SHOP, "names channel 'shop' twice"),
        (SHOP, "channel 'shop' has no credentials"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_sentence(channels: Channels, text: str, says: str) -> None:
    assert says in channels.refused(text)


def test_a_file_that_cannot_be_read_is_named(channels: Channels) -> None:
    with pytest.raises(Misconfigured, match=r"cannot be read \(no such file or directory\)"):
        load_settings()
    channels.file.write_bytes(b"\xff\xfe")
    with pytest.raises(Misconfigured, match="not TOML in UTF-8"):
        load_settings()


@pytest.mark.parametrize(
    ("text", "mode", "says"),
    [
        (f'imp_key = "{SECRET}"\n', 0o600, "must be TOML with imp_key"),
        (f'imp_key = "{SECRET}"\nimp_secret = 7\n', 0o600, "must be TOML with imp_key"),
        (f'imp_key = "{SECRET}"\nimp_secret = ""\n', 0o600, "must be TOML with imp_key"),
        (f"imp_key = {SECRET}\n", 0o600, "must be TOML with imp_key"),
        (f'imp_key = "{SECRET}"\nimp_secret = "s"\nother = 1\n', 0o600, "and nothing else"),
        (f'imp_key = "{SECRET}"\nimp_secret = "s"\n', 0o640, "chmod 600"),
        (f'imp_key = "{SECRET}"\nimp_secret = "s"\n', 0o604, "chmod 600"),
    ],
)
def test_a_secret_file_that_cannot_be_used_is_refused_and_not_told(
    channels: Channels, text: str, mode: int, says: str
) -> None:
    channels.secret("shop", text, mode)

    assert says in channels.refused(SHOP)


def test_a_folder_of_secrets_that_others_may_change_is_refused(channels: Channels) -> None:
    channels.secret("shop", f'imp_key = "{SECRET}"\nimp_secret = "s"\n')
    channels.secrets.chmod(0o770)

    assert "may be changed by others than its owner" in channels.refused(SHOP)


def test_settings_that_contradict_the_file_are_refused(channels: Channels, monkeypatch: pytest.MonkeyPatch) -> None:
    channels.secret("shop", 'imp_key = "k"\nimp_secret = "s"\n')
    channels.secret("books-2", 'imp_key = "k"\nimp_secret = "s"\n')
    for name, value, says in [
        ("IMP_KEY", SECRET, "JEONGGI_IMP_KEY is set together with JEONGGI_CHANNELS_FILE"),
        ("IMP_CODE", "imp1", "JEONGGI_IMP_CODE is set together with"),
        ("TEST_CHANNEL", "true", "write `test = true`"),
        ("NAMESPACE", "", "JEONGGI_NAMESPACE is required with JEONGGI_CHANNELS_FILE"),
        ("CHARGE_RUNS", "1", "JEONGGI_CHARGE_RUNS is 1, too few for 2 channels"),
        ("PACE_RUNS", "2", "JEONGGI_PACE_RUNS is 2, too few for 2 channels"),
        ("CLOCK", "2026-01-31T00:00:00+09:00@60", "JEONGGI_CLOCK is only for the simulator"),
        ("CHANNEL_SHOP_IMP_KEY", SECRET, "JEONGGI_CHANNEL_SHOP_IMP_SECRET is missing"),
        ("CHANNEL_SHOPS_IMP_KEY", SECRET, "JEONGGI_CHANNEL_SHOPS_IMP_KEY is no channel's (there are shop, books-2)"),
        ("CHARGE_RUN", "4", "did you mean JEONGGI_CHARGE_RUNS"),
    ]:
        with monkeypatch.context() as context:
            context.setenv(f"JEONGGI_{name}", value)
            assert says in channels.refused(SHOP + BOOKS)
    channels.set(GATEWAY_URL="")
    assert "channel 'books-2' has no gateway_url" in channels.refused(
        SHOP + 'gateway_url = "https://api.iamport.kr"\n' + BOOKS
    )


def test_credentials_of_channels_without_a_file_of_channels_are_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JEONGGI_CHANNEL_SHOP_IMP_KEY", SECRET)

    with pytest.raises(Misconfigured, match="JEONGGI_CHANNELS_FILE is not set"):
        gateway_configs(load_settings())
