"""Commands about maintenance windows."""

from typing import TYPE_CHECKING, Annotated

import typer

from billing import windows
from cli.opening import opened_database
from cli.options import Actor, AsJson, DryRun, Reason, by
from cli.output import as_dict, say, say_json, show_table
from domain.errors import BadInput
from domain.instants import zone
from domain.window import NAMES_OF_DAYS, Window, is_closed, occurrences, read_time, read_weekdays
from models.queries import brake, listing

if TYPE_CHECKING:
    from domain.window import Span

app = typer.Typer(no_args_is_help=True, help="Times at which no automatic charge is made.")

_LONGEST_CODE = 10


@app.callback()
def _group() -> None:
    """Times at which no automatic charge is made."""


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Show every window, and when it next begins or how long it lasts now."""
    with opened_database() as (settings, database), database.reading() as tx:
        rows = [(row, brake.window_of(row)) for row in brake.list_windows(tx)]
        spans = {row.id: next(occurrences(window, after=tx.now), None) for row, window in rows}
        closed = {row.id: is_closed(window, tx.now) for row, window in rows}
    if as_json:
        say_json(
            [
                {
                    **as_dict(row),
                    "begins": f"{row.begins:%H:%M}",
                    "ends": f"{row.ends:%H:%M}",
                    "is_closed": closed[row.id],
                    "next_begins": None if (span := spans[row.id]) is None else span.begin,
                    "next_ends": None if span is None else span.end,
                }
                for row, _ in rows
            ]
        )
        return
    show_table(
        ("id", "channel", "issuer", "times", "days", "now", "begins next", "ends", "note"),
        [
            (
                row.id,
                row.channel or "every",
                row.issuer_code or "every",
                _times(window),
                _days(window),
                "closed" if closed[row.id] else "open",
                None if (span := spans[row.id]) is None else span.begin,
                None if span is None else span.end,
                row.note,
            )
            for row, window in rows
        ],
        settings.timezone,
    )


@app.command()
def add(  # noqa: PLR0913, PLR0917 - each is an option, named by whoever gives it
    reason: Reason,
    begins: Annotated[str, typer.Option("--from", metavar="HH:MM", help="When it begins, such as 23:20.")],
    ends: Annotated[
        str, typer.Option("--to", metavar="HH:MM", help="When it ends; at or before --from: on the next day.")
    ],
    channel: Annotated[str | None, typer.Option(help="Whose charges wait; unless given, every channel's.")] = None,
    issuer: Annotated[
        str | None, typer.Option(help="The card company's code, for its cards only, as payments tell it (such as 366).")
    ] = None,
    timezone: Annotated[str, typer.Option(help="The zone of its times, an IANA name.")] = "Asia/Seoul",
    days: Annotated[
        str, typer.Option(help=f"Days of the week on which it begins ({','.join(NAMES_OF_DAYS)}); unless given, all.")
    ] = "",
    nth: Annotated[int, typer.Option(help="Only the n-th such day of a month (1 to 5); 0: all of them.")] = 0,
    dry_run: DryRun = False,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Hold automatic charges back at these times; what an operator asks for goes through."""
    who = by(actor, reason)
    window = Window(
        begins=read_time("--from", begins),
        ends=read_time("--to", ends),
        zone_name=zone(timezone).key,
        weekdays=read_weekdays(days),
        nth=nth,
        issuer_code=_issuer(issuer),
    )
    with opened_database() as (settings, database):
        window_id = windows.add_window(database, window, channel=channel, by=who, dry_run=dry_run)
        with database.reading() as tx:
            span = next(occurrences(window, after=tx.now), None)
    if as_json:
        say_json({"id": None if dry_run else window_id, "written": not dry_run, **_span_json(span)})
        return
    told = f"{_times(window)}, {_days(window)}"
    say(f"window {told} would be added" if dry_run else f"window {window_id} is added: {told}")
    if span is None:
        say("it does not come within a year")
    else:
        at = settings.timezone
        begin, end = span.begin.astimezone(at), span.end.astimezone(at)
        say(f"it begins next at {begin:%Y-%m-%d %H:%M} and ends at {end:%Y-%m-%d %H:%M}")


@app.command()
def remove(
    window: Annotated[str, typer.Argument(metavar="ID", help="Whole, or its first eight hex digits or more.")],
    reason: Reason,
    dry_run: DryRun = False,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Take a window away: what it holds back is charged from the next tick on."""
    who = by(actor, reason)
    with opened_database() as (_, database):
        with database.reading() as tx:
            window_id = listing.find_id(tx, "window", window)
        found = windows.remove_window(database, window_id, by=who, dry_run=dry_run)
    if as_json:
        say_json({"id": window_id, "written": not dry_run})
        return
    would = "would be" if dry_run else "is"
    say(f"window {window_id} ({_times(brake.window_of(found))}) {would} removed")


def _issuer(code: str | None) -> str | None:
    if code is None:
        return None
    if not (code.isascii() and code.isalnum() and len(code) <= _LONGEST_CODE):
        raise BadInput(f"--issuer {code[:20]!r} is no card company's code; give letters and digits, such as 366")
    return code


def _span_json(span: "Span | None") -> dict[str, object]:
    return {
        "next_begins": None if span is None else span.begin,
        "next_ends": None if span is None else span.end,
    }


def _times(window: Window) -> str:
    return f"{window.begins:%H:%M}-{window.ends:%H:%M} {window.zone_name}"


def _days(window: Window) -> str:
    if not window.weekdays:
        return "every day"
    names = ",".join(NAMES_OF_DAYS[day - 1] for day in sorted(window.weekdays))
    return f"{names} no. {window.nth} of the month" if window.nth else names
