"""Commands about customers' credit."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from billing.customer_credit import grant_credit, list_credit, withdraw_credit
from cli.opening import opened_database
from cli.options import Actor, AsJson, DryRun, Limit, Reason, by
from cli.output import as_dict, say, say_json, show_table

if TYPE_CHECKING:
    from billing.customer_credit import CreditMoved

app = typer.Typer(no_args_is_help=True, help="What a customer was given, and their next invoices are lowered by.")

Customer = Annotated[str, typer.Argument(metavar="REF", help="Their customer_ref.")]
Amount = Annotated[int, typer.Option(metavar="WON", help="How much.")]


@app.callback()
def _group() -> None:
    """What a customer was given, and their next invoices are lowered by."""


@app.command()
def grant(
    customer: Customer,
    amount: Amount,
    reason: Reason,
    dry_run: DryRun = False,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Give a customer credit."""
    who = by(actor, reason)
    with opened_database() as (_, database):
        moved = grant_credit(database, customer, amount, by=who, dry_run=dry_run)
    _told(moved, dry_run=dry_run, as_json=as_json)


@app.command()
def withdraw(
    customer: Customer,
    amount: Amount,
    reason: Reason,
    dry_run: DryRun = False,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Take credit back that is not used."""
    who = by(actor, reason)
    with opened_database() as (_, database):
        moved = withdraw_credit(database, customer, amount, by=who, dry_run=dry_run)
    _told(moved, dry_run=dry_run, as_json=as_json)


@app.command("list")
def list_(customer: Customer, limit: Limit = 100, as_json: AsJson = False) -> None:
    """Show what a customer has of credit, and what made it, the newest first."""
    with opened_database() as (settings, database), database.reading() as tx:
        balance, rows = list_credit(tx, customer, limit=limit)
    if as_json:
        say_json({"customer_ref": customer, "balance": balance, "entries": [as_dict(row) for row in rows]})
        return
    say(f"customer {customer} has {balance:,} won of credit")
    show_table(
        ("at", "what", "won", "invoice", "by", "reason"),
        [(row.recorded_at, row.kind, row.amount, row.invoice_id, row.actor, row.reason) for row in rows],
        settings.timezone,
    )


def _told(moved: "CreditMoved", *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        say_json({**asdict(moved), "written": not dry_run})
        return
    would = "would have" if dry_run else "has"
    say(f"customer {moved.customer_ref} {would} {moved.balance:,} won of credit ({moved.amount:+,})")
