"""What the commands about consent and notices share: options, reading a file, telling what was taken and lacks."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from billing.change_subscription import By
from billing.record_consent import CHUNK, Outcome, Recorded
from cli.opening import opened_database
from cli.output import say, say_json, shown, warn
from cli.subscription_import import LISTED, lines_of, opened_file
from domain.consent import ChangeKind, ChangeState, lacks, needs_consent
from domain.consent_file import Statement, read_said_file
from domain.subscription_file import Refused
from models.queries import consent

Id = Annotated[str, typer.Argument(metavar="ID", help="The subscription: whole, or eight hex digits or more.")]
GivenAt = Annotated[str, typer.Option(metavar="INSTANT", help="When, such as 2026-02-20T14:30:00+09:00.")]
ToldAt = Annotated[str, typer.Option(metavar="INSTANT", help="When, such as 2026-02-20T14:30:00+09:00.")]
Through = Annotated[str, typer.Option(metavar="WORD", help="How: web, app, phone, sms, ...")]
TextVersion = Annotated[str | None, typer.Option(help="Which version of the text it was.")]
Ref = Annotated[str | None, typer.Option(help="Where the evidence of it is kept.")]
File = Annotated[Path, typer.Argument(metavar="FILE.csv", help="UTF-8, with a header.")]


def tell_recorded(recorded: Recorded, what: str, zone: ZoneInfo, *, as_json: bool, dry_run: bool) -> None:
    """Say what was written down of one subscription."""
    if as_json:
        say_json({**asdict(recorded), "written": not dry_run})
        return
    would = "would be written down" if dry_run else "is written down"
    say(
        f"{what} {would} for subscription {recorded.subscription_id}: {recorded.old_won:,} won to"
        f" {recorded.new_won:,} won a period from {shown(recorded.effective_at, zone)} on"
    )


def import_said(
    file: Path,
    columns: Sequence[str],
    record: Callable[..., Outcome],
    by: By,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Write down what a file tells; ends with 1 if a row was refused."""
    refused: list[Refused] = []
    with opened_file(file) as stream, opened_database() as (_, database):
        rows = read_said_file(lines_of(stream, lambda _: None), columns)
        outcome = record(database, _chunks(rows, refused), by=by, dry_run=dry_run)
    told = sorted([(row.line, row.reason) for row in refused] + outcome.refused)
    if as_json:
        say_json(
            {
                "recorded": len(outcome.recorded),
                "refused": len(told),
                "refusals": [{"line": line, "reason": reason} for line, reason in told[:LISTED]],
                "written": not dry_run,
            }
        )
    else:
        would = "would be written down" if dry_run else "are written down"
        say(f"{len(outcome.recorded):,} {would}")
        for line, reason in told[:LISTED]:
            warn(f"line {line}: {reason}")
        if len(told) > LISTED:
            warn(f"and {len(told) - LISTED:,} more")
    if told:
        raise typer.Exit(1)


def _chunks(rows: Iterator[Statement | Refused], refused: list[Refused]) -> Iterator[list[Statement]]:
    while chunk := list(islice(rows, CHUNK)):
        refused += [row for row in chunk if isinstance(row, Refused)]
        yield [row for row in chunk if isinstance(row, Statement)]


def lacking(row: Any) -> list[str]:  # noqa: ANN401 - a row of ``list_changes``
    """What a change that is ahead lacks as things stand; nothing: it will be made."""
    if row.state != ChangeState.PLANNED or not needs_consent(ChangeKind(row.kind), old=row.old_unit, new=row.new_unit):
        return []
    return [str(lack) for lack in lacks(consent.agreed_of(row), at=row.effective_at)]
