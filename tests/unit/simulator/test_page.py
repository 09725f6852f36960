"""Does the simulator's page name all that it offers?"""

import asyncio
import re
from pathlib import Path

import pytest

from simulator.__main__ import _server_arguments
from simulator.app import ACTIONS, ROUTES, TOKEN_PATH
from simulator.control import control_app
from simulator.faults import DECLINES, FaultKind, Place
from simulator.ledger import Done, Via
from simulator.options import HookMode, Options, ScheduleShape, UsedMerchantUid
from simulator.schema import SHOWN
from simulator.simulation import Simulation

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "simulator.md").read_text("utf-8")
PLAIN = PAGE.replace("\\|", "|")


@pytest.mark.parametrize("name", [*FaultKind, *DECLINES, *Place, *Done, *Via])
def test_every_word_is_explained(name: str) -> None:
    assert re.search(rf"`{name}`|\"{name}\"", PAGE)


@pytest.mark.parametrize("name", [*HookMode, *ScheduleShape, *UsedMerchantUid])
def test_every_switch_is_explained(name: str) -> None:
    assert re.search(rf"[`|*]{name}[`|*]", PLAIN)


def test_every_path_is_named() -> None:
    paths = {TOKEN_PATH, *(path for path, _ in ACTIONS), *(path for _, path, _, _ in ROUTES)}
    told = re.findall(r"(/[\w/{}]+(?:\[/\{\w+\}\])?)", PAGE)
    whole = {path.replace("[", "").replace("]", "") for path in told} | {path.partition("[")[0] for path in told}
    whole = {path.replace("{status}", "{payment_status}").replace("{code}", "{card_standard_code}") for path in whole}

    assert paths - whole == set()


async def _control_paths(tmp_path: Path) -> set[str]:
    simulation = Simulation(Options(host="", port=0, control_port=0, ledger=tmp_path / "ledger.db"))
    paths = {str(route.resource.canonical) for route in control_app(simulation).router.routes() if route.resource}
    simulation.ledger.close()
    return paths


def test_every_order_of_the_control_port_is_named(tmp_path: Path) -> None:
    assert {path for path in asyncio.run(_control_paths(tmp_path)) if f" {path}`" not in PAGE} == set()


def test_every_flag_is_named_and_every_named_one_exists(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        _server_arguments(["--help"])
    offered = set(re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out)) - {"--help"}
    start, _, rest = PAGE.partition("## Start")[2].partition("## Try it")
    named = set(re.findall(r"--[a-z][a-z-]+", start))

    of_the_ledger = {"--json", *(f"--{table.replace('_', '-')}s" for table in SHOWN if table != "payment")}
    assert rest
    assert offered - named == set()
    assert named - offered - of_the_ledger == set()


@pytest.mark.parametrize("columns", SHOWN.values())
def test_every_column_is_named(columns: str) -> None:
    names = re.findall(r"(\w+)(?=,|$)", re.sub(r"\(SELECT.*?\) AS ", "", columns))

    assert {name for name in names if f"`{name}`" not in PAGE} == set()
