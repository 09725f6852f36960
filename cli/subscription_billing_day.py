"""The command that gives a subscription another billing day."""

from dataclasses import asdict
from typing import Annotated

import typer

from billing.move_billing_day import move_billing_day as move
from cli.opening import opened_database
from cli.options import Actor, AsJson, DryRun, Reason, by
from cli.output import say, say_json, show_table, shown
from models.queries import listing

Id = Annotated[str, typer.Argument(metavar="ID", help="Whole, or its first eight hex digits or more.")]


def move_billing_day(
    subscription: Id,
    day: Annotated[int, typer.Option(metavar="N", help="Of the month, 1 to 31; of a shorter one its last.")],
    reason: Reason,
    dry_run: DryRun = False,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Let whole periods begin on another day of the month, after a partial one that costs its share."""
    who = by(actor, reason)
    with opened_database() as (settings, database):
        with database.reading() as tx:
            found = listing.find_id(tx, "subscription", subscription)
        moved = move(database, found, day, by=who, dry_run=dry_run)
    if as_json:
        say_json({**asdict(moved), "written": not dry_run})
        return
    would = "would bill" if dry_run else "bills"
    say(f"subscription {moved.subscription_id} {would} on day {moved.new_day} instead of day {moved.old_day}")
    show_table(
        ("period", "from", "to", "part of a whole one", "won", "due"),
        [
            (
                each.ordinal,
                each.start,
                each.end,
                None if each.days is None else f"{each.days} of {each.of_days} days",
                each.won,
                each.due_at,
            )
            for each in moved.periods
        ],
        settings.timezone,
    )
    if moved.term_ends_at != moved.term_ended_at:
        was, now = (shown(at, settings.timezone) for at in (moved.term_ended_at, moved.term_ends_at))
        say(f"the last of its periods {'would end' if dry_run else 'ends'} {now} instead of {was}")
