"""The commands that stop, keep, pause and hold; and every command of the page that tells how."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest

from tests.fakes.gateway import Fate
from tests.support.source_tree import page

if TYPE_CHECKING:
    from uuid import UUID

    from tests.integration.cli.conftest import Jeonggi, Ran
    from tests.support.house import House

REASON = ("--reason", "asked by mail")
PAGE = "docs/how-to/stop-pause-hold.md"
#: What each section of the page comes to: the subscription's state, what is ahead of it, and its holds.
SECTIONS = {
    "A customer leaves at the end of what they paid": ("active", "cancel", []),
    "They stay after all": ("active", None, []),
    "It ends now": ("ended", None, []),
    "It ends now, and the days left are given back": ("ended", None, []),
    "A customer is away for some weeks": ("active", "pause", []),
    "They stay away longer": ("active", None, []),
    "A charge is disputed": ("active", None, ["released"]),
    "A customer has died, or a card was stolen": ("active", None, ["standing"]),
}


@pytest.fixture
def sub(house: House) -> UUID:
    """A subscription that has paid for February, of the customer whom the page names."""
    made = house.subscription(customer_ref="user-8231")
    house.tick()
    house.charge()
    return made


def commands(heading: str) -> list[str]:
    section = page(PAGE).partition(f"## {heading}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


def test_every_section_of_the_page_is_run() -> None:
    assert re.findall(r"^## (.*)$", page(PAGE), re.MULTILINE) == list(SECTIONS)
    assert all(commands(heading) for heading in SECTIONS)


@pytest.mark.parametrize("heading", SECTIONS)
def test_the_commands_of_the_page_do_what_it_says(jeonggi: Jeonggi, house: House, sub: UUID, heading: str) -> None:
    for line in commands(heading):
        holds = [str(row.id) for row in house.rows("SELECT id FROM hold")]
        told = line.replace("5f2a10c4", str(sub)[:13]).replace("0199a1b2", holds[0] if holds else "none yet")
        program, *arguments = shlex.split(told, comments=True)
        assert program == "jeonggi"
        before = house.value("SELECT count(*) FROM audit_entry")
        ran = jeonggi(*arguments)
        assert ran.code == 0 or arguments[0] == "doctor", (line, ran.err)  # the doctor looks at this machine, too
        if "--dry-run" in arguments:
            assert house.value("SELECT count(*) FROM audit_entry") == before

    (row,) = house.rows("SELECT state, stops_as FROM subscription")
    holds = [each.state for each in house.rows("SELECT state FROM hold")]
    assert (row.state, row.stops_as, holds) == SECTIONS[heading]


def said(ran: Ran) -> str:
    assert ran.code == 0, ran.err
    return ran.out


def test_a_cancel_with_the_period_tells_when_and_what_becomes_of_debts(jeonggi: Jeonggi, house: House) -> None:
    sub = house.subscription()
    house.gateway.script(house.uid(sub, 0), Fate.DECLINE)
    house.tick()
    house.charge()

    dry = said(jeonggi("subscription", "cancel", sub, "--at-period-end", *REASON, "--dry-run"))
    assert "would be cancelled at 2026-02-28 10:00:00 (Asia/Seoul); nothing is opened from then on" in dry
    assert "invoices owed now: 1, 9,900 won; they are charged as before until then" in dry
    assert "what is not paid by then is void" in dry
    document = jeonggi("subscription", "cancel", sub, "--at-period-end", *REASON, "--json").document
    assert (document["made"], document["stops_as"], document["written"]) == ("later", "cancel", True)
    assert document["foretold"]["begins_at"] == "2026-02-28T01:00:00+00:00"
    assert "cancel at 2026-02-28 10:00:00" in said(jeonggi("subscription", "show", sub))

    kept = said(jeonggi("subscription", "keep", sub, *REASON))
    assert "is kept: it is not cancelled at 2026-02-28 10:00:00, and is billed next at 2026-02-28 10:00:00" in kept
    again = jeonggi("subscription", "keep", sub, *REASON, "--json")
    assert (again.code, again.document["error"]["code"]) == (1, "conflict")
    assert "nobody has asked for a stop: there is nothing to take back" in again.err


def test_a_pause_until_a_date_tells_when_it_goes_on_and_what_is_billed(jeonggi: Jeonggi, sub: UUID) -> None:
    told = said(jeonggi("subscription", "pause", sub, "--until", "2026-04-15", *REASON))

    assert "is paused: paused" in told
    assert "it goes on by itself at 2026-04-15 10:00:00" in told
    assert "1 that end during the pause are billed, 0 are not" in told


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("2026-13-01", "is no date; give one such as 2026-03-01, or none"),
        ("tomorrow", "is no date"),
        ("20260401", "is no date"),
        ("2026-01-31", "is over"),
    ],
)
def test_a_date_that_cannot_be_is_refused_in_one_sentence(jeonggi: Jeonggi, sub: UUID, given: str, told: str) -> None:
    for arguments in (
        ("subscription", "pause", sub, "--until", given, *REASON),
        ("hold", "place", "--subscription", sub, "--reason-kind", "other", "--until", given, *REASON),
    ):
        ran = jeonggi(*arguments)
        assert (ran.code, told in ran.err) == (2, True), ran.err


def test_a_hold_is_told_wherever_somebody_looks(jeonggi: Jeonggi, house: House) -> None:
    sub = house.subscription()
    house.tick()
    placed = ("hold", "place", "--subscription", sub, "--reason-kind", "dispute", "--until", "2026-03-01", *REASON)
    dry = jeonggi(*placed, "--dry-run", "--json").document
    assert (dry["hold_id"], dry["due"], dry["won"], dry["written"]) == (None, 1, 9_900, False)
    hold_id = jeonggi(*placed, "--json").document["hold_id"]

    assert "dispute until 2026-03-01 10:00:00" in said(jeonggi("subscription", "show", sub))
    (listed,) = jeonggi("hold", "list", "--json").document
    assert (listed["id"], listed["due_charges"], listed["due_won"], listed["state"]) == (hold_id, 1, 9_900, "standing")
    invoice_id = house.value("SELECT id FROM invoice")
    refused = jeonggi("invoice", "charge-now", invoice_id, *REASON)
    assert (refused.code, f"`jeonggi hold release {hold_id} --reason ...` ends it" in refused.err) == (1, True)
    doctor = {each["name"]: each for each in jeonggi("doctor", "--json").document["checks"]}
    assert (doctor["holds"]["ok"], "1 charges of 9,900 won are due and wait" in doctor["holds"]["told"]) == (True, True)

    released = said(jeonggi("hold", "release", hold_id, *REASON))
    assert "is released: 1 charges of 9,900 won are due at once" in released
    assert jeonggi("hold", "list", "--json").document == []
    assert [row["state"] for row in jeonggi("hold", "list", "--all", "--json").document] == ["released"]
    assert jeonggi("hold", "release", hold_id, *REASON).code == 1
