"""Commands about plans."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from billing.import_plans import import_plans
from cli import plan_price
from cli.opening import opened_database
from cli.options import Actor, AsJson, DryRun, Limit, by
from cli.output import as_dict, say, say_json, show_table, warn
from domain.billing_period import Billed
from domain.business_day import Shift
from domain.errors import BadInput
from domain.plan_file import MAXIMUM_BYTES, read_plan_file
from domain.schedule import BILLING_TIME
from models.queries import importing

if TYPE_CHECKING:
    from billing.import_plans import PlansImported

app = typer.Typer(no_args_is_help=True, help="What is sold, and how often it is billed.")
app.add_typer(plan_price.app, name="price")

File = Annotated[Path, typer.Argument(metavar="FILE.toml", help="Plans, each begun by a line [[plan]].")]


@app.command("import")
def import_(file: File, dry_run: DryRun = False, actor: Actor = None, as_json: AsJson = False) -> None:
    """Write the plans of a file: all of them, or none if one is wrong."""
    plans = read_plan_file(_content(file))
    who = by(actor, f"import of {file.name}")
    with opened_database() as (settings, database):
        found = import_plans(database, plans, by=who, timezone=settings.timezone.key, dry_run=dry_run)
    if as_json:
        say_json(
            {
                "created": found.created,
                "unchanged": found.unchanged,
                "written": not dry_run,
                "cron": [
                    {
                        "plan": code,
                        "next_dates": [f"{fire:%Y-%m-%dT%H:%M}" for fire in review.next_dates],
                        "warnings": review.warnings,
                    }
                    for code, review in found.reviews
                ],
            }
        )
        return
    _tell_reviews(found)
    would = "would be new" if dry_run else "new"
    say(f"{file}: {len(plans)} plans: {len(found.created)} {would}, {len(found.unchanged)} stand as they are")


@app.command("list")
def list_(
    limit: Limit = 100,
    after: Annotated[str | None, typer.Option(help="The last code of the page before.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show plans with their price of now."""
    with opened_database() as (settings, database), database.reading() as tx:
        rows = importing.plans_page(tx, limit=limit, after=after)
    if as_json:
        say_json([as_dict(row, without=("plan_price_id",)) for row in rows])
        return
    show_table(
        ("code", "name", "won", "every or cron", "charged", "catch_up", "after_outage", "term"),
        [
            (
                row.code,
                row.name,
                row.amount,
                row.every or row.cron,
                _charged(row),
                row.catch_up,
                row.after_outage,
                _term(row),
            )
            for row in rows
        ],
        settings.timezone,
    )


def _charged(row: Any) -> str:  # noqa: ANN401 - a row of plans
    """When, as a person says it."""
    told = ["in arrears"] if row.billed == Billed.IN_ARREARS else []
    told += [] if row.billing_day is None else [f"on day {row.billing_day}"]
    if row.every is not None:
        told.append(f"at {row.charge_time or BILLING_TIME:%H:%M}")
    if row.spread_minutes:
        told.append(f"over {row.spread_minutes} minutes")
    if row.shift != Shift.NONE:
        told.append(f"{row.shift} business day")
    return ", ".join(told)


def _term(row: Any) -> str:  # noqa: ANN401 - a row of plans
    told = [] if row.periods is None else [f"{row.periods} periods"]
    return ", ".join(told if row.minimum_periods is None else [*told, f"bound for {row.minimum_periods}"])


def _content(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(MAXIMUM_BYTES + 1)
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {(error.strerror or 'no such file').lower()}") from error


def _tell_reviews(found: "PlansImported") -> None:
    for code, review in found.reviews:
        for warning in review.warnings:
            warn(f"warning: plan {code!r}: {warning}")
        say(f"plan {code!r} bills next on:")
        for fire in review.next_dates:
            say(f"  {fire:%Y-%m-%d %H:%M %a}")
