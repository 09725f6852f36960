"""The real things, built once a process: database, gateway, limits. The only module that names the gateway's client."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from billing.ports import Channel, Limits, Ports
from domain.channel import DEFAULT_CHANNEL
from domain.errors import Misconfigured
from domain.evidence import Patience
from gateway.config import GatewayConfig
from gateway.iamport import IamportGateway
from models.migrate import is_at_head
from models.queries import installation
from models.session import Database
from runtime.clock import boottime
from runtime.embedded.state_dir import ServerUrls, running_servers

if TYPE_CHECKING:
    from collections.abc import Mapping

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
        if settings.namespace is not None:
            with database.transaction() as tx:
                installation.own_namespace(tx, settings.namespace)
    except BaseException:
        database.close()
        raise
    return database


def _require_newest_schema(url: str) -> None:
    if not is_at_head(url):
        raise Misconfigured("the database is not at the newest schema: run `jeonggi migrate`")


def open_ports(settings: Settings, channel: str = DEFAULT_CHANNEL) -> Ports:
    """Everything that a use case needs for one channel.

    Raises:
        Misconfigured: No gateway is set, there is no such channel, or the database is not usable.
    """
    return open_channels(settings)[channel]


def open_channels(settings: Settings) -> Mapping[str, Ports]:
    """The same for every channel, by name, on one database. A gateway is not spoken to before it is asked something.

    Raises:
        Misconfigured: No gateway is set, or the database is not usable.
    """
    config = gateway_config(settings)
    database = open_database(settings)
    try:
        namespace = namespace_of(database)
        with database.transaction() as tx:
            installation.know_channels(tx, [DEFAULT_CHANNEL])
    except BaseException:
        database.close()
        raise
    return {
        DEFAULT_CHANNEL: Ports(
            channel=channel_of(settings),
            database=database,
            gateway=IamportGateway(config),
            limits=limits_of(settings),
            namespace=namespace,
            boottime=boottime,
        )
    }


def channel_of(settings: Settings) -> Channel:
    """What is known of a channel."""
    return Channel(name=DEFAULT_CHANNEL, pg=settings.pg, is_test=not settings.channel_is_live)


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


def limits_of(settings: Settings) -> Limits:
    """The limits of a charge run, from settings whose order was checked."""
    run = settings.send_window_seconds + settings.gateway_total_timeout_seconds + settings.recording_seconds
    return Limits(
        rate=settings.gateway_rate,
        concurrency=settings.gateway_concurrency,
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
        hint_look_ups_a_minute=settings.hook_look_ups_a_minute,
        hint_retention=timedelta(days=settings.hook_retention_days),
    )


def gateway_config(settings: Settings) -> GatewayConfig:
    """How the gateway is spoken to.

    Raises:
        Misconfigured: No gateway is set.
    """
    if settings.gateway_url is None or settings.imp_key is None or settings.imp_secret is None:
        raise Misconfigured(
            "JEONGGI_GATEWAY_URL is not set, and there is no default, so that nothing reaches real money by accident:"
            " set it with JEONGGI_IMP_KEY and JEONGGI_IMP_SECRET, or run `jeonggi up`, which brings a simulator"
        )
    return GatewayConfig(
        base_url=settings.gateway_url,
        imp_key=settings.imp_key.get_secret_value(),
        imp_secret=settings.imp_secret.get_secret_value(),
        bearer=settings.gateway_bearer,
        is_test=not settings.channel_is_live,
        takes_card_numbers=settings.takes_card_numbers,
        concurrency=settings.gateway_concurrency,
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
