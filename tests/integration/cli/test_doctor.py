"""Does the doctor see what is well, and name what is not?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from tests.support.simulator import running_simulator

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from models.session import Database
    from tests.integration.cli.conftest import Jeonggi, Ran


def problems(ran: Ran) -> dict[str, str]:
    return {check["name"]: check["told"] for check in ran.document["checks"] if not check["ok"]}


def test_a_sound_installation_is_told_so(jeonggi: Jeonggi) -> None:
    ran = jeonggi("doctor", "--json")

    assert (ran.code, problems(ran)) == (0, {})
    assert [check["name"] for check in ran.document["checks"]] == [
        "settings", "time zones", "disk", "servers", "database", "hooks", "holds", "usage", "redis", "gateway"
    ]  # fmt: skip
    assert "ok      database: PostgreSQL" in jeonggi("doctor").out


def test_a_wrong_order_of_time_limits_is_told(jeonggi: Jeonggi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JEONGGI_SOFT_LIMIT_SECONDS", "100000")

    ran = jeonggi("doctor", "--json")

    assert ran.code == 1
    assert "JEONGGI_SOFT_LIMIT_SECONDS" in problems(ran)["settings"]


def test_a_database_without_tables_is_told_to_be_migrated_and_migrate_does(
    jeonggi: Jeonggi, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JEONGGI_DATABASE_URL", empty_database_url)

    assert "run `jeonggi migrate`" in problems(jeonggi("doctor", "--json"))["database"]
    assert "run `jeonggi migrate`" in jeonggi("plan", "list").err
    assert jeonggi("migrate").out == "the database is at the newest schema\n"
    assert jeonggi("doctor", "--json").code == 0


def test_another_installations_database_is_told(
    jeonggi: Jeonggi, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert jeonggi("plan", "list").code == 0  # makes it the demo's
    monkeypatch.setenv("JEONGGI_NAMESPACE", "shop-live")

    assert "belongs to the installation 'demo', not to 'shop-live'" in problems(jeonggi("doctor", "--json"))["database"]
    refused = jeonggi("plan", "list")
    assert (refused.code, "belongs to the installation 'demo'" in refused.err) == (2, True)
    with database.reading() as tx:
        assert tx.connection.execute(text("SELECT namespace FROM installation")).scalar_one() == "demo"


def test_servers_that_do_not_answer_are_told_without_their_passwords(
    jeonggi: Jeonggi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JEONGGI_DATABASE_URL", "postgresql://jeonggi:hunter2@127.0.0.1:1/jeonggi")
    monkeypatch.setenv("JEONGGI_REDIS_URL", "redis://:hunter2@127.0.0.1:1/0")

    ran = jeonggi("doctor", "--json")

    assert ran.code == 1
    assert "the database does not answer" in problems(ran)["database"]
    assert "it does not answer on port 1" in problems(ran)["redis"]
    assert "hunter2" not in ran.out + ran.err
    assert jeonggi("migrate").code == 2


def test_a_gateway_that_cannot_be_reached_is_told(jeonggi: Jeonggi, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "GATEWAY_URL": "http://127.0.0.1:1",
        "IMP_KEY": "key-hunter2",
        "IMP_SECRET": "secret-hunter2",
        "NAMESPACE": "demo",
    }.items():
        monkeypatch.setenv(f"JEONGGI_{name}", value)

    ran = jeonggi("doctor", "--json")

    assert list(problems(ran)) == ["channel default"]
    assert "hunter2" not in ran.out + ran.err


def test_the_version_is_told(jeonggi: Jeonggi) -> None:
    assert jeonggi("version", "--json").document["version"]


def test_a_token_in_its_last_minute_is_no_problem(
    jeonggi: Jeonggi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_simulator(tmp_path, token_life_seconds=50) as simulator:
        for name, value in simulator.environment.items():
            monkeypatch.setenv(name, value)
        first = jeonggi("doctor", "--json")
        then = jeonggi("doctor", "--json")

    told = {check["name"]: check["told"] for check in then.document["checks"]}
    assert (first.code, then.code, problems(then)) == (0, 0, {})
    assert told["channel default"].startswith("not asked just now: the access token is in its last minute")
