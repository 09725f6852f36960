"""Fresh databases, copied from one that was migrated once."""

from __future__ import annotations

import contextlib
import importlib
import uuid
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Iterator

_TEMPLATE = "migrated"
_ONE_AT_A_TIME = 20_260_131  # any number that nobody else locks


def with_database(server_url: str, name: str) -> str:
    """The address of another database on the same server."""
    return urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))


@contextlib.contextmanager
def fresh_database(server_url: str, *, template: str | None = None, zone_name: str | None = None) -> Iterator[str]:
    """A database of its own, copied from ``template`` (default: the migrated one), dropped at the end.

    ``zone_name``: its time zone; None: the server's, which the run has chosen.
    """
    name = f"t_{uuid.uuid4().hex}"
    source = _migrated_template(server_url) if template is None else template
    with psycopg.connect(server_url, autocommit=True) as admin:
        admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
                sql.Identifier(name), sql.Identifier(source)
            )
        )
        try:
            if zone_name is not None:
                admin.execute(
                    sql.SQL("ALTER DATABASE {} SET timezone TO {}").format(sql.Identifier(name), sql.Literal(zone_name))
                )
            yield with_database(server_url, name)
        finally:
            # FORCE: what a killed process left open must not keep it.
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _migrated_template(server_url: str) -> str:
    with psycopg.connect(server_url, autocommit=True) as admin:
        # The workers of one test run share the server: the first one migrates, the others wait for it.
        admin.execute("SELECT pg_advisory_lock(%s)", [_ONE_AT_A_TIME])
        if admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [_TEMPLATE]).fetchone():
            return _TEMPLATE
        unfinished = sql.Identifier(f"{_TEMPLATE}_unfinished")
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(unfinished))
        admin.execute(sql.SQL("CREATE DATABASE {} STRATEGY FILE_COPY").format(unfinished))
        # By name, so that tests without a database do not load the tables.
        importlib.import_module("models.migrate").upgrade_to_head(with_database(server_url, f"{_TEMPLATE}_unfinished"))
        admin.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(unfinished))
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [f"{_TEMPLATE}_unfinished"]
        )
        admin.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(unfinished, sql.Identifier(_TEMPLATE)))
    return _TEMPLATE
