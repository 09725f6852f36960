"""Commands about what was used."""

from dataclasses import asdict
from typing import Annotated

import typer

from billing.resolve_usage import set_usage
from cli.opening import opened_database
from cli.options import Actor, AsJson, DryRun, Limit, Reason, by
from cli.output import as_dict, say, say_json, show_table
from domain.errors import BadInput
from domain.invoice_line import LineKind
from domain.one_off import read_item
from models.queries import listing
from models.queries import usage as queries

app = typer.Typer(no_args_is_help=True, help="What periods used, where a plan bills by use.")

Id = Annotated[str, typer.Argument(metavar="ID", help="Whole, or its first eight hex digits or more.")]


@app.callback()
def _group() -> None:
    """What periods used, where a plan bills by use."""


@app.command("list")
def list_(limit: Limit = 100, as_json: AsJson = False) -> None:
    """Show subscriptions that are due and wait for what a period used, the oldest first, and why."""
    with opened_database() as (settings, database), database.reading() as tx:
        rows = queries.list_waiting(tx, limit=limit)
    if as_json:
        say_json([as_dict(row) for row in rows])
        return
    show_table(
        ("subscription", "customer", "plan", "usage", "period", "due since", "failed", "why", "asked again"),
        [
            (
                row.subscription_id,
                row.customer_ref,
                row.plan,
                row.usage,
                row.ordinal,
                row.due_since,
                row.failures,
                row.reason,
                row.next_at,
            )
            for row in rows
        ],
        settings.timezone,
    )


@app.command("set")
def set_(  # noqa: PLR0913, PLR0917 - each is an option, named by whoever gives it
    subscription: Id,
    ordinal: Annotated[int, typer.Option(metavar="N", help="The period that used it: `usage list` tells which.")],
    reason: Reason,
    amount: Annotated[int | None, typer.Option(metavar="WON", help="What one costs, its tax included.")] = None,
    description: Annotated[str | None, typer.Option(help="What it is, as the customer reads it.")] = None,
    quantity: Annotated[int, typer.Option(help="How many.")] = 1,
    tax_free: Annotated[int, typer.Option(metavar="WON", help="How much of the amount is free of tax.")] = 0,
    none: Annotated[bool, typer.Option("--none", help="Nothing was used.")] = False,
    dry_run: DryRun = False,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Say what a period used, instead of your own code."""
    who = by(actor, reason)
    if none == (amount is not None or description is not None):
        raise BadInput("give either --none or --amount with --description")
    items = []
    if not none:
        item = read_item(
            description=description or "",
            quantity=quantity,
            unit_amount=amount or 0,
            tax_free=tax_free,
            kind=LineKind.USAGE,
        )
        items = [item]
    with opened_database() as (_, database):
        with database.reading() as tx:
            found = listing.find_id(tx, "subscription", subscription)
        told = set_usage(database, found, ordinal, items, by=who, dry_run=dry_run)
    if as_json:
        say_json({**asdict(told), "written": not dry_run})
        return
    would = "would be" if dry_run else "is"
    say(f"period {told.ordinal} used {told.amount:,} won, which {would} on the next invoice")
