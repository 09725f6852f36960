"""Which gateway channels has this installation, and is each of them what it should be? All but their credentials.

One channel, ``default``, from the settings; or those of a file, for several accounts and MIDs side by side. The page
``docs/reference/channels.md`` tells what stands in it.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from domain.channel import DEFAULT_CHANNEL, is_channel_name
from domain.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from runtime.settings import Settings

_SIMULATOR_HOST: Final = "simulator"  # the service's name in the compose files

#: Source: PortOne V1 API, ``pg_provider`` and ``pg_id``.
_PG: Final = re.compile(r"[a-z0-9_]{1,16}\.[A-Za-z0-9_-]{1,80}")
#: Source: PortOne V1 API, ``channel_key`` at most 55 characters.
_LONGEST_WORD: Final = 55

_WORDS: Final = frozenset({"name", "pg", "gateway_url", "imp_code", "channel_key"})
_FLAGS: Final = frozenset({"test", "bearer", "refuses_used_merchant_uid", "declined_merchant_uid_reusable"})
_COUNTS: Final = frozenset({"rate", "concurrency"})
KEYS: Final = _WORDS | _FLAGS | _COUNTS

#: What a file says of each channel, and the settings must not say of all.
_OF_THE_FILE: Final = ("imp_key", "imp_secret", "imp_code")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSettings:
    """One channel as it is configured. ``rate`` is charges a second, ``concurrency`` charges in flight, a process.

    ``gateway_url`` None: no channel has one, so that only ``jeonggi up`` starts, with the simulator.
    """

    name: str
    pg: str
    gateway_url: str | None
    test: bool
    rate: int
    concurrency: int
    bearer: bool
    imp_code: str | None = None
    channel_key: str | None = None
    refuses_used_merchant_uid: bool | None = None  # None: not known
    declined_merchant_uid_reusable: bool | None = None

    @property
    def is_simulator(self) -> bool:
        """Whether its address cannot be a real one: loopback, or the compose service ``simulator``."""
        return self.gateway_url is None or _is_simulator(self.gateway_url)

    @property
    def is_live(self) -> bool:
        """Whether real money moves behind its address."""
        return not self.test and not self.is_simulator


def channels_of(settings: Settings) -> Sequence[ChannelSettings]:
    """Every channel, in the order in which they are told; at least one.

    Raises:
        Misconfigured: One sentence that names the file or variable, the channel, and the mend.
    """
    if settings.channels_file is None:
        return [_the_only(settings)]
    for name in _OF_THE_FILE:
        if getattr(settings, name) is not None:
            raise Misconfigured(
                f"JEONGGI_{name.upper()} is set together with JEONGGI_CHANNELS_FILE: say it of each channel"
                " (docs/reference/channels.md), and unset it."
            )
    if settings.test_channel:
        raise Misconfigured(
            "JEONGGI_TEST_CHANNEL is set together with JEONGGI_CHANNELS_FILE: write `test = true` to the channels that"
            " move no real money, and unset it."
        )
    found = [_Told(settings, number, told).channel() for number, told in enumerate(_tables(settings.channels_file), 1)]
    for index, channel in enumerate(found):
        if channel.name in {other.name for other in found[:index]}:
            raise Misconfigured(f"{settings.channels_file} names channel {channel.name!r} twice: give each its own.")
    without = [channel.name for channel in found if channel.gateway_url is None]
    if without and len(without) < len(found):
        raise Misconfigured(
            f"{settings.channels_file}: channel {without[0]!r} has no gateway_url: write it there, or set"
            " JEONGGI_GATEWAY_URL for all."
        )
    return found


def check_channels(settings: Settings) -> None:
    """Refuse channels that cannot be used, or lack what all of them need; credentials are read by who uses them.

    Raises:
        Misconfigured: The same as ``channels_of``, and what they need of the settings.
    """
    channels = channels_of(settings)
    if settings.channels_file is None:
        needed = ("namespace", "imp_key", "imp_secret") if settings.gateway_url is not None else ()
        for name in needed:
            if getattr(settings, name) is None:
                raise Misconfigured(f"JEONGGI_{name.upper()} is required with JEONGGI_GATEWAY_URL: set it.")
        return
    if settings.namespace is None and settings.has_gateway:
        raise Misconfigured("JEONGGI_NAMESPACE is required with JEONGGI_CHANNELS_FILE: set it.")
    count = len(channels)
    for name, room, least in (("CHARGE", settings.charge_runs, count), ("PACE", settings.pace_runs, count + 1)):
        if count > 1 and room < least:
            raise Misconfigured(
                f"JEONGGI_{name}_RUNS is {room}, too few for {count} channels: let the workers of the queue"
                f" {name.lower()} have room for {least} runs at least, and set it to what they have."
            )


def _the_only(settings: Settings) -> ChannelSettings:
    if settings.gateway_url is not None:
        _check_address("JEONGGI_GATEWAY_URL", settings.gateway_url)
    return ChannelSettings(
        name=DEFAULT_CHANNEL,
        pg=settings.pg,
        gateway_url=settings.gateway_url,
        test=settings.test_channel,
        rate=settings.gateway_rate,
        concurrency=settings.gateway_concurrency,
        bearer=settings.gateway_bearer,
        imp_code=settings.imp_code,
    )


def _tables(file: Path) -> Sequence[Mapping[str, Any]]:
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise Misconfigured(
            f"JEONGGI_CHANNELS_FILE names {file}, which cannot be read ({(error.strerror or 'no such file').lower()}):"
            " correct the path, or unset it for the one channel of the settings."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{file} is not TOML in UTF-8: {error}; correct it there.") from None
    tables = document.get("channel")
    others = sorted(document.keys() - {"channel"})
    is_list = isinstance(tables, list) and tables and all(isinstance(table, dict) for table in tables)
    if not is_list or not isinstance(tables, list) or others:
        found = f"it holds {', '.join(others)}" if others else "it holds none"
        raise Misconfigured(f"{file} must hold [[channel]] tables and nothing else, and {found}: correct it.")
    return tables


class _Told:
    """One table of the file, checked key by key."""

    def __init__(self, settings: Settings, number: int, told: Mapping[str, Any]) -> None:
        self._settings = settings
        self._told = told
        name = told.get("name")
        self._who = f"{settings.channels_file}: channel {repr(name) if name else f'number {number}'}"

    def channel(self) -> ChannelSettings:
        told, settings = self._told, self._settings
        self._check_keys()
        name = self._required("name", "shop-live")
        if not is_channel_name(name):
            raise Misconfigured(
                f"{self._who} has no usable name: give at most 32 lower-case letters, digits and single hyphens."
            )
        pg = self._required("pg", "html5_inicis.MOI1234567")
        if not _PG.fullmatch(pg):
            raise Misconfigured(
                f"{self._who} has no usable pg: give provider and MID, such as html5_inicis.MOI1234567."
            )
        url = told.get("gateway_url", settings.gateway_url)
        if url is not None:
            _check_address(f"{self._who}: gateway_url", url)
        return ChannelSettings(
            name=name,
            pg=pg,
            gateway_url=url,
            test=told.get("test", False),
            rate=told.get("rate", settings.gateway_rate),
            concurrency=told.get("concurrency", settings.gateway_concurrency),
            bearer=told.get("bearer", settings.gateway_bearer),
            imp_code=told.get("imp_code"),
            channel_key=told.get("channel_key"),
            refuses_used_merchant_uid=told.get("refuses_used_merchant_uid"),
            declined_merchant_uid_reusable=told.get("declined_merchant_uid_reusable"),
        )

    def _required(self, key: str, such_as: str) -> str:
        value = self._told.get(key)
        if not value:
            raise Misconfigured(f"{self._who} has no {key}: write one, such as {key} = {such_as!r}.")
        return str(value)

    def _check_keys(self) -> None:
        for key, value in self._told.items():
            if key in {"imp_key", "imp_secret"}:
                raise Misconfigured(
                    f"{self._who} holds {key}: credentials do not belong into this file; take it out, and see"
                    " docs/reference/channels.md for where they stand."
                )
            if key not in KEYS:
                near = difflib.get_close_matches(key, KEYS, n=1)
                mend = f"is {near[0]} meant?" if near else f"there are {', '.join(sorted(KEYS))}."
                raise Misconfigured(f"{self._who} holds {key!r}, which is nothing a channel has: {mend}")
            if key in _WORDS and not (isinstance(value, str) and 1 <= len(value) <= self._longest(key)):
                raise Misconfigured(f"{self._who} has no usable {key}: write 1 to {self._longest(key)} characters.")
            if key in _FLAGS and not isinstance(value, bool):
                raise Misconfigured(f"{self._who} has no usable {key}: write true or false.")
            if key in _COUNTS and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
                raise Misconfigured(f"{self._who} has no usable {key}: write a whole number of at least 1.")

    @staticmethod
    def _longest(key: str) -> int:
        return 200 if key in {"gateway_url", "pg"} else _LONGEST_WORD


def _check_address(what: str, url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise Misconfigured(f"{what} is no address of an API: give one such as https://api.iamport.kr.")
    if parts.scheme == "http" and not _is_simulator(url):
        raise Misconfigured(f"{what} sends keys in the clear: let it begin with https://.")


def _is_simulator(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    if host in {"localhost", _SIMULATOR_HOST}:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
