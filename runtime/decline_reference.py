"""Print ``docs/reference/decline-codes.md`` from the tables themselves: ``python -m runtime.decline_reference``."""

from __future__ import annotations

import sys
from collections import defaultdict
from textwrap import wrap
from typing import Final, assert_never

from domain.decline import MEANINGS, NEXT_STEP, DeclineClass, NextStep, codes_of
from domain.dunning import LADDER_DAYS
from gateway.decline_map import KEYWORDS
from gateway.decline_table import TABLE

_WIDTH: Final = 118

_HEAD: Final = """# Decline codes

Our own reasons for a refusal. The gateway's text is kept beside each as `raw_reason`, as it was received. This
page is printed from `domain/decline.py`, `gateway/decline_codes.csv` (version {version}, {rows} rows) and
`gateway/decline_map.py`.

A text is read in this order: what an operator taught; a code in brackets or at the very start, if the table has
it; the first word of [the list below](#words); else `unclassified`. Whatever doubts the refusal wins over the
rest of its kind.

## Classes and what follows

| class | what follows |
|---|---|
"""

_STEPS: Final = """
**{ladder}**: the invoice is past due and is attempted again {days} days after each decline; after the last one
it is uncollectible. **{new_card}**: past due, and nothing is attempted until a new card is given or an operator
asks. **{operator}**: no strike for the customer; an invoice that was never declined before stays open, nothing
is attempted until an operator has looked, and the event is an incident. **{halt}**: the same, and counted for
the channel, which halts after a set number in a row. **{resolver}**: the attempt is unknown and is looked up;
if the refusal still stands after settling, the ladder.

An attempt that a person brought about (`charge-now`, a new card) leaves the ladder where it was. If the invoice
was not on the ladder, because it waited for a card or an operator, it goes on where it was: the next step's days
later; after the last step it waits again.

Words for the customer are written for every code. For `system`, `ambiguous`, `merchant` and `request_bug`
nothing is sent: whoever asks is told that it is ours.
"""

_TAUGHT: Final = """
## What is not in the tables

[How to teach what a refusal means](../how-to/teach-declines.md). `jeonggi decline unknown` counts the texts that
nothing could read, `jeonggi decline classify` teaches what one of them, or a code, means, without a deploy: every
run of every worker reads the lessons anew when it begins. A lesson wins over the table, but makes nothing definite
of a text that doubts itself unless it was taught with `--although-ambiguous`. Attempts that were declined before
keep the code that they have. `jeonggi decline explain` says what reads a text and what follows.
"""


def reference() -> str:
    """The whole page, as Markdown."""
    page = f"{_classes()}{_codes()}{_words()}{_table()}{_TAUGHT}"
    return "\n\n".join(_filled(paragraph) for paragraph in page.split("\n\n"))


def _filled(paragraph: str) -> str:
    if paragraph.startswith(("#", "|", "\n")):
        return paragraph
    end = "\n" if paragraph.endswith("\n") else ""
    return "\n".join(wrap(paragraph, _WIDTH, break_long_words=False, break_on_hyphens=False)) + end


def _classes() -> str:
    head = _HEAD.format(version=TABLE.version, rows=len(TABLE.rows))
    rows = "\n".join(f"| {name} | {_told(step)} |" for name, step in NEXT_STEP.items())
    told = {step.value: _told(step) for step in NextStep}
    days = f"{', '.join(map(str, LADDER_DAYS[:-1]))} and {LADDER_DAYS[-1]}"
    return f"{head}{rows}\n{_STEPS.format(days=days, **told)}"


def _told(step: NextStep) -> str:
    match step:
        case NextStep.LADDER:
            return "ladder"
        case NextStep.NEW_CARD:
            return "waits for a card"
        case NextStep.OPERATOR:
            return "asks an operator"
        case NextStep.RESOLVER:
            return "asks the gateway"
        case NextStep.HALT:
            return "asks an operator, may halt the channel"
        case _:
            assert_never(step)


def _codes() -> str:
    lines = ["\n## Codes\n\n| code | class | what it means | the customer reads | |\n|---|---|---|---|---|"]
    lines += [
        f"| `{code}` | {meaning.decline_class} | {meaning.told} | {meaning.korean} | {meaning.english} |"
        for name in DeclineClass
        for code, meaning in MEANINGS.items()
        if meaning.decline_class is name
    ]
    return "\n".join(lines) + "\n"


def _words() -> str:
    lines = ["\n## Words\n\nIn this order; the first that is found in the text decides.\n\n| word (a pattern) | code |"]
    lines.append("|---|---|")
    lines += [f"| {pattern.replace('|', '&#124;').replace('*', '&#42;')} | {code} |" for code, pattern in KEYWORDS]
    return "\n".join(lines) + "\n"


def _table() -> str:
    found = defaultdict(list)
    for row in TABLE.rows.values():
        found[row.decline_code].append(row.code)
    lines = [
        "\n## KG Inicis codes\n\nEach with the code book's message and our reasons: `gateway/decline_codes.csv`.\n"
    ]
    lines += ["| code | KG Inicis |", "|---|---|"]
    lines += [
        f"| {code} | {' '.join(found[code])} |" for name in DeclineClass for code in codes_of(name) if code in found
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(reference())
