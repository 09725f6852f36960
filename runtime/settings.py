"""What was this process told by its environment? The only module that reads it.

Every variable has the prefix ``JEONGGI_``; an empty one counts as unset. ``docs/reference/settings.md`` is printed
from the descriptions here.
"""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from domain.errors import Misconfigured
from domain.time_limits import (
    SCALED_FOR_SIMULATOR,
    SIMULATOR_TOKEN_EXTENSION_SECONDS,
    TimeLimits,
    check_floors_of_a_live_channel,
    check_time_limits,
)
from runtime.channels import channels_of, check_channels
from runtime.setting_values import read_clock, read_networks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.channels import ChannelSettings
    from runtime.setting_values import ClockSetting, Network

PREFIX = "JEONGGI_"
#: What follows is a channel's name and what of it: variables of channels are read by ``runtime.credentials``.
CHANNEL_PREFIX = f"{PREFIX}CHANNEL_"

_NAMESPACE = re.compile(r"[a-z0-9-]{1,40}")
_DEFAULTS = TimeLimits()

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Port = Annotated[int, Field(ge=1, le=65535)]


class Settings(BaseSettings):
    """All settings of every process; frozen. Lengths are seconds of real time."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, env_ignore_empty=True, extra="forbid", hide_input_in_errors=True
    )

    database_url: SecretStr | None = Field(
        None, description="PostgreSQL, `postgresql://user:password@host:port/name`. Unset together with"
        " JEONGGI_REDIS_URL: `jeonggi up` starts both servers itself in JEONGGI_STATE_DIR."
    )  # fmt: skip
    redis_url: SecretStr | None = Field(
        None, description="Redis or Valkey for the doorbells, `redis://:password@host:port/0`. It may be flushed at any"
        " time; nothing is lost with it."
    )  # fmt: skip
    gateway_url: str | None = Field(
        None, description="The gateway's API, `https://api.iamport.kr`. No default, so that no process ever charges by"
        " accident: unset, only `jeonggi up` starts, with the simulator."
    )  # fmt: skip
    namespace: str | None = Field(
        None, description="The installation's name inside every `merchant_uid`: 1 to 40 lower-case letters, digits and"
        " hyphens. Staging and production must differ; it never changes. Required with JEONGGI_GATEWAY_URL."
    )  # fmt: skip
    test_channel: bool = Field(
        default=False, description="The gateway account moves no real money; time limits may go below the live floors."
    )
    takes_card_numbers: bool = Field(
        default=False, description="Let card numbers pass to the gateway, for one-off charges and for issuing billing"
        " keys without the payment window. They are kept nowhere; whoever sets this handles card data."
    )  # fmt: skip
    imp_key: SecretStr | None = Field(
        None, description="The gateway's REST API key. Required with JEONGGI_GATEWAY_URL."
    )
    imp_secret: SecretStr | None = Field(
        None, description="The gateway's REST API secret. Required with JEONGGI_GATEWAY_URL."
    )
    imp_code: str | None = Field(
        None, description="The merchant code (`imp` and digits) that card forms use; `jeonggi channel show` tells it."
    )
    pg: str = Field("html5_inicis.INIBillTst", description="PG and MID of the channel, `pg_provider.pg_id`.")
    channels_file: Path | None = Field(
        None, description="Several accounts or MIDs side by side: a TOML file with a `[[channel]]` each"
        " ([channels](channels.md)). Unset: the one channel `default`, of the settings here."
    )  # fmt: skip
    secrets_dir: Path | None = Field(
        None, description="A folder with a file `NAME.toml` of credentials for each channel of JEONGGI_CHANNELS_FILE"
        " that has none in the environment."
    )  # fmt: skip
    charge_runs: Count = Field(
        4, description="Runs that all your workers of the queue `charge` have room for, their `--concurrency` added"
        " up. With several channels each gets its share of them, so that one that hangs does not take them all."
    )  # fmt: skip
    pace_runs: Count = Field(
        4, description="The same for the queue `pace`: ticks, and runs that ask the gateway. More than there are"
        " channels, for the tick needs one, too."
    )  # fmt: skip
    timezone: ZoneInfo = Field(ZoneInfo("Asia/Seoul"), description="The zone of civil dates, an IANA name.")
    state_dir: Path = Field(Path(".jeonggi"), description="The folder of embedded servers, their data and the logs.")
    clock: str | None = Field(
        None, description="A mapped clock, for the simulator only: `ORIGIN@RATE` (whole simulated seconds a real"
        " second) or `ORIGIN@step` (jumps to the next due instant once idle), ORIGIN an ISO instant with offset, as in"
        " `2026-01-31T00:00:00+09:00@86400`. Unset: real time."
    )  # fmt: skip

    gateway_bearer: bool = Field(
        default=True, description="Send the access token as `Bearer TOKEN`; false sends the bare token."
    )
    gateway_rate: Count = Field(20, description="Charges a second that the channel takes, over all workers.")
    gateway_concurrency: Count = Field(200, description="Charges that one process keeps in flight at most.")
    gateway_pool_timeout_seconds: Seconds = Field(
        _DEFAULTS.gateway_pool_timeout_seconds, description="Wait for a free connection."
    )
    gateway_connect_timeout_seconds: Seconds = Field(
        _DEFAULTS.gateway_connect_timeout_seconds, description="Wait for a new connection."
    )
    gateway_write_timeout_seconds: Seconds = Field(
        _DEFAULTS.gateway_write_timeout_seconds,
        description="Wait for the request to be written. The transport in use"
        " knows no such limit of its own: the total one ends it.",
    )
    gateway_read_timeout_seconds: Seconds = Field(
        _DEFAULTS.gateway_read_timeout_seconds, description="Wait for the answer to a charge; each one that comes"
        " later is an unknown. Live floor: 60."
    )  # fmt: skip
    gateway_total_timeout_seconds: Seconds = Field(
        _DEFAULTS.gateway_total_timeout_seconds, description="One charge from its start to its answer, by our own"
        " watch. Live floor: 70."
    )  # fmt: skip
    gateway_lookup_read_timeout_seconds: Seconds = Field(
        _DEFAULTS.gateway_lookup_read_timeout_seconds, description="Wait for the answer to a look-up."
    )
    send_window_seconds: Seconds = Field(
        _DEFAULTS.send_window_seconds, description="After a claim, no request starts later than this."
    )
    recording_seconds: Seconds = Field(_DEFAULTS.recording_seconds, description="Allowance for recording outcomes.")
    soft_limit_seconds: Seconds = Field(
        _DEFAULTS.soft_limit_seconds, description="A charge run is asked to end after this long."
    )
    hard_limit_seconds: Seconds = Field(
        _DEFAULTS.hard_limit_seconds, description="A charge run's process is killed after this long."
    )
    lease_seconds: Seconds = Field(
        _DEFAULTS.lease_seconds,
        description="An attempt that nobody reported for so long is looked up. Live floor: 150.",
    )
    token_life_seconds: Seconds = Field(
        _DEFAULTS.token_life_seconds, description="An access token's longest life: 30 minutes and the 5 of an"
        " extension. Live floor: 2100."
    )  # fmt: skip
    token_last_seconds: Seconds = Field(
        _DEFAULTS.token_last_seconds, description="Asking for a token so shortly before the end of the known one"
        " extends it; it is not asked for then."
    )  # fmt: skip
    token_guard_seconds: Seconds = Field(
        _DEFAULTS.token_guard_seconds, description="A token with less left is not used for a new claim."
    )
    longest_processing_seconds: Seconds = Field(
        _DEFAULTS.longest_processing_seconds, description="The longest that the gateway may take for a request that it"
        " has received. Live floor: 600."
    )  # fmt: skip
    settling_seconds: Seconds = Field(
        _DEFAULTS.settling_seconds, description="How long absence at the gateway must hold before it counts. Live"
        " floor: 2700."
    )  # fmt: skip
    operator_deadline_seconds: Seconds = Field(
        _DEFAULTS.operator_deadline_seconds, description="An unknown older than this goes before an operator."
    )
    tick_seconds: Seconds = Field(_DEFAULTS.tick_seconds, description="The pace of beat.")
    claim_size: Count = Field(500, description="Invoices that one claim takes at most.")
    group_seconds: Seconds = Field(0.05, description="Outcomes are recorded in groups: the wait for one to fill.")
    group_size: Count = Field(200, description="Outcomes that one group holds at most.")
    max_periods_behind: Count = Field(
        120, description="Past periods of one subscription that catching up opens at most, before a person is asked."
    )
    usage_timeout_seconds: Seconds = Field(
        10, description="Your own code may take so long to tell [what a period used](usage.md), and a quarter of"
        " JEONGGI_SOFT_LIMIT_SECONDS at most; what overruns counts as failed, and is asked again."
    )  # fmt: skip
    breaker_run: Count = Field(
        5, description="So many charges in trouble in a row (no answer, 5xx, no connection) open a channel's breaker"
        " ([brakes](brakes.md))."
    )  # fmt: skip
    breaker_merchant_run: Count = Field(
        3, description="So many charges in a row that are declined for your own account halt the channel."
    )
    breaker_pause_seconds: Seconds = Field(
        30, description="From the breaker's opening to its probe of one charge; each probe that fails doubles it."
    )
    breaker_longest_pause_seconds: Seconds = Field(1800, description="And this is the longest.")
    envelope_factor: Annotated[float, Field(ge=1, allow_inf_nan=False)] = Field(
        2.0, description="So many times its forecast, in charges and in won, a channel may charge on one civil day;"
        " more stops it and asks a person."
    )  # fmt: skip
    envelope_floor_charges: Count = Field(100, description="And so many charges on top of that.")
    envelope_floor_won: Count = Field(5_000_000, description="And so many won on top of that.")
    web_host: str = Field("127.0.0.1", description="The address on which `jeonggi web` takes the gateway's hooks.")
    web_port: Annotated[int, Field(ge=0, le=65535)] = Field(
        8470, description="Its port; 0 takes a free one. Under `jeonggi up` another one if this is taken."
    )
    hook_sources: str = Field(
        "", description="Addresses and networks from which hooks are taken, separated by commas; empty: from anywhere."
        " A filter, no proof: what a hook says never counts."
    )  # fmt: skip
    trusted_proxies: str = Field(
        "", description="Addresses and networks of your own proxies, separated by commas: only what they say in"
        " `X-Forwarded-For` is believed."
    )  # fmt: skip
    hook_rate: Count = Field(
        100, description="Hooks a second that are taken from one address, and four times as many from all; more are"
        " answered with 429."
    )  # fmt: skip
    hook_look_ups_a_minute: Count = Field(
        300, description="Hooks a minute that are followed by asking the gateway; the others wait."
    )
    hook_retention_days: Count = Field(30, description="For so many days hooks are kept.")
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="`auto`: columns on a terminal, JSON elsewhere."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="The least level that is told.")
    flower_port: Port = Field(5555, description="Flower's port on 127.0.0.1 under `jeonggi up`.")
    flower_user: str = Field("jeonggi", description="Flower's user under `jeonggi up`.")
    flower_password: SecretStr | None = Field(
        None, description="Flower's password under `jeonggi up`; unset, one is made and kept in JEONGGI_STATE_DIR."
    )

    @property
    def time_limits(self) -> TimeLimits:
        """The lengths that must stand in order, in seconds."""
        return TimeLimits(**{field.name: getattr(self, field.name) for field in fields(TimeLimits)})

    @property
    def hook_networks(self) -> Sequence[Network]:
        """Where hooks may come from; empty: anywhere."""
        return read_networks(f"{PREFIX}HOOK_SOURCES", self.hook_sources)

    @property
    def proxy_networks(self) -> Sequence[Network]:
        """Where our own proxies are."""
        return read_networks(f"{PREFIX}TRUSTED_PROXIES", self.trusted_proxies)

    @property
    def clock_setting(self) -> ClockSetting | None:
        """The mapped clock, or None for real time."""
        return None if self.clock is None else read_clock(f"{PREFIX}CLOCK", self.clock)

    @property
    def channels(self) -> Sequence[ChannelSettings]:
        """Every channel, at least one."""
        return channels_of(self)

    @property
    def has_gateway(self) -> bool:
        """Whether a gateway is set; without one `jeonggi up` brings the simulator."""
        return all(channel.gateway_url is not None for channel in self.channels)

    @property
    def gateway_is_simulator(self) -> bool:
        """Whether no channel's address can be a real one."""
        return all(channel.is_simulator for channel in self.channels)

    @property
    def channel_is_live(self) -> bool:
        """Whether real money moves behind any channel's address."""
        return any(channel.is_live for channel in self.channels)


