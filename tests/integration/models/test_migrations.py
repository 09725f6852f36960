"""Does the history of the schema make the tables that the code knows, however often and by however many it is run?"""

from __future__ import annotations

import multiprocessing
from typing import TYPE_CHECKING

import psycopg
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from models.every_table import Base
from models.migrate import is_at_head, upgrade_to_head
from models.session import psycopg_url
from tests.support.databases import fresh_database

if TYPE_CHECKING:
    from runtime.embedded.state_dir import ServerUrls

_GUARDS = (
    "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text <> 'alembic_version' ORDER BY 1, 2"
)
_INDEXES = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
_COLUMNS = (
    "SELECT table_name, column_name, data_type, is_nullable, column_default, is_identity"
    " FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'alembic_version'"
)


def test_an_empty_database_comes_to_the_newest_schema_and_stays_there(empty_database_url: str) -> None:
    assert not is_at_head(empty_database_url)

    upgrade_to_head(empty_database_url)
    upgrade_to_head(empty_database_url)

    assert is_at_head(empty_database_url)
    assert _select(empty_database_url, "SELECT id, rate FROM billing_clock") == [(1, 1)]
    assert _select(empty_database_url, "SELECT name, halted_at FROM channel_state") == [("default", None)]


def test_processes_that_migrate_at_once_do_it_once(empty_database_url: str) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=upgrade_to_head, args=(empty_database_url,)) for _ in range(3)]

    for process in processes:
        process.start()
    for process in processes:
        process.join()

    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert is_at_head(empty_database_url)
    assert _select(empty_database_url, "SELECT count(*) FROM alembic_version") == [(1,)]


def test_the_migrated_schema_is_the_one_of_the_tables(database_url: str) -> None:
    engine = create_engine(psycopg_url(database_url), poolclass=NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        differences = compare_metadata(context, Base.metadata)

    assert differences == []


def test_every_check_index_and_column_is_word_for_word_the_one_of_the_tables(
    database_url: str, server_urls: ServerUrls
) -> None:
    """Alembic's own comparison is blind to CHECKs and to the conditions of partial indexes."""
    with fresh_database(server_urls.database_url, template="template0") as made_url:
        engine = create_engine(psycopg_url(made_url), poolclass=NullPool)
        Base.metadata.create_all(engine)
        for statement in (_GUARDS, _INDEXES, _COLUMNS):
            assert set(_select(database_url, statement)) == set(_select(made_url, statement))


def _select(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement).fetchall()
