"""The command that imports subscriptions: what it would make due first, then the writing."""

import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer

from billing.admit_subscriptions import ROWS_BECAME, Tally, Terms
from billing.import_subscriptions import Import, Survey, import_subscriptions, survey_subscriptions
from cli.bar import progress_bar
from cli.opening import opened_database
from cli.options import Actor, AsJson, DryRun, OfChannel, by
from cli.output import say, say_json, warn
from domain.errors import BadInput
from domain.subscription_file import LONGEST_LINE, Refused
from runtime.wiring import chosen_channel, namespace_of

#: Rows that a JSON answer lists of one kind, such as the refused ones; their number is told whole.
LISTED = 1_000

File = Annotated[Path, typer.Argument(metavar="FILE.csv", help="UTF-8, with a header.")]
Strict = Annotated[bool, typer.Option("--strict", help="Refuse all rows if one is refused.")]
Update = Annotated[bool, typer.Option("--update", help="Let name, email and tel of known customers change.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask before money falls due.")]


def import_(
    file: File,
    dry_run: DryRun = False,
    strict: Strict = False,
    update: Update = False,
    yes: Yes = False,
    channel: OfChannel = None,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Write the subscriptions of a file; bad rows are refused by line, good ones are kept."""
    who = by(actor, f"import of {file.name}")
    refusals = _Refusals(as_json=as_json)
    with (
        opened_file(file) as stream,
        opened_database() as (settings, database),
        progress_bar(as_json=as_json) as progress,
    ):
        size = os.fstat(stream.fileno()).st_size
        terms = Terms(
            namespace=namespace_of(database),
            max_behind=settings.max_periods_behind,
            update=update,
            channels=[each.name for each in settings.channels],
            channel=chosen_channel(settings, channel) if channel or len(settings.channels) == 1 else None,
        )

        def wanted(step: str) -> Import:
            return Import(
                lines=lambda: lines_of(stream, progress(step, size)),
                default_timezone=settings.timezone.key,
                terms=terms,
                refused=refusals,
            )

        survey = survey_subscriptions(database, wanted("checking"))
        is_refused = strict and refusals.count > 0
        is_written = not dry_run and not is_refused
        if is_written:
            if not as_json:
                _tell(file, survey, is_written=False)
            if not yes and not as_json and asks() and _is_money_due(survey.tally):
                progress.stop()
                typer.confirm("Go on?", abort=True, err=True)
            survey = import_subscriptions(database, wanted("writing"), by=who, file_name=file.name)
    if as_json:
        say_json({**_document(survey), **refusals.document(), "written": is_written})
    else:
        _tell(file, survey, is_written=is_written)
    if is_refused and not dry_run:
        warn(f"--strict: nothing was written, for {refusals.count:,} rows are refused")
    if refusals.count:
        raise typer.Exit(1)


class _Refusals:
    """Tells each refused row once, however often the file is read."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._lines: set[int] = set()
        self._listed: list[Refused] = []

    def __call__(self, refused: Refused) -> None:
        if refused.line in self._lines:
            return
        self._lines.add(refused.line)
        if len(self._listed) < LISTED:
            self._listed.append(refused)
        if not self._as_json:
            warn(f"line {refused.line}: {refused.reason}")

    @property
    def count(self) -> int:
        return len(self._lines)

    def document(self) -> dict[str, Any]:
        return {
            "refused_count": self.count,
            "refused": [{"line": refused.line, "reason": refused.reason} for refused in self._listed],
        }


@contextmanager
def opened_file(file: Path) -> Iterator[BinaryIO]:
    """A file that may be read more than once.

    Raises:
        BadInput: It cannot be read, or is not an ordinary file.
    """
    try:
        stream = file.open("rb")
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {(error.strerror or 'no such file').lower()}") from error
    with stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise BadInput(f"{file} is not an ordinary file; it is read twice, so save it first")
        yield stream


def lines_of(stream: BinaryIO, done: Callable[[int], None]) -> Iterator[bytes]:
    """Its lines from the beginning; ``done`` is told the bytes of each."""
    stream.seek(0)
    while line := stream.readline(LONGEST_LINE + 1):
        done(len(line))
        yield line


def asks() -> bool:
    """Whether somebody is there to be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def _is_money_due(tally: Tally) -> bool:
    return tally.due_count + tally.spread_count > 0


def _tell(file: Path, survey: Survey, *, is_written: bool) -> None:
    tally, rows = survey.tally, survey.tally.rows
    made, due = ("new", "due at once") if is_written else ("would be new", "would be due at once")
    say(
        f"{file}: {rows.total():,} rows: {rows['created']:,} {made}, {rows['unchanged']:,} stand as they are,"
        f" {rows['updated']:,} with changed contact data, {rows['refused']:,} refused"
    )
    say(f"{due}: {tally.due_count:,} charges, {tally.due_won:,} won")
    if tally.spread_count:
        say(
            f"spread over the next days, at most one a customer and day: {tally.spread_count:,} charges,"
            f" {tally.spread_won:,} won"
        )
    for reason, count in sorted(tally.skipped.items()):
        say(f"never charged ({reason.replace('_', ' ')}): {count:,} periods")
    if tally.trials:
        say(f"within a trial: {tally.trials:,} subscriptions, free until consent and a notice in time make them paid")
    if tally.kept_price:
        say(f"at an older price of their plan, for they paid no more: {tally.kept_price:,} subscriptions")
    if tally.pending:
        say(f"waiting for a card: {tally.pending:,} subscriptions")
    if survey.ignored_columns:
        say(f"columns that are not read: {', '.join(survey.ignored_columns)}")


def _document(survey: Survey) -> dict[str, Any]:
    tally = survey.tally
    return {
        "rows": {name: tally.rows[name] for name in ROWS_BECAME},
        "due_at_once": {"charges": tally.due_count, "won": tally.due_won},
        "spread": {"charges": tally.spread_count, "won": tally.spread_won},
        "skipped_periods": dict(tally.skipped),
        "waiting_for_a_card": tally.pending,
        "trials": tally.trials,
        "kept_price": tally.kept_price,
        "ignored_columns": survey.ignored_columns,
    }