def load_settings(**overrides: object) -> Settings:
    """Read and check the environment; ``overrides`` (field names) win over it.

    Raises:
        Misconfigured: One sentence that names the variable and the mend, and never its value.
    """
    try:
        settings = Settings(**overrides)  # type: ignore[arg-type]  # pydantic checks them
    except ValidationError as broken:
        first = broken.errors(include_input=False, include_context=False, include_url=False)[0]
        # Not chained: the cause would carry the values, secrets among them, into every traceback.
        raise Misconfigured(_told(str(first["loc"][0]), first["msg"])) from None
    _refuse_misspelt(os.environ)
    _check_servers(settings)
    _check_gateway(settings)
    _check_clock(settings)
    _ = settings.hook_networks, settings.proxy_networks  # refused here, not at the first hook
    check_time_limits(settings.time_limits)
    if settings.channel_is_live:
        check_floors_of_a_live_channel(settings.time_limits)
    return settings


def exported(limits: TimeLimits) -> dict[str, str]:
    """The environment variables that tell a child process these time limits."""
    return {PREFIX + field.name.upper(): f"{getattr(limits, field.name):g}" for field in fields(TimeLimits)}


def simulator_flags() -> list[str]:
    """The options that start the simulator with the tokens that ``SCALED_FOR_SIMULATOR`` reckons with."""
    limits, extension = SCALED_FOR_SIMULATOR, SIMULATOR_TOKEN_EXTENSION_SECONDS
    return [
        *("--token-life-seconds", f"{limits.token_life_seconds - extension:g}"),
        *("--token-extension-seconds", f"{extension:g}"),
        *("--token-last-seconds", f"{limits.token_last_seconds:g}"),
    ]


