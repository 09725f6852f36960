"""Commands about changes of price that are ahead."""

from typing import Annotated, Any

import typer

from billing.move_price import withdraw_changes
from cli.opening import opened_database
from cli.options import Actor, AsJson, DryRun, Limit, Reason, by
from cli.output import as_dict, say, say_json, show_table
from cli.said import lacking
from domain.errors import BadInput
from models.queries import consent, listing

app = typer.Typer(no_args_is_help=True, help="Changes of price that are ahead, and what each of them lacks.")

OfPlan = Annotated[str | None, typer.Option("--plan", metavar="CODE", help="Only this plan's.")]
OfSubscription = Annotated[
    str | None,
    typer.Option("--subscription", metavar="ID", help="Only this one's: whole, or eight hex digits or more."),
]


@app.callback()
def _group() -> None:
    """Changes of price that are ahead, and what each of them lacks."""


@app.command("list")
def list_(
    plan: OfPlan = None,
    subscription: OfSubscription = None,
    over: Annotated[bool, typer.Option("--all", help="Also those that are decided, or were taken back.")] = False,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """Show changes of price by when they come: what each asks for and lacks, and what comes of it without."""
    with opened_database() as (settings, database), database.reading() as tx:
        subscription_id = listing.find_id(tx, "subscription", subscription) if subscription is not None else None
        rows: Any = consent.list_changes(tx, plan=plan, subscription_id=subscription_id, over=over, limit=limit)
    told = [(row, lacking(row)) for row in rows]
    if as_json:
        say_json([{**as_dict(row), "lacks": missing} for row, missing in told])
        return
    show_table(
        ("subscription", "customer", "plan", "what", "from", "won", "then", "state", "lacks", "without it"),
        [
            (
                row.subscription_id,
                row.customer_ref,
                row.plan,
                row.kind,
                row.effective_at,
                row.old_won,
                row.new_won,
                row.state,
                ", ".join(missing) or "nothing",
                row.otherwise,
            )
            for row, missing in told
        ],
        settings.timezone,
    )


@app.command()
def withdraw(
    reason: Reason,
    plan: OfPlan = None,
    subscription: OfSubscription = None,
    dry_run: DryRun = False,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Take back moves to another price that are ahead, of one subscription or of a whole plan."""
    who = by(actor, reason)
    if (plan is None) == (subscription is None):
        raise BadInput("say --plan or --subscription, one of them")
    with opened_database() as (_, database):
        with database.reading() as tx:
            ids = [listing.find_id(tx, "subscription", subscription)] if subscription is not None else []
        count = withdraw_changes(database, plan=plan, ids=ids, by=who, dry_run=dry_run)
    if as_json:
        say_json({"withdrawn": count, "written": not dry_run})
        return
    say(f"{count:,} changes of price {'would be' if dry_run else 'are'} taken back")
