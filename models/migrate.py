"""How does a database get its tables: Alembic, run from code so that no ini file and no working folder matter."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

import migrations
from models.session import psycopg_url

if TYPE_CHECKING:
    from sqlalchemy import Engine


def upgrade_to_head(url: str) -> None:
    """Bring the database to the newest schema; safe to run again, and by several processes at once."""
    engine = _engine(url)
    with engine.begin() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    engine.dispose()


def is_at_head(url: str) -> bool:
    """Whether the database has the newest schema."""
    engine = _engine(url)
    with engine.connect() as connection:
        heads = MigrationContext.configure(connection).get_current_heads()
    engine.dispose()
    return set(heads) == set(ScriptDirectory.from_config(_config()).get_heads())


def _engine(url: str) -> Engine:
    return create_engine(psycopg_url(url), poolclass=NullPool)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    return config