def inherited_environment(**changes: str) -> dict[str, str]:
    """This process's environment for a child, with ``changes`` (whole variable names) on top."""
    return {**os.environ, **changes}


def channel_variables() -> dict[str, str]:
    """The variables of single channels, by name."""
    return {name: value for name, value in os.environ.items() if name.startswith(CHANNEL_PREFIX)}


def _told(field_name: str, message: str) -> str:
    field = Settings.model_fields.get(field_name)
    if field is None:
        return f"{field_name} is no setting: see docs/reference/settings.md for those that are."
    return (
        f"{PREFIX}{field_name.upper()} cannot be used, {message[:1].lower()}{message[1:]}:"
        f" correct it, or unset it for its default ({reference_default(field_name)})."
    )


def reference_default(field_name: str) -> str:
    """A setting's default as the reference prints it."""
    default = Settings.model_fields[field_name].default
    if default is None:
        return "unset"
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:g}" if isinstance(default, float) else str(default)


def _refuse_misspelt(environment: os._Environ[str]) -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    for name in sorted(environment):
        if not name.startswith(PREFIX) or name in known or name.startswith(CHANNEL_PREFIX):
            continue
        # Only near misses: platforms put variables of their own there (a Kubernetes service of our name does).
        if near := difflib.get_close_matches(name, known, n=1, cutoff=0.9):
            raise Misconfigured(f"{name} is no setting: did you mean {near[0]}? Rename it, or unset it.")


