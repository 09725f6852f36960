"""Commands about one-off items."""

from dataclasses import asdict
from typing import Annotated

import typer

from billing.one_off_items import add_item, remove_item
from cli.opening import opened_database
from cli.options import Actor, AsJson, DryRun, Limit, Reason, by
from cli.output import as_dict, say, say_json, show_table, shown
from domain.one_off import read_item
from models.queries import item as queries
from models.queries import listing

app = typer.Typer(no_args_is_help=True, help="What is owed once, on the next invoice.")

Id = Annotated[str, typer.Argument(metavar="ID", help="Whole, or its first eight hex digits or more.")]


@app.callback()
def _group() -> None:
    """What is owed once, on the next invoice."""


@app.command()
def add(  # noqa: PLR0913, PLR0917 - each is an option, named by whoever gives it
    subscription: Id,
    amount: Annotated[int, typer.Option(metavar="WON", help="What one costs, its tax included.")],
    description: Annotated[str, typer.Option(help="What it is, as the customer reads it.")],
    reason: Reason,
    quantity: Annotated[int, typer.Option(help="How many.")] = 1,
    tax_free: Annotated[int, typer.Option(metavar="WON", help="How much of the amount is free of tax.")] = 0,
    dry_run: DryRun = False,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Put an item on the next invoice of a subscription."""
    who = by(actor, reason)
    item = read_item(description=description, quantity=quantity, unit_amount=amount, tax_free=tax_free)
    with opened_database() as (settings, database):
        with database.reading() as tx:
            found = listing.find_id(tx, "subscription", subscription)
        waits = add_item(database, found, item, by=who, dry_run=dry_run)
    if as_json:
        say_json({**asdict(waits), "item_id": None if dry_run else waits.item_id, "written": not dry_run})
        return
    due = "" if waits.due_at is None else f", due {shown(waits.due_at, settings.timezone)}"
    would = "would be" if dry_run else f"waits as item {waits.item_id}, to be"
    say(f"{waits.description}: {waits.amount:,} won {would} on the invoice of period {waits.ordinal}{due}")


@app.command("list")
def list_(
    customer: Annotated[str | None, typer.Option(metavar="REF", help="Only this customer_ref's.")] = None,
    subscription: Annotated[str | None, typer.Option(metavar="ID", help="Only this subscription's.")] = None,
    over: Annotated[bool, typer.Option("--all", help="Also those that an invoice has, or that were removed.")] = False,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """Show items that wait for an invoice, the newest first."""
    with opened_database() as (settings, database), database.reading() as tx:
        found = listing.find_id(tx, "subscription", subscription) if subscription is not None else None
        rows = queries.list_items(tx, customer_ref=customer, subscription_id=found, over=over, limit=limit)
    if as_json:
        say_json([as_dict(row) for row in rows])
        return
    show_table(
        ("id", "customer", "subscription", "what", "quantity", "won", "since", "by", "reason", "invoice", "removed"),
        [
            (
                row.id,
                row.customer_ref,
                row.subscription_id,
                row.description,
                row.quantity,
                row.amount,
                row.added_at,
                row.added_by,
                row.reason,
                row.invoice_id,
                row.removed_at,
            )
            for row in rows
        ],
        settings.timezone,
    )


@app.command()
def remove(item: Id, reason: Reason, dry_run: DryRun = False, actor: Actor = None, as_json: AsJson = False) -> None:
    """Take an item back that no invoice has yet."""
    who = by(actor, reason)
    with opened_database() as (_, database):
        with database.reading() as tx:
            found = listing.find_id(tx, "item", item)
        removed = remove_item(database, found, by=who, dry_run=dry_run)
    if as_json:
        say_json({**asdict(removed), "written": not dry_run})
    else:
        say(f"{removed.description}: {removed.amount:,} won {'would be' if dry_run else 'is'} taken back")
