"""How Alembic reaches the database: over the connection that ``models.migrate`` hands it."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, text

from models.every_table import Base

#: One migration at a time, whoever starts: an arbitrary number of our own.
_LOCK = 5_203_119_840_117


def run(connection: Connection) -> None:
    """Migrate in one transaction, waiting shortly for locks and for nobody else's migration to be ours."""
    connection.execute(text("SET LOCAL lock_timeout = '10s'"))
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    context.configure(connection=connection, target_metadata=Base.metadata, compare_type=True)
    context.run_migrations()


run(context.config.attributes["connection"])
