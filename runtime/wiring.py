"""The real things, built once a process: database, gateway, limits. The only module that names the gateway's client."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from billing.ports import Brakes, Channel, Limits, Ports
from billing.windows import give_first_windows
from domain.breaker import BreakerTerms
from domain.envelope import EnvelopeTerms, Volume
from domain.errors import BadInput, Misconfigured
from domain.evidence import Patience
from gateway.config import GatewayConfig
from gateway.iamport import IamportGateway
from models.migrate import is_at_head
from models.queries import installation
from models.session import Database
from runtime.clock import boottime
from runtime.credentials import credentials_of, refuse_nobodys_variables
from runtime.embedded.state_dir import ServerUrls, running_servers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.channels import ChannelSettings
    from runtime.settings import Settings

#: Who an installation is that charges nobody but the simulator.
DEMO_NAMESPACE: Final = "demo"


def server_urls(settings: Settings) -> ServerUrls:
    """Where the database and the broker are.

    Raises:
        Misconfigured: None are set, and no embedded ones run.
    """
    if settings.database_url is not None and settings.redis_url is not None:
        return ServerUrls(
            database_url=settings.database_url.get_secret_value(), redis_url=settings.redis_url.get_secret_value()
        )
    running = running_servers(settings.state_dir)
    if running is None:
        raise Misconfigured(
            f"no database is set and none runs in {settings.state_dir}: start `jeonggi up` there, or set"
            " JEONGGI_DATABASE_URL and JEONGGI_REDIS_URL"
        )
    return running


def open_database(settings: Settings) -> Database:
    """The database, reached and of the newest schema, and ours.

    Raises:
        Misconfigured: It does not answer, is behind, or belongs to another installation.
    """
    url = server_urls(settings).database_url
    database = Database(url)
    try:
        database.check()
        _require_newest_schema(url)
        with database.transaction() as tx:
            if settings.namespace is not None:
                installation.own_namespace(tx, settings.namespace)
            installation.know_channels(tx, [channel.name for channel in settings.channels])
            give_first_windows(tx, [channel.name for channel in settings.channels if channel.is_live])
    except BaseException:
        database.close()
        raise
    return database


def _require_newest_schema(url: str) -> None:
    if not is_at_head(url):
        raise Misconfigured("the database is not at the newest schema: run `jeonggi migrate`")


def open_ports(settings: Settings, channel: str | None = None) -> Ports:
    """Everything that a use case needs for one channel; None: for the only one there is.

    Raises:
        BadInput: There is no such channel, or there are several.
        Misconfigured: No gateway is set, or the database is not usable.
    """
    name = chosen_channel(settings, channel)
    return open_channels(settings, name)[name]


def open_channels(settings: Settings, *names: str) -> Mapping[str, Ports]:
    """The same for the channels of these names, or for all, by name, on one database.

    A gateway is not spoken to before it is asked something.

    Raises:
        Misconfigured: No gateway is set, or the database is not usable.
    """
    configs = gateway_configs(settings, *names)
    database = open_database(settings)
    try:
        namespace = namespace_of(database)
    except BaseException:
        database.close()
        raise
    return {
        channel.name: Ports(
            channel=channel_of(channel),
            database=database,
            gateway=IamportGateway(configs[channel.name]),
            limits=limits_of(settings, channel),
            namespace=namespace,
            boottime=boottime,
        )
        for channel in settings.channels
        if channel.name in configs
    }


def chosen_channel(settings: Settings, name: str | None) -> str:
    """The channel that somebody named; None: the only one there is.

    Raises:
        BadInput: There is no such channel, or there are several.
    """
    names = [channel.name for channel in settings.channels]
    if name is None and len(names) > 1:
        raise BadInput(f"there are several channels: name one of {', '.join(names)}")
    if name is not None and name not in names:
        raise BadInput(f"there is no channel {name!r}; there are {', '.join(names)}")
    return name or names[0]


def channel_of(channel: ChannelSettings) -> Channel:
    """What is known of a channel."""
    return Channel(
        name=channel.name,
        pg=channel.pg,
        is_test=not channel.is_live,
        imp_code=channel.imp_code or "",
        channel_key=channel.channel_key or "",
        refuses_used_merchant_uid=channel.refuses_used_merchant_uid,
        declined_merchant_uid_reusable=channel.declined_merchant_uid_reusable,
    )


def namespace_of(database: Database) -> str:
    """Whose ids are made: what the database was given when it was new.

    Raises:
        Misconfigured: It was given none yet.
    """
    with database.reading() as tx:
        namespace = installation.namespace(tx)
    if namespace is None:
        raise Misconfigured(
            "this database belongs to no installation yet: set JEONGGI_NAMESPACE to the name of yours, such as"
            " shop-live"
        )
    return namespace


def limits_of(settings: Settings, channel: ChannelSettings) -> Limits:
    """The limits of a channel's charge run, from settings whose order was checked."""
    count = len(settings.channels)
    run = settings.send_window_seconds + settings.gateway_total_timeout_seconds + settings.recording_seconds
    return Limits(
        rate=channel.rate,
        concurrency=channel.concurrency,
        # The only channel may have all of them. Of the runs that ask, one stays free for the tick.
        charge_runs=settings.charge_runs // count if count > 1 else None,
        look_runs=(settings.pace_runs - 1) // count if count > 1 else None,
        turn_seconds=settings.hard_limit_seconds,
        claim_size=settings.claim_size,
        group_size=settings.group_size,
        group_seconds=settings.group_seconds,
        send_window_seconds=settings.send_window_seconds,
        token_guard_seconds=settings.token_guard_seconds,
        lease_seconds=settings.lease_seconds,
        run_seconds=settings.soft_limit_seconds - run,
        resend_pause_seconds=2 * settings.tick_seconds,
        clearance_seconds=settings.lease_seconds,
        operator_deadline=timedelta(seconds=settings.operator_deadline_seconds),
        patience=Patience(
            settling=timedelta(seconds=settings.settling_seconds),
            longest_processing=timedelta(seconds=settings.longest_processing_seconds),
        ),
        max_behind=settings.max_periods_behind,
        brakes=brakes_of(settings),
        # A tick, which lasts half of that, asks once at least.
        usage_timeout_seconds=min(settings.usage_timeout_seconds, settings.soft_limit_seconds / 4),
        hint_look_ups_a_minute=settings.hook_look_ups_a_minute,
        hint_retention=timedelta(days=settings.hook_retention_days),
    )


