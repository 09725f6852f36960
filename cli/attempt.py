"""Commands about charge attempts."""

from typing import Annotated

import typer

from cli.opening import opened_database
from cli.options import After, AsJson, Limit
from cli.output import as_dict, say_json, show_table
from models.queries import listing

app = typer.Typer(no_args_is_help=True, help="Requests to move money.")


@app.callback()
def _group() -> None:
    """Requests to move money."""


@app.command("list")
def list_(
    unknown: Annotated[
        bool, typer.Option("--unknown", help="Only those of which nobody knows yet what the gateway did.")
    ] = False,
    operator: Annotated[bool, typer.Option("--operator", help="Only those that wait for an operator.")] = False,
    late: Annotated[
        bool, typer.Option("--late", help="Only those that turned out paid after they had been decided otherwise.")
    ] = False,
    limit: Limit = 100,
    after: After = None,
    as_json: AsJson = False,
) -> None:
    """Show attempts, oldest first, a page at a time."""
    with opened_database() as (settings, database), database.reading() as tx:
        rows = listing.list_attempts(
            tx,
            unknown=unknown,
            operator=operator,
            late=late,
            limit=limit,
            after=listing.find_id(tx, "attempt", after) if after else None,
        )
    if as_json:
        say_json([as_dict(row) for row in rows])
        return
    show_table(
        ("id", "invoice", "no", "merchant_uid", "won", "state", "because", "sent first", "next look-up", "operator"),
        [
            (
                row.id,
                row.invoice_id,
                row.attempt_no,
                row.merchant_uid,
                row.amount,
                row.state,
                row.unknown_reason or row.decline_code,
                row.first_sent_at,
                row.next_look_up_at,
                row.operator_reason,
            )
            for row in rows
        ],
        settings.timezone,
    )
