"""Commands about brakes: windows come and go, each brake is told in one sentence, a person allows more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.house import NAMESPACE, House

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.cli.conftest import Jeonggi

REASON = ("--reason", "the card company's notice")


@pytest.fixture
def house(jeonggi: Jeonggi, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    del jeonggi  # its settings come first
    monkeypatch.setenv("JEONGGI_NAMESPACE", NAMESPACE)
    monkeypatch.setenv("JEONGGI_ENVELOPE_FACTOR", "1")
    monkeypatch.setenv("JEONGGI_ENVELOPE_FLOOR_CHARGES", "2")
    made = House(database_url)
    yield made
    made.close()


def brakes(jeonggi: Jeonggi) -> dict[str, tuple[bool, str]]:
    shown = jeonggi("channel", "show", "--json")
    assert shown.code == 0, shown.err
    return {each["name"]: (each["holds"], each["told"]) for each in shown.document["brakes"]}


def test_a_window_is_added_listed_and_removed(jeonggi: Jeonggi, house: House) -> None:
    night = ("window", "add", "--from", "09:30", "--to", "11:00", *REASON)
    dry = jeonggi(*night, "--dry-run", "--json")
    assert dry.document["written"] is False
    assert jeonggi("window", "list", "--json").document == []

    added = jeonggi(*night, "--days", "sat,sun", "--issuer", "366", "--channel", "default", "--json")
    assert added.code == 0, added.err
    assert jeonggi(*night).code == 0
    issuers, whole = jeonggi("window", "list", "--json").document

    assert (issuers["begins"], issuers["ends"], issuers["weekdays"]) == ("09:30", "11:00", [6, 7])
    assert (issuers["channel"], issuers["issuer_code"]) == ("default", "366")
    assert whole["is_closed"]
    assert brakes(jeonggi)["window"] == (True, "closed: automatic charges wait until 2026-01-31 11:00:00")
    assert "11:00" in jeonggi("channel", "show").out
    assert "every day" in jeonggi("window", "list").out

    assert jeonggi("window", "remove", str(whole["id"]), *REASON, "--dry-run").code == 0
    assert len(jeonggi("window", "list", "--json").document) == 2
    assert jeonggi("window", "remove", str(whole["id"]), *REASON).code == 0
    assert [row["id"] for row in jeonggi("window", "list", "--json").document] == [issuers["id"]]
    assert not brakes(jeonggi)["window"][0]
    del house


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("--from", "25:00", "--to", "01:00"), "no time of the day"),
        (("--from", "23:20:30", "--to", "01:00"), "no time of the day"),
        (("--from", "01:00", "--to", "01:00"), "the same time"),
        (("--from", "01:00", "--to", "02:00", "--days", "someday"), "no day of the week"),
        (("--from", "01:00", "--to", "02:00", "--nth", "2"), "needs weekdays"),
        (("--from", "01:00", "--to", "02:00", "--nth", "6", "--days", "sun"), "1 to 5"),
        (("--from", "01:00", "--to", "02:00", "--timezone", "Asia/Nowhere"), "IANA"),
        (("--from", "01:00", "--to", "02:00", "--issuer", "three hundred"), "no card company's code"),
        (("--from", "01:00", "--to", "02:00", "--channel", "nowhere"), "no channel"),
    ],
)
def test_what_cannot_be_a_window_is_refused_in_one_sentence(
    jeonggi: Jeonggi, house: House, given: tuple[str, ...], told: str
) -> None:
    ran = jeonggi("window", "add", *given, *REASON)

    assert ran.code == 2
    assert told in ran.err
    assert jeonggi("window", "list", "--json").document == []
    del house


def test_a_person_allows_what_the_forecast_does_not(jeonggi: Jeonggi, house: House) -> None:
    house.subscription()
    house.tick()
    jeonggi("channel", "show")
    nothing = jeonggi("channel", "allow", *REASON)
    assert (nothing.code, "fits into the day" in nothing.err) == (2, True)
    for _ in range(9):  # nobody forecast these
        house.subscription()
    house.tick()

    dry = jeonggi("channel", "allow", *REASON, "--dry-run", "--json").document
    assert (dry["due"]["charges"], dry["more"]["charges"], dry["written"]) == (10, 7, False)
    assert "at most 3 charges" in brakes(jeonggi)["envelope"][1]
    assert jeonggi("channel", "allow", "--charges", "4", *REASON).code == 2  # and how much money?

    assert jeonggi("channel", "allow", *REASON).code == 0

    assert "at most 10 charges" in brakes(jeonggi)["envelope"][1]
    assert house.value("SELECT count(*) FROM audit_entry WHERE action = 'channel.allowed_more'") == 1


def test_a_halt_is_told_with_what_ends_it(jeonggi: Jeonggi, house: House) -> None:
    assert brakes(jeonggi)["halt"] == (False, "not halted")
    jeonggi("channel", "halt", "--all", "--reason", "the bank called")

    holds, told = brakes(jeonggi)["halt"]

    assert holds
    assert "the bank called" in told
    assert "`jeonggi channel resume default` ends it" in told
    del house


@pytest.mark.parametrize(
    ("url", "is_test", "count"),
    [
        ("https://api.iamport.kr", "false", 1),
        ("https://api.iamport.kr", "true", 0),
        ("http://127.0.0.1:8090", "false", 0),
    ],
)
def test_a_channel_behind_which_real_money_moves_begins_with_the_nightly_window(
    jeonggi: Jeonggi, monkeypatch: pytest.MonkeyPatch, url: str, is_test: str, count: int
) -> None:
    monkeypatch.setenv("JEONGGI_GATEWAY_URL", url)
    monkeypatch.setenv("JEONGGI_TEST_CHANNEL", is_test)
    monkeypatch.setenv("JEONGGI_IMP_KEY", "key")
    monkeypatch.setenv("JEONGGI_IMP_SECRET", "secret")
    found = jeonggi("window", "list", "--json").document
    nightly = ("default", "23:20", "01:10", "Asia/Seoul")
    assert [(row["channel"], row["begins"], row["ends"], row["timezone"]) for row in found] == [nightly] * count
    assert jeonggi("window", "list", "--json").document == found

    for row in found:
        jeonggi("window", "remove", row["id"], *REASON)
    assert jeonggi("window", "list", "--json").document == []
