"""Commands about refusals: what nothing could read, and what an operator teaches about it."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from billing import teach_declines
from cli.opening import opened_database
from cli.options import DECLINE_CODES, Actor, AsJson, DryRun, Reason, by, decline_code_named
from cli.output import as_dict, say, say_json, show_table
from domain.decline import MEANINGS, NextStep, class_of
from domain.outcome import DeclineCode
from gateway.decline_map import Reading
from gateway.decline_table import TABLE
from models.queries import decline

app = typer.Typer(no_args_is_help=True, help="What refusals mean.")

Given = Annotated[
    str, typer.Argument(metavar="TEXT", help="A whole text as `unknown` shows it, or nothing but a code.")
]
_STEPS = {
    NextStep.LADDER: "attempted again by itself, step by step",
    NextStep.NEW_CARD: "waits for a new card",
    NextStep.OPERATOR: "asks an operator; costs the customer nothing",
    NextStep.RESOLVER: "unknown: the gateway is asked until it is certain",
    NextStep.HALT: "asks an operator; a run of them halts the channel; costs the customer nothing",
}


@app.command()
def unknown(
    days: Annotated[int | None, typer.Option(min=1, help="Only of the last so many days.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Also what was taught, or is in the tables, since.")] = False,
    as_json: AsJson = False,
) -> None:
    """Count the texts that nothing could read when they came, the most frequent first."""
    with opened_database() as (settings, database):
        found = teach_declines.unknown_texts(database, days=days, also_read=all_)
    if as_json:
        say_json({"unknown": [asdict(each) for each in found]})
        return
    show_table(
        ("text", "attempts", "won", "first", "last", "reads now"),
        [(each.text, each.attempts, each.won, each.first_at, each.last_at, each.reads_now) for each in found],
        settings.timezone,
    )


@app.command()
def classify(
    text: Given,
    code: Annotated[str, typer.Argument(metavar="CODE", help=f"What it means, of {DECLINE_CODES}.")],
    reason: Reason,
    although_ambiguous: Annotated[
        bool, typer.Option("--although-ambiguous", help="The text doubts itself, and you know that no money moved.")
    ] = False,
    dry_run: DryRun = False,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Teach what a text or a code means from now on; each worker learns it at its next run."""
    wanted = decline_code_named(code)
    with opened_database() as (_, database):
        taught = teach_declines.classify(
            database, text, wanted, by=by(actor, reason), although_ambiguous=although_ambiguous, dry_run=dry_run
        )
    if as_json:
        say_json({**asdict(taught), "decline_class": class_of(wanted), "dry_run": dry_run})
        return
    if not taught.is_new:
        say(f"{taught.kind} {taught.match!r} was taught so already")
        return
    verb = "would read" if dry_run else "reads"
    say(f"{taught.kind} {taught.match!r} {verb} {wanted} ({class_of(wanted)}) from now on; until now: {taught.before}")
    say(f"what follows: {_STEPS[MEANINGS[wanted].next_step]}")
    if taught.unchanged:
        say(f"{taught.unchanged} past attempts keep the code unclassified: what was decided by it stays decided")


@app.command()
def withdraw(
    text: Given, reason: Reason, dry_run: DryRun = False, actor: Actor = None, as_json: AsJson = False
) -> None:
    """Take back what was taught; the tables that come with the engine read it again."""
    with opened_database() as (_, database):
        taken = teach_declines.withdraw(database, text, by=by(actor, reason), dry_run=dry_run)
    if as_json:
        say_json({"kind": taken.kind, "match": taken.match, "was": taken.before, "dry_run": dry_run})
    else:
        say(f"{taken.kind} {taken.match!r} {'would be' if dry_run else 'is'} taken back; it was {taken.before}")


@app.command("list")
def list_(
    history: Annotated[bool, typer.Option("--history", help="Every lesson and withdrawal, the newest first.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what was taught, by whom and why."""
    with opened_database() as (settings, database), database.reading() as tx:
        rows: list[Any] = [*(decline.list_history(tx, limit=1000) if history else decline.list_rules(tx))]
    if as_json:
        say_json({"table_version": TABLE.version, "lessons": [as_dict(row, without=("id",)) for row in rows]})
        return
    show_table(
        ("kind", "what", "means", "class", "although ambiguous", "by", "because", "at"),
        [
            (
                row.kind,
                row.match,
                row.decline_code or "taken back",
                class_of(DeclineCode(row.decline_code)) if row.decline_code else None,
                row.although_ambiguous,
                row.actor,
                row.reason,
                row.recorded_at,
            )
            for row in rows
        ],
        settings.timezone,
    )


@app.command()
def explain(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What the gateway said.")], as_json: AsJson = False
) -> None:
    """Say how a refusal is read, what follows, and what the customer is told."""
    with opened_database() as (settings, database):
        read = teach_declines.explain(database, text)
    meaning = MEANINGS[read.decline_code]
    if as_json:
        say_json(
            {
                "decline_code": read.decline_code,
                "decline_class": meaning.decline_class,
                "next_step": meaning.next_step,
                "read_by": read.by,
                "decided_by": read.told,
                "held_back": None if read.held_back is None else asdict(read.held_back),
                "means": meaning.told,
                "is_ours": meaning.is_ours,
                "korean": meaning.korean,
                "english": meaning.english,
            }
        )
        return
    facts: dict[str, object] = {
        "class": meaning.decline_class,
        "means": meaning.told,
        "read by": _read_by(read),
        "what follows": _STEPS[meaning.next_step],
        "the customer": "is told nothing unless they ask" if meaning.is_ours else "is told:",
        "in Korean": meaning.korean,
        "in English": meaning.english,
    }
    if read.held_back is not None:
        facts["held back"] = f"{read.held_back.decline_code} was taught, but the text doubts itself"
    show_table(("code", read.decline_code.value), facts.items(), settings.timezone)


def _read_by(read: Reading) -> str:
    row = TABLE.rows.get(read.told)
    if row is not None and read.rule is None:
        return f"table {TABLE.version}: {row.code} {row.message}{': ' + row.note if row.note else ''}"
    return f"{read.by}: {read.told}" if read.told else str(read.by)
