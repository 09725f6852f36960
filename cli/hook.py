"""Commands about the gateway's hooks."""

from typing import Annotated

import typer

from cli.opening import opened_database
from cli.options import AsJson, Limit
from cli.output import as_dict, say_json, show_table
from domain.hint import HintOutcome
from models.queries import hint

app = typer.Typer(no_args_is_help=True, help="What the gateway told by itself.")


@app.callback()
def _group() -> None:
    """What the gateway told by itself."""


@app.command("list")
def list_(
    outcome: Annotated[HintOutcome | None, typer.Option(help="Only those that ended so.")] = None,
    limit: Limit = 100,
    before: Annotated[int | None, typer.Option(min=1, help="The last id of the page before.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show hooks, newest first, a page at a time: what they said, and what came of looking."""
    with opened_database() as (settings, database), database.reading() as tx:
        rows = hint.list_hints(tx, outcome=outcome, limit=limit, before=before)
    if as_json:
        say_json([as_dict(row) for row in rows])
        return
    show_table(
        ("id", "came", "by", "says", "imp_uid", "merchant_uid", "times", "looks", "outcome", "closed"),
        [
            (
                str(row.id),
                row.received_at,
                row.channel,
                row.status,
                row.imp_uid,
                row.merchant_uid,
                row.times,
                row.looks,
                row.outcome,
                row.closed_at,
            )
            for row in rows
        ],
        settings.timezone,
    )
