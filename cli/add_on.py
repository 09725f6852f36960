"""Commands about add-ons."""

from dataclasses import asdict
from typing import Annotated

import typer

from billing.add_ons import add_add_on, end_add_on
from cli.opening import opened_database
from cli.options import Actor, AsJson, DryRun, Limit, Reason, by
from cli.output import as_dict, say, say_json, show_table, shown
from domain.invoice_line import LineKind
from domain.one_off import read_item
from models.queries import add_on as queries
from models.queries import listing

app = typer.Typer(no_args_is_help=True, help="What is owed with every period beside a plan.")

Id = Annotated[str, typer.Argument(metavar="ID", help="Whole, or its first eight hex digits or more.")]


@app.callback()
def _group() -> None:
    """What is owed with every period beside a plan."""


@app.command()
def add(  # noqa: PLR0913, PLR0917 - each is an option, named by whoever gives it
    subscription: Id,
    amount: Annotated[int, typer.Option(metavar="WON", help="What one costs a period, its tax included.")],
    description: Annotated[str, typer.Option(help="What it is, as the customer reads it.")],
    reason: Reason,
    quantity: Annotated[int, typer.Option(help="How many.")] = 1,
    tax_free: Annotated[int, typer.Option(metavar="WON", help="How much of the amount is free of tax.")] = 0,
    periods: Annotated[int | None, typer.Option(help="For so many; unless given, until it is ended.")] = None,
    dry_run: DryRun = False,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Let a subscription owe something more with every period, from its next invoice on."""
    who = by(actor, reason)
    item = read_item(
        description=description, quantity=quantity, unit_amount=amount, tax_free=tax_free, kind=LineKind.ADD_ON
    )
    with opened_database() as (settings, database):
        with database.reading() as tx:
            found = listing.find_id(tx, "subscription", subscription)
        runs = add_add_on(database, found, item, periods=periods, by=who, dry_run=dry_run)
    if as_json:
        say_json({**asdict(runs), "add_on_id": None if dry_run else runs.add_on_id, "written": not dry_run})
        return
    due = "" if runs.due_at is None else f", due {shown(runs.due_at, settings.timezone)}"
    until = "" if runs.until is None else f" until before period {runs.until}"
    would = "would be" if dry_run else f"is add-on {runs.add_on_id},"
    say(f"{runs.description}: {runs.amount:,} won a period {would} owed from period {runs.first}{due}{until}")


@app.command("list")
def list_(
    customer: Annotated[str | None, typer.Option(metavar="REF", help="Only this customer_ref's.")] = None,
    subscription: Annotated[str | None, typer.Option(metavar="ID", help="Only this subscription's.")] = None,
    over: Annotated[bool, typer.Option("--all", help="Also those that no later period owes.")] = False,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """Show add-ons, the newest first."""
    with opened_database() as (settings, database), database.reading() as tx:
        found = listing.find_id(tx, "subscription", subscription) if subscription is not None else None
        rows = queries.list_add_ons(tx, customer_ref=customer, subscription_id=found, over=over, limit=limit)
    if as_json:
        say_json([as_dict(row) for row in rows])
        return
    show_table(
        ("id", "customer", "subscription", "what", "quantity", "won", "from period", "before", "by", "reason"),
        [
            (
                row.id,
                row.customer_ref,
                row.subscription_id,
                row.description,
                row.quantity,
                row.amount,
                row.first_ordinal,
                row.until_ordinal,
                row.added_by,
                row.reason,
            )
            for row in rows
        ],
        settings.timezone,
    )


@app.command()
def end(add_on: Id, reason: Reason, dry_run: DryRun = False, actor: Actor = None, as_json: AsJson = False) -> None:
    """Let no later period owe it; what is opened already keeps it."""
    who = by(actor, reason)
    with opened_database() as (_, database):
        with database.reading() as tx:
            found = listing.find_id(tx, "add-on", add_on)
        ended = end_add_on(database, found, by=who, dry_run=dry_run)
    if as_json:
        say_json({**asdict(ended), "written": not dry_run})
    else:
        would = "would be" if dry_run else "is"
        say(f"{ended.description}: {ended.amount:,} won a period {would} owed no more from period {ended.until} on")
