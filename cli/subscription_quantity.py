"""The command that gives a subscription another quantity."""

from dataclasses import asdict
from typing import Annotated

import typer

from billing.change_quantity import change_quantity as change
from cli.opening import opened_database
from cli.options import Actor, AsJson, DryRun, Reason, by
from cli.output import say, say_json, shown
from cli.settled import tell_settled
from models.queries import listing

Id = Annotated[str, typer.Argument(metavar="ID", help="Whole, or its first eight hex digits or more.")]
Now = Annotated[
    bool,
    typer.Option("--now", help="Within the period that runs, too: its days left are charged for, or given as credit."),
]


def change_quantity(
    subscription: Id,
    quantity: Annotated[int, typer.Argument(metavar="N", help="Units of its plan, from 1 on.")],
    reason: Reason,
    now: Now = False,
    dry_run: DryRun = False,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Let a subscription have another quantity, from its next period on or from today."""
    who = by(actor, reason)
    with opened_database() as (settings, database):
        with database.reading() as tx:
            found = listing.find_id(tx, "subscription", subscription)
        changed = change(database, found, quantity, now=now, by=who, dry_run=dry_run)
    if as_json:
        say_json({**asdict(changed), "written": not dry_run})
        return
    due = "" if changed.due_at is None else f", due {shown(changed.due_at, settings.timezone)}"
    would = "would cost" if dry_run else "costs"
    say(
        f"{changed.new_quantity:,} instead of {changed.old_quantity:,}: from period {changed.ordinal}{due}, its plan"
        f" {would} {changed.new_won:,} won a period instead of {changed.old_won:,}"
    )
    tell_settled(changed.settled, dry_run=dry_run)
