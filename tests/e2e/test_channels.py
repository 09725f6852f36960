"""Several accounts side by side in real processes: each card on its own, whatever the others do.

One hangs, one is halted, one has wrong credentials; the ledger of the simulator, which has all their accounts, tells.
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from billing.charge_due import charge_due
from billing.ports import Channel
from billing.resolve_unknown import resolve_unknown
from domain.evidence import SANDBOX_ON_LIVE
from domain.time_limits import SCALED_FOR_SIMULATOR
from gateway.iamport import IamportGateway
from runtime.settings import PREFIX
from runtime.wiring import gateway_configs
from scheduler.tick import tick
from tests.support.fleet import Fleet
from tests.support.polling import eventually
from tests.support.proxy import held_line
from tests.support.simulator import running_simulator

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SOUND, HUNG, HALTED, MISTAKEN = CHANNELS = ("sound", "hung", "halted", "mistaken")
CARDS = 12
RUNS = len(CHANNELS)  # one a channel: whoever took two would take another's
KEYS = {name: f"key-of-{name}" for name in CHANNELS}


def _pg(name: str) -> str:
    return f"html5_inicis.MOI{name}"


ACCOUNTS = [word for name in CHANNELS for word in ("--account", f"{KEYS[name]}:secret:{_pg(name)}")]


def _write_secret(folder: Path, name: str, secret: str) -> None:
    file = folder / f"{name}.toml"
    file.touch(mode=0o600)
    file.write_text(f'imp_key = "{KEYS[name]}"\nimp_secret = "{secret}"\n', encoding="utf-8")


def _several(fleet: Fleet, folder: Path, *, hung_url: str) -> None:
    """Let the fleet have four channels: one's credentials by the environment, the others' by files."""
    for name in ("IMP_KEY", "IMP_SECRET", "TEST_CHANNEL"):
        fleet.environment.pop(f"{PREFIX}{name}", None)
    secrets = folder / "secrets"
    secrets.mkdir(mode=0o700)
    tables = []
    for name in CHANNELS:
        url = f'gateway_url = "{hung_url}"\n' if name == HUNG else ""
        tables.append(f'[[channel]]\nname = "{name}"\npg = "{_pg(name)}"\nrate = 500\n{url}')
        if name != SOUND:
            _write_secret(secrets, name, "not-it" if name == MISTAKEN else "secret")
    (folder / "channels.toml").write_text("\n".join(tables), encoding="utf-8")
    fleet.environment.update(
        {
            f"{PREFIX}CHANNELS_FILE": str(folder / "channels.toml"),
            f"{PREFIX}SECRETS_DIR": str(secrets),
            f"{PREFIX}CHANNEL_{SOUND.upper()}_IMP_KEY": KEYS[SOUND],
            f"{PREFIX}CHANNEL_{SOUND.upper()}_IMP_SECRET": "secret",
            f"{PREFIX}CHARGE_RUNS": str(RUNS),
            f"{PREFIX}PACE_RUNS": str(RUNS + 1),
        }
    )


def _cards(channel: str, first: int = 0) -> Sequence[tuple[str, str, str, str]]:
    """The same names of cards in every account, for each account has its own; customers are different ones."""
    started_on = datetime.now(UTC).date().replace(day=1).isoformat()
    numbers = range(first, first + CARDS)
    return [(f"{channel}-{number}", f"card{number}", started_on, channel) for number in numbers]


def _paid(fleet: Fleet) -> Counter[str]:
    return Counter(str(row["account"]).removeprefix("key-of-") for row in fleet.ledger() if row["status"] == "paid")


def _has_paid(fleet: Fleet, **expected: int) -> bool:
    return _paid(fleet) == Counter(expected)


def _hung(fleet: Fleet) -> int:
    return fleet.log_count("charge.done", channel=HUNG, stopped_because="gateway_unreachable")


def _holds(fleet: Fleet) -> Counter[tuple[str, str]]:
    with fleet.database.reading() as tx:
        rows = tx.connection.execute(
            text("SELECT channel, queue, until > clock_timestamp() AS lives FROM channel_turn")
        )
        return Counter((row.channel, row.queue) for row in rows if row.lives)


@pytest.mark.timeout(300)
def test_each_channel_charges_its_own_cards_whatever_the_others_do(
    tmp_path: Path, database_url: str, redis_url: str
) -> None:
    with ExitStack() as stack:
        simulator = stack.enter_context(
            running_simulator(tmp_path, limits=SCALED_FOR_SIMULATOR, options=["--issue-on-sight", *ACCOUNTS])
        )
        line = stack.enter_context(held_line(simulator.url))
        fleet = stack.enter_context(
            Fleet(tmp_path, database_url=database_url, redis_url=redis_url, simulator=simulator)
        )
        _several(fleet, tmp_path, hung_url=line.url)
        fleet.import_cards(card for name in CHANNELS for card in _cards(name))
        fleet.jeonggi("channel", "halt", HALTED, "--reason", "a test of one that is halted")
        line.hold()
        fleet.beat()
        fleet.worker("pace", queue="pace", concurrency=RUNS + 1)
        fleet.worker("charge", queue="charge", concurrency=RUNS)

        eventually(lambda: _has_paid(fleet, sound=CARDS), 90, f"the sound one: {_paid(fleet)}")
        # The hung one has been rung for in several ticks by now; work that comes later is done all the same.
        eventually(lambda: _hung(fleet) >= 2, 90, "runs that hung")
        fleet.import_cards(_cards(SOUND, first=CARDS))
        eventually(lambda: _has_paid(fleet, sound=2 * CARDS), 60, f"later work: {_paid(fleet)}")
        eventually(
            lambda: _holds(fleet)[HUNG, "charge"] == _holds(fleet)[HUNG, "pace"] == 1, 60, "it holds a run of each"
        )
        assert all(count == 1 for count in _holds(fleet).values())
        told = fleet.jeonggi("doctor", exit_code=1)
        for name, says in ((SOUND, "ok"), (HUNG, "problem"), (MISTAKEN, "problem")):
            assert any(row.startswith(says) and f"channel {name}:" in row for row in told.splitlines()), told

        assert fleet.log_count("channel.refused", channel=MISTAKEN, level="error")

        line.let_go()
        fleet.jeonggi("channel", "resume", HALTED, "--reason", "the test goes on")
        _write_secret(tmp_path / "secrets", MISTAKEN, "secret")
        fleet.kill("charge")  # credentials are read at the start
        fleet.worker("charge", queue="charge", concurrency=RUNS)
        everything = {**dict.fromkeys(CHANNELS, CARDS), SOUND: 2 * CARDS}
        eventually(lambda: _has_paid(fleet, **everything), 120, f"all of them: {_paid(fleet)}")
        eventually(lambda: fleet.look().is_idle, 60, f"rest: {fleet.look()}")

        for row in fleet.ledger():
            name = str(row["account"]).removeprefix("key-of-")
            assert row["pg_id"] == f"MOI{name}"
        checked = fleet.jeonggi("channel", "check", SOUND, "--json")
        assert json.loads(checked[checked.index("{") :])["pg"] == _pg(SOUND)
        fleet.jeonggi("invariants", "check", "--gateway")


def test_sandbox_money_on_a_live_channel_is_an_alarm_and_pays_nothing(
    tmp_path: Path, database_url: str, redis_url: str
) -> None:
    with ExitStack() as stack:
        simulator = stack.enter_context(running_simulator(tmp_path, options=["--issue-on-sight", "--sandbox"]))
        fleet = stack.enter_context(
            Fleet(tmp_path, database_url=database_url, redis_url=redis_url, simulator=simulator)
        )
        fleet.import_cards(_cards("default")[:1])
        tested = stack.enter_context(fleet.ports())
        # A loopback address is never live: here it is taken for one.
        gateway = IamportGateway(replace(gateway_configs(fleet.settings())["default"], is_test=False))
        stack.callback(gateway.close)
        ports = replace(tested, channel=Channel(name="default", is_test=False), gateway=gateway)

        tick([ports], lambda *_: None, open_for_seconds=1)
        charge_due(ports)
        resolve_unknown(ports)
        charge_due(ports)

        (row,) = fleet.ledger()
        assert (row["status"], bool(row["sandbox"])) == ("paid", True)
        with fleet.database.reading() as tx:
            found: Any = tx.connection.execute(
                text(
                    "SELECT i.state AS invoice, a.state AS attempt, a.operator_reason,"
                    " (SELECT count(*) FROM payment) AS payments, (SELECT count(*) FROM outbox_event e"
                    "  WHERE e.is_incident AND e.kind = 'attempt.needs_operator' AND e.attempt_id = a.id"
                    "  AND e.data->>'reason' LIKE :told) AS alarms"
                    " FROM invoice i JOIN charge_attempt a ON a.invoice_id = i.id"
                ),
                {"told": f"%{SANDBOX_ON_LIVE}%"},
            ).one()
        assert (found.invoice, found.attempt, found.payments, found.alarms) == ("open", "unknown", 0, 1)
        assert SANDBOX_ON_LIVE in found.operator_reason
