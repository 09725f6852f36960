"""What a person asks of several channels, against a simulator that has an account for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.simulator import running_simulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.cli.conftest import Jeonggi

REASON = ("--reason", "a test")
HEADER = "customer_ref,name,email,tel,customer_uid,plan,started_on,timezone"


@pytest.fixture
def several(jeonggi: Jeonggi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Jeonggi]:
    """``jeonggi`` with two channels whose accounts are good, and one whose secret is not."""
    secrets = tmp_path / "secrets"
    secrets.mkdir(mode=0o700)
    options = ["--issue-on-sight"]
    tables = []
    for name in ("shop", "books", "mistaken"):
        (secrets / f"{name}.toml").touch(mode=0o600)
        (secrets / f"{name}.toml").write_text(f'imp_key = "{name}"\nimp_secret = "word-of-{name}"\n')
        word = "another-word" if name == "mistaken" else f"word-of-{name}"
        options += ["--account", f"{name}:{word}:html5_inicis.MOI{name}"]
        tables.append(f'[[channel]]\nname = "{name}"\npg = "html5_inicis.MOI{name}"\n')
    (tmp_path / "channels.toml").write_text("\n".join(tables))
    monkeypatch.setenv("JEONGGI_CHANNELS_FILE", str(tmp_path / "channels.toml"))
    monkeypatch.setenv("JEONGGI_SECRETS_DIR", str(secrets))
    with running_simulator(tmp_path, options=options) as simulator:
        monkeypatch.setenv("JEONGGI_GATEWAY_URL", simulator.url)
        yield jeonggi


@pytest.fixture
def plan(several: Jeonggi, tmp_path: Path) -> str:
    file = tmp_path / "plans.toml"
    file.write_text('[[plan]]\ncode = "m"\nname = "월간"\namount = 9900\nevery = "1 month"\n')
    assert several("plan", "import", file).code == 0
    return "m"


def _file(folder: Path, *rows: str, header: str = f"{HEADER},channel") -> Path:
    file = folder / "subscriptions.csv"
    file.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return file


def _row(ref: str, uid: str, channel: str | None = None) -> str:
    row = f"{ref},김하나,,,{uid},m,2026-01-01,Asia/Seoul"
    return row if channel is None else f"{row},{channel}"


def test_each_channel_is_checked_by_itself(several: Jeonggi) -> None:
    found = several("channel", "check", "shop", "--json")
    assert (found.code, found.document["ok"], found.document["channel"]) == (0, True, "shop")
    assert abs(found.document["skew_seconds"]) < 5
    refused = several("channel", "check", "mistaken")
    assert (refused.code, "refused the API key" in refused.err) == (1, True)
    assert "name one of shop, books, mistaken" in several("channel", "check").err
    assert "there is no channel 'shops'; there are shop, books, mistaken" in several("channel", "check", "shops").err

    checks = {check["name"]: check for check in several("doctor", "--json").document["checks"]}
    assert [name for name, check in checks.items() if not check["ok"]] == ["channel mistaken"]
    assert "no card is its own yet" in checks["channel books"]["told"]


def test_a_card_is_given_its_channel_by_the_import_and_by_the_change_of_card(
    several: Jeonggi, plan: str, tmp_path: Path
) -> None:
    del plan
    # The same name in two accounts is two cards.
    file = _file(tmp_path, _row("a", "card", "shop"), _row("b", "card", "books"), _row("c", "", ""))
    assert several("subscription", "import", file, "--json").document["rows"]["created"] == 3
    again = several("subscription", "import", file, "--json")
    assert again.document["rows"] == {"created": 0, "unchanged": 3, "updated": 0, "refused": 0}
    channels = {row["name"]: row for row in several("channel", "list", "--json").document["channels"]}
    assert {name: row["cards"] for name, row in channels.items()} == {"shop": 1, "books": 1, "mistaken": 0}

    (waiting,) = [row["id"] for row in several("subscription", "list", "--state", "pending", "--json").document]
    assert several("subscription", "change-card", waiting, "card", *REASON).code == 2
    taken = several("subscription", "change-card", waiting, "card", "--channel", "books", *REASON)
    assert "another customer's card" in taken.err
    assert several("subscription", "change-card", waiting, "card", "--channel", "mistaken", *REASON).code == 0
    assert several("subscription", "show", waiting, "--json").document["channel"] == "mistaken"


@pytest.mark.parametrize(
    ("row", "options", "says"),
    [
        (_row("a", "card", ""), (), "channel is empty; write which of shop, books, mistaken has its card"),
        (_row("a", "card", "shops"), (), "channel 'shops' is none of shop, books, mistaken"),
        (_row("a", "card", "shop"), ("--channel", "shops"), "there is no channel 'shops'"),
        (_row("known", "card-1", "books"), (), "channel books differs from what stands for this subscription: shop"),
    ],
)
def test_a_channel_that_does_not_fit_is_told(
    several: Jeonggi, plan: str, tmp_path: Path, row: str, options: tuple[str, ...], says: str
) -> None:
    del plan
    known = _file(tmp_path, _row("known", "card-1"), header=HEADER)
    assert several("subscription", "import", known, "--yes", "--channel", "shop").code == 0

    ran = several("subscription", "import", _file(tmp_path, row), "--yes", *options)

    assert says in ran.err
    assert ran.code in {1, 2}


def test_all_channels_are_halted_and_resumed_or_one(several: Jeonggi) -> None:
    assert "name one of shop, books, mistaken, or give --all" in several("channel", "halt", *REASON).err
    assert several("channel", "halt", "books", *REASON).out == "channel books is halted\n"
    changed = several("channel", "halt", "--all", *REASON, "--json").document["changed"]
    assert changed == {"books": False, "default": True, "mistaken": True, "shop": True}
    assert several("channel", "show", "shop", "--json").document["halt_reason"].endswith(": a test")
    assert "not both" in several("channel", "resume", "shop", "--all", *REASON).err
    assert several("channel", "resume", "shop", *REASON).out == "channel shop is resumed\n"
    assert "halted: books, default, mistaken" in str(several("doctor", "--json").document)


def test_cards_of_a_channel_that_is_gone_are_told(
    several: Jeonggi, plan: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del plan
    assert several("subscription", "import", _file(tmp_path, _row("a", "card", "books")), "--yes").code == 0
    (tmp_path / "channels.toml").write_text('[[channel]]\nname = "shop"\npg = "html5_inicis.MOIshop"\n')

    checks = {check["name"]: check for check in several("doctor", "--json").document["checks"]}
    assert "cards of its own: 1; it is not configured" in checks["channel books"]["told"]
    assert [row["name"] for row in several("channel", "list", "--json").document["channels"]] == ["books", "shop"]
    assert several("channel", "show", "--json").document["name"] == "shop"
    monkeypatch.delenv("JEONGGI_NAMESPACE")
    assert "JEONGGI_NAMESPACE is required with JEONGGI_CHANNELS_FILE" in several("channel", "list").err
