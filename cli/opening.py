"""What does a command work with: settings, the database, and ports that reach no gateway unless asked to."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn, cast

from billing.ports import Ports
from domain.errors import Misconfigured
from runtime.clock import boottime
from runtime.settings import load_settings
from runtime.wiring import channel_of, gateway_config, limits_of, namespace_of, open_database, open_ports

if TYPE_CHECKING:
    from collections.abc import Iterator

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
def opened_ports() -> Iterator[tuple[Settings, Ports]]:
    """Settings and ports without a gateway, closed at the end."""
    with opened_database() as (settings, database):
        yield (
            settings,
            Ports(
                channel=channel_of(settings),
                database=database,
                gateway=cast("Gateway", _NoGateway()),
                limits=limits_of(settings),
                namespace=namespace_of(database),
                boottime=boottime,
            ),
        )


@contextmanager
def opened_ports_with_gateway() -> Iterator[tuple[Settings, Ports]]:
    """Settings and ports with the gateway that is set, closed at the end."""
    settings = load_settings()
    gateway_config(settings)  # what is not set is told before anything is opened
    ports = open_ports(settings)
    try:
        yield settings, ports
    finally:
        ports.gateway.close()
        ports.database.close()
