"""Options that many commands share, and who the person is."""

import os
import pwd
from difflib import get_close_matches
from typing import Annotated

import typer

from billing.change_subscription import By
from domain.errors import BadInput
from domain.outcome import DeclineCode
from models.queries.listing import PAGE

AsJson = Annotated[bool, typer.Option("--json", help="Answer as one JSON document.")]
Actor = Annotated[str | None, typer.Option(help="Who asks, for the audit; unless given, the system's user name.")]
Reason = Annotated[str, typer.Option(help="Why, for the audit.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and write nothing.")]
SetAside = Annotated[bool, typer.Option("--set-aside", help="Only what an error took out of the way.")]
Limit = Annotated[int, typer.Option(min=1, max=PAGE, help="Rows at most.")]
After = Annotated[str | None, typer.Option(help="The last id of the page before.")]
OfChannel = Annotated[
    str | None, typer.Option("--channel", metavar="NAME", help="Which channel; not needed where there is only one.")
]

DECLINE_CODES = "docs/reference/decline-codes.md"

_LONGEST = 500


def by(actor: str | None, reason: str) -> By:
    """Who asks, and why.

    Raises:
        BadInput: One of them is empty or cannot be printed.
    """
    return By(actor=_told("--actor", actor if actor is not None else _user()), reason=_told("--reason", reason))


def _told(option: str, text: str) -> str:
    text = text.strip()
    if not text or len(text) > _LONGEST or not text.isprintable():
        raise BadInput(f"{option} cannot be used; give 1 to {_LONGEST} printable characters")
    return text


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid-{os.getuid()}"


def decline_code_named(given: str) -> DeclineCode:
    """The decline code of that name.

    Raises:
        BadInput: There is none of that name.
    """
    try:
        return DeclineCode(given)
    except ValueError:
        near = get_close_matches(given, [code.value for code in DeclineCode], n=3)
        raise BadInput(
            f"there is no decline code {given!r}; {'perhaps ' + ' or '.join(near) if near else f'see {DECLINE_CODES}'}"
        ) from None