def brakes_of(settings: Settings) -> Brakes:
    """What stops a channel by itself."""
    return Brakes(
        breaker=BreakerTerms(
            trouble_run=settings.breaker_run,
            merchant_run=settings.breaker_merchant_run,
            pause=timedelta(seconds=settings.breaker_pause_seconds),
            longest_pause=timedelta(seconds=settings.breaker_longest_pause_seconds),
        ),
        envelope=EnvelopeTerms(
            factor=settings.envelope_factor,
            floor=Volume(charges=settings.envelope_floor_charges, won=settings.envelope_floor_won),
        ),
        zone_name=settings.timezone.key,
    )


def gateway_configs(settings: Settings, *names: str) -> Mapping[str, GatewayConfig]:
    """How the gateways of these channels, or of all, are spoken to, and as whom.

    Raises:
        Misconfigured: No gateway is set, or a channel's credentials cannot be used.
    """
    refuse_nobodys_variables(settings)
    chosen = [channel for channel in settings.channels if not names or channel.name in names]
    return {channel.name: _gateway_config(settings, channel) for channel in chosen}


def _gateway_config(settings: Settings, channel: ChannelSettings) -> GatewayConfig:
    credentials = credentials_of(settings, channel)
    return GatewayConfig(
        base_url=str(channel.gateway_url),
        imp_key=credentials.imp_key,
        imp_secret=credentials.imp_secret,
        bearer=channel.bearer,
        is_test=not channel.is_live,
        takes_card_numbers=settings.takes_card_numbers,
        concurrency=channel.concurrency,
        pool_timeout_seconds=settings.gateway_pool_timeout_seconds,
        connect_timeout_seconds=settings.gateway_connect_timeout_seconds,
        write_timeout_seconds=settings.gateway_write_timeout_seconds,
        read_timeout_seconds=settings.gateway_read_timeout_seconds,
        total_timeout_seconds=settings.gateway_total_timeout_seconds,
        lookup_read_timeout_seconds=settings.gateway_lookup_read_timeout_seconds,
        token_last_seconds=settings.token_last_seconds,
        # The gateway tells whole seconds: room for one at least, on both sides of a token's last minute.
        token_margin_seconds=max(1, settings.token_last_seconds / 6),
        token_min_life_seconds=settings.token_guard_seconds,
    )
