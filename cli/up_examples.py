"""The examples that come with the simulator: real files, imported by the same commands that a merchant uses."""

from __future__ import annotations

from contextlib import nullcontext, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cli import plan, subscription_import
from cli.up_simulator import spread_over_channels

if TYPE_CHECKING:
    from cli.up_programs import Installation

EXAMPLES: Final = Path(__file__).parent.parent / "examples"


def import_examples(house: Installation, *, quiet: bool) -> None:
    """Import them with the simulator; with a gateway that is set, nothing."""
    if house.settings.has_gateway:
        return
    with redirect_stdout(StringIO()) if quiet else nullcontext():
        plan.import_(EXAMPLES / "plans.toml")
        file = spread_over_channels(EXAMPLES / "subscriptions.csv", house.settings, house.state.path)
        subscription_import.import_(file, yes=True)
