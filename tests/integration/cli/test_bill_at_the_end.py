"""The commands of the page that tells how a period is charged at its end, in their order."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from tests.fakes.gateway import Fate
from tests.support.mortal import settle_fast
from tests.support.source_tree import page

if TYPE_CHECKING:
    import pytest

    from tests.integration.cli.conftest import Jeonggi
    from tests.support.house import House

PAGE = "docs/how-to/bill-at-the-end.md"


def test_the_commands_of_the_page_do_what_it_says(
    jeonggi: Jeonggi, house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (toml,) = re.findall(r"```toml\n(.*?)```", page(PAGE), re.DOTALL)
    Path("plans.toml").write_text(toml, encoding="utf-8")
    blocks = [
        [shlex.split(line, comments=True) for line in block.splitlines()]
        for block in re.findall(r"```sh\n(.*?)```", page(PAGE), re.DOTALL)
    ]
    ids: dict[str, str] = {}

    def run(block: int) -> list[str]:
        said = []
        for program, *words in blocks[block]:
            assert program == "jeonggi"
            ran = jeonggi(*(ids.get(word, word) for word in words))
            assert ran.code == 0, ran.err
            said.append(ran.out)
        return said

    run(0)
    assert "in arrears" in jeonggi("plan", "list").out
    leaves, expired, away = (house.subscription(plan="calls-monthly") for _ in range(3))
    ids |= {"5f2a10c4": str(leaves), "7c1e22d0": str(expired), "9b3d04ae": str(away)}
    house.gateway.script(house.uid(expired, 0), Fate.DECLINE)
    house.advance(days=10)
    house.tick()
    assert house.value("SELECT count(*) FROM invoice") == 0
    dry, planned, kept = run(1)
    assert "would be cancelled at 2026-02-28 10:00:00" in dry
    assert "will be cancelled at 2026-02-28 10:00:00" in planned
    assert "is kept" in kept
    dry, pause = run(4)
    assert "it goes on by itself at 2026-03-20 10:00:00" in dry
    assert "the first period billed begins at 2026-03-31 10:00:00: 0 that end during the pause are billed" in pause
    dry, done, _ = run(2)
    assert "for 10 of 28 days of period 0 a final invoice would be charged, 11,071 won as things stand" in dry
    assert "is cancelled: ended" in done
    assert "to be opened, for period 0 up to 2026-02-10 10:00:00" in jeonggi("subscription", "show", leaves).out
    house.tick()
    house.charge()
    (listed,) = jeonggi("invoice", "list", "--subscription", leaves, "--json").document
    assert (listed["purpose"], listed["amount"], listed["share_days"], listed["state"]) == ("final", 11_071, 10, "paid")
    house.advance(days=18)
    house.tick()
    house.charge()
    assert house.value("SELECT state FROM subscription WHERE id = :id", id=away) == "paused"
    assert jeonggi("subscription", "cancel", expired, "--reason", "left").code == 0
    house.charge()
    run(3)
    settle_fast(house, days=1)

    assert house.value("SELECT count(*) FROM invoice WHERE state <> 'paid'") == 0
    assert sorted(house.paid_at_gateway().values()) == [1, 1, 1]
    settle_fast(house, days=35)
    (partial,) = house.rows("SELECT * FROM invoice WHERE subscription_id = :id AND ordinal = 1", id=away)
    assert (partial.share_days, partial.share_of_days, partial.amount) == (11, 31, 11_000)
