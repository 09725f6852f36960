"""Live progress: due, in flight, paid, declined, unknown. A drawn line on a terminal, a written one elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from cli.output import say
from models.queries import progress

if TYPE_CHECKING:
    from types import TracebackType

    from cli.up_programs import Installation
    from models.queries.progress import Progress

_LINES_APART: Final = 5  # looks between two written lines: about a second


class Watch:
    """Looks at the work and shows it, for as long as it is entered."""

    def __init__(self, house: Installation, *, quiet: bool) -> None:
        self._house = house
        self._quiet = quiet
        self._console = Console(stderr=True)
        self._live = Live(console=self._console, refresh_per_second=5, transient=True)
        self._looks = 0
        self._said = ""
        with house.database.reading() as tx:
            self._since = progress.last_event(tx)

    def __enter__(self) -> Self:
        """Begin to show."""
        if self._is_drawn:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Leave the terminal as it was."""
        if self._is_drawn:
            self._live.stop()

    def look(self) -> Progress:
        """Look, and show what is seen."""
        with self._house.database.reading() as tx:
            seen = progress.progress(tx, since_event=self._since)
        if self._is_drawn:
            self._live.update(self._drawn(seen))
        elif not self._quiet:
            self._write(seen)
        return seen

    @property
    def _is_drawn(self) -> bool:
        return self._console.is_terminal and not self._quiet

    def _drawn(self, seen: Progress) -> Table:
        table = Table(title=f"{seen.now.astimezone(self._house.settings.timezone):%Y-%m-%d %H:%M:%S %Z}")
        for name in ("due", "in flight", "paid", "declined", "unknown", "for an operator"):
            table.add_column(name, justify="right")
        values = (seen.due, seen.in_flight, seen.paid, seen.declined, seen.unknown, seen.before_operator)
        table.add_row(*(f"{value:,}" for value in values))
        return table

    def _write(self, seen: Progress) -> None:
        line = (
            f"due {seen.due:,}  in flight {seen.in_flight:,}  paid {seen.paid:,}  declined {seen.declined:,}"
            f"  unknown {seen.unknown:,}"
        )
        self._looks += 1
        if line != self._said and self._looks % _LINES_APART == 1:
            self._said = line
            say(f"{seen.now.astimezone(self._house.settings.timezone):%Y-%m-%d %H:%M:%S}  {line}")
