"""How far is a command that takes long: a bar on a terminal, and nothing anywhere else."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn


class Bar:
    """A bar on a terminal; nowhere else anything."""

    def __init__(self, *, as_json: bool) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=as_json or not console.is_terminal,
        )

    def __call__(self, step: str, size: int) -> Callable[[int], None]:
        """Begin a step of a size; gives what is told how much of it is done, from any thread."""
        task = self._progress.add_task(step, total=size)
        self._progress.start()
        return lambda count: self._progress.advance(task, count)

    def stop(self) -> None:
        """Give the terminal back, for a question."""
        self._progress.stop()


@contextmanager
def progress_bar(*, as_json: bool) -> Iterator[Bar]:
    """A bar that is gone at the end."""
    bar = Bar(as_json=as_json)
    try:
        yield bar
    finally:
        bar.stop()
