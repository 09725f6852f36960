"""Commands about what was foreseen for a day, and how that day differed from it."""

from datetime import date, datetime
from typing import Annotated

import typer

from cli.opening import opened_database
from cli.options import AsJson, Limit
from cli.output import as_dict, say, say_json, show_table
from domain.errors import NotFound
from models.queries import forecast

app = typer.Typer(no_args_is_help=True, help="What was foreseen for a day the evening before, and what came of it.")

Day = Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], metavar="DAY", help="Such as 2026-03-01.")]


@app.callback()
def _group() -> None:
    """What was foreseen for a day the evening before, and what came of it."""


@app.command("list")
def list_(limit: Limit = 31, as_json: AsJson = False) -> None:
    """Show the days whose forecast was kept, the newest first, with how many periods came otherwise."""
    with opened_database() as (settings, database), database.reading() as tx:
        rows = forecast.list_days(tx, limit=limit)
    if as_json:
        say_json([as_dict(row) for row in rows])
        return
    show_table(
        ("day", "kept", "charges", "won", "compared", "differences", "unexplained"),
        [
            (row.day, row.kept_at, row.charges, row.won, row.compared_at, row.differences, row.unexplained)
            for row in rows
        ],
        settings.timezone,
    )


@app.command()
def show(day: Day, limit: Limit = 100, as_json: AsJson = False) -> None:
    """Show what of a day came otherwise than foreseen, and why; what nothing explains comes first."""
    asked: date = day.date()
    with opened_database() as (settings, database), database.reading() as tx:
        if not forecast.is_kept(tx, asked):
            raise NotFound(f"no forecast of {asked} was kept; `jeonggi forecast-day list` tells of which days")
        rows = forecast.kept_differences(tx, asked, limit=limit)
    if as_json:
        say_json([as_dict(row) for row in rows])
        return
    if not rows:
        say(f"nothing of {asked} came otherwise than foreseen, or it was not compared yet")
        return
    show_table(
        ("subscription", "customer", "period", "won foreseen", "won opened", "because of"),
        [
            (row.subscription_id, row.customer_ref, row.ordinal, row.foreseen, row.opened, row.cause or "NOTHING KNOWN")
            for row in rows
        ],
        settings.timezone,
    )
