"""What does a command work with: settings, the database, and ports that reach no gateway unless asked to."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn, cast

from billing.ports import Ports
from domain.errors import Misconfigured
from runtime.clock import boottime
from runtime.settings import load_settings
from runtime.wiring import channel_of, chosen_channel, limits_of, namespace_of, open_channels, open_database

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gateway.port import Gateway
    from models.session import Database
    from runtime.settings import Settings


class _NoGateway:
    """Stands where a gateway would: a person's commands write rows, and workers speak to the gateway."""

    def __getattr__(self, name: str) -> NoReturn:
        raise Misconfigured(f"this command does not speak to the gateway ({name})")


@contextmanager
def opened_database() -> Iterator[tuple[Settings, Database]]:
    """Settings and the database, closed at the end."""
    settings = load_settings()
    database = open_database(settings)
    try:
        yield settings, database
    finally:
        database.close()


@contextmanager
def opened_ports(channel: str | None = None) -> Iterator[tuple[Settings, Ports]]:
    """Settings and ports without a gateway, closed at the end; of any channel unless one is named."""
    with opened_database() as (settings, database):
        names = [each.name for each in settings.channels]
        chosen = settings.channels[names.index(chosen_channel(settings, channel or names[0]))]
        yield (
            settings,
            Ports(
                channel=channel_of(chosen),
                database=database,
                gateway=cast("Gateway", _NoGateway()),
                limits=limits_of(settings, chosen),
                namespace=namespace_of(database),
                boottime=boottime,
            ),
        )


@contextmanager
def opened_channels(*names: str) -> Iterator[tuple[Settings, Mapping[str, Ports]]]:
    """Settings and the ports of the channels of these names, or of all, closed at the end.

    Raises:
        BadInput: There is no such channel.
    """
    settings = load_settings()
    for name in names:
        chosen_channel(settings, name)
    channels = open_channels(settings, *names)
    try:
        yield settings, channels
    finally:
        for ports in channels.values():
            ports.gateway.close()
        next(iter(channels.values())).database.close()


@contextmanager
def opened_ports_with_gateway(channel: str | None = None) -> Iterator[tuple[Settings, Ports]]:
    """Settings and the ports of one channel, closed at the end; None: of the only one.

    Raises:
        BadInput: There is no such channel, or there are several.
    """
    with opened_channels(chosen_channel(load_settings(), channel)) as (settings, channels):
        (ports,) = channels.values()
        yield settings, ports
