"""Commands about holds."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from billing.hold_charges import place_hold, release_hold
from cli.opening import opened_database, opened_ports
from cli.options import Actor, AsJson, DryRun, Limit, Reason, by
from cli.output import as_dict, say, say_json, show_table, shown
from domain.hold import HoldKind
from domain.stop import read_until
from models.queries import hold, listing

app = typer.Typer(no_args_is_help=True, help="What is not charged for now, of a customer or of one subscription.")

OfSubscription = Annotated[
    str | None, typer.Option("--subscription", metavar="ID", help="This one: whole, or eight hex digits or more.")
]


@app.callback()
def _group() -> None:
    """What is not charged for now, of a customer or of one subscription."""


@app.command()
def place(
    reason: Reason,
    reason_kind: Annotated[HoldKind, typer.Option(help="What it is about.")],
    until: Annotated[
        str, typer.Option(metavar="DATE|none", help="The date on which it is over; none: when somebody releases it.")
    ],
    customer: Annotated[
        str | None, typer.Option(metavar="REF", help="All subscriptions of this customer_ref, those to come too.")
    ] = None,
    subscription: OfSubscription = None,
    dry_run: DryRun = False,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Claim no charge of theirs while it stands; periods go on being opened, and wait."""
    who, day = by(actor, reason), read_until("--until", until)
    with opened_ports() as (settings, ports):
        with ports.database.reading() as tx:
            subscription_id = listing.find_id(tx, "subscription", subscription) if subscription is not None else None
        placed = place_hold(
            ports,
            customer_ref=customer,
            subscription_id=subscription_id,
            kind=reason_kind,
            until=day,
            by=who,
            dry_run=dry_run,
        )
    if as_json:
        say_json({**asdict(placed), "hold_id": None if dry_run else placed.hold_id, "written": not dry_run})
        return
    end = "somebody releases it" if placed.until is None else shown(placed.until, settings.timezone)
    what = f"{placed.subscriptions} subscriptions until {end}"
    say(f"this would hold {what}" if dry_run else f"hold {placed.hold_id} holds {what}")
    say(
        f"{placed.due} charges of {placed.won:,} won are due and wait; {placed.under_way} were claimed before and"
        " are not stopped by it"
    )


@app.command()
def release(
    hold_id: Annotated[str, typer.Argument(metavar="ID", help="Whole, or its first eight hex digits or more.")],
    reason: Reason,
    dry_run: DryRun = False,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """End a hold: what waited behind it alone is charged from the next tick on."""
    who = by(actor, reason)
    with opened_ports() as (_, ports):
        with ports.database.reading() as tx:
            found = listing.find_id(tx, "hold", hold_id)
        released = release_hold(ports, found, by=who, dry_run=dry_run)
    if as_json:
        say_json({**asdict(released), "written": not dry_run})
        return
    would = "would be" if dry_run else "is"
    say(f"hold {found} {would} released: {released.due} charges of {released.won:,} won are due at once")
    if released.still_held:
        say(f"{released.still_held} subscriptions are held by another one: `jeonggi hold list`")


@app.command("list")
def list_(
    customer: Annotated[str | None, typer.Option(metavar="REF", help="Only this customer_ref's.")] = None,
    subscription: OfSubscription = None,
    over: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """Show holds, the newest first, with what is due behind each."""
    with opened_database() as (settings, database), database.reading() as tx:
        subscription_id = listing.find_id(tx, "subscription", subscription) if subscription is not None else None
        rows: Any = hold.list_holds(tx, customer_ref=customer, subscription_id=subscription_id, over=over, limit=limit)
    if as_json:
        say_json([as_dict(row) for row in rows])
        return
    show_table(
        ("id", "customer", "subscription", "kind", "since", "until", "state", "due", "won", "by", "reason"),
        [
            (
                row.id,
                row.customer_ref,
                row.subscription_id or "all",
                row.kind,
                row.placed_at,
                row.until or "released",
                "over" if row.is_over else row.state,
                row.due_charges,
                row.due_won,
                row.placed_by,
                row.reason,
            )
            for row in rows
        ],
        settings.timezone,
    )