def _check_servers(settings: Settings) -> None:
    if (settings.database_url is None) != (settings.redis_url is None):
        given, missing = "DATABASE_URL", "REDIS_URL"
        if settings.database_url is None:
            given, missing = missing, given
        raise Misconfigured(
            f"{PREFIX}{given} is set without {PREFIX}{missing}: set both for your own servers, or neither for embedded"
            " ones."
        )
    for name, url, schemes in (
        ("DATABASE_URL", settings.database_url, ("postgresql", "postgresql+psycopg")),
        ("REDIS_URL", settings.redis_url, ("redis", "rediss")),
    ):
        if url is not None and (urlsplit(url.get_secret_value()).scheme not in schemes):
            raise Misconfigured(f"{PREFIX}{name} is no such address: let it begin with {schemes[0]}://.")


def _check_gateway(settings: Settings) -> None:
    if settings.namespace is not None and not _NAMESPACE.fullmatch(settings.namespace):
        raise Misconfigured(
            f"{PREFIX}NAMESPACE cannot be used: give 1 to 40 lower-case letters, digits and hyphens, such as shop-live."
        )
    check_channels(settings)


def _check_clock(settings: Settings) -> None:
    if settings.clock_setting is not None and not settings.gateway_is_simulator:
        raise Misconfigured(
            f"{PREFIX}CLOCK is only for the simulator: unset it, or point {PREFIX}GATEWAY_URL, and every channel's"
            " gateway_url, at a loopback address."
        )
