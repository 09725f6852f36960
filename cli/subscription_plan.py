"""The command that gives a subscription another plan."""

from dataclasses import asdict
from typing import Annotated

import typer

from billing.change_plan import change_plan as change
from cli.opening import opened_database
from cli.options import Actor, AsJson, DryRun, Reason, by
from cli.output import say, say_json, shown
from cli.settled import tell_settled
from models.queries import listing

Id = Annotated[str, typer.Argument(metavar="ID", help="Whole, or its first eight hex digits or more.")]
Now = Annotated[
    bool,
    typer.Option("--now", help="From today on: the days left of what runs are charged for, or given as credit."),
]


def change_plan(
    subscription: Id,
    plan: Annotated[str, typer.Argument(metavar="PLAN", help="The other plan's code.")],
    reason: Reason,
    quantity: Annotated[int | None, typer.Option(min=1, help="Units of it; unless given, as many as it has.")] = None,
    now: Now = False,
    dry_run: DryRun = False,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Let a subscription have another plan, from its next period on or from today."""
    who = by(actor, reason)
    with opened_database() as (settings, database):
        with database.reading() as tx:
            found = listing.find_id(tx, "subscription", subscription)
        changed = change(database, found, plan.strip(), quantity=quantity, now=now, by=who, dry_run=dry_run)
    if as_json:
        say_json({**asdict(changed), "written": not dry_run})
        return
    would = "would cost" if dry_run else "costs"
    say(
        f"{changed.new_plan} instead of {changed.old_plan}: from period {changed.ordinal}, which begins"
        f" {shown(changed.period_start, settings.timezone)} and is due {shown(changed.due_at, settings.timezone)}, it"
        f" {would} {changed.new_won:,} won a period instead of {changed.old_won:,}"
    )
    tell_settled(changed.settled, dry_run=dry_run)
