from __future__ import annotations

import psycopg
import redis


def test_each_test_has_an_empty_database_of_its_own(empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("CREATE TABLE only_here (id int)")
        found = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()

    assert found == (1,)


def test_each_test_has_a_migrated_database_of_its_own(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        found = connection.execute("SELECT count(*) FROM alembic_version").fetchone()

    assert found == (1,)


def test_each_test_has_an_empty_broker_of_its_own(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        found = client.dbsize()

    assert found == 0
