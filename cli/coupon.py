"""Commands about coupons."""

from datetime import date
from typing import Annotated

import typer

from billing.coupons import CouponTerms, add_coupon, close_coupon, list_coupons
from cli.opening import opened_database
from cli.options import Actor, AsJson, DryRun, Limit, Reason, by
from cli.output import as_dict, say, say_json, show_table
from domain.coupon import Discount, read_code, read_discount
from domain.errors import BadInput

app = typer.Typer(no_args_is_help=True, help="Codes that take something off a plan's price.")

Code = Annotated[str, typer.Argument(metavar="CODE", help="As customers type it; capitals or not.")]


@app.callback()
def _group() -> None:
    """Codes that take something off a plan's price."""


@app.command()
def add(  # noqa: PLR0913, PLR0917 - each is an option, named by whoever gives it
    code: Code,
    reason: Reason,
    percent: Annotated[int | None, typer.Option(help="So much of what the plan costs; or")] = None,
    won: Annotated[int | None, typer.Option(metavar="WON", help="so many won of it.")] = None,
    periods: Annotated[int | None, typer.Option(help="For so many periods; unless given, for ever.")] = None,
    until: Annotated[
        str | None, typer.Option(metavar="DATE", help="The last day on which a subscription can get it.")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="So many subscriptions at most.")] = None,
    plan: Annotated[list[str] | None, typer.Option(metavar="CODE", help="Only this plan's; may be repeated.")] = None,
    dry_run: DryRun = False,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Make a coupon; its terms are never changed."""
    who = by(actor, reason)
    terms = CouponTerms(
        code=read_code(code),
        discount=read_discount(percent=percent, won=won),
        periods=periods,
        until=None if until is None else _day(until),
        limit=limit,
        plans=tuple(sorted(set(plan or ()))),
    )
    with opened_database() as (settings, database):
        add_coupon(database, terms, zone_name=settings.timezone.key, by=who, dry_run=dry_run)
    if as_json:
        say_json(
            {
                "code": terms.code,
                "percent": percent,
                "won": won,
                "periods": periods,
                "until": terms.until,
                "limit": limit,
                "plans": list(terms.plans),
                "written": not dry_run,
            }
        )
        return
    say(f"coupon {terms.code} {'would take' if dry_run else 'takes'} {_words(terms.discount, periods)}")


@app.command("list")
def list_(
    over: Annotated[bool, typer.Option("--all", help="Also those that nobody can get any more.")] = False,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """Show coupons, the newest first."""
    with opened_database() as (settings, database), database.reading() as tx:
        rows = list_coupons(tx, over=over, limit=limit)
    if as_json:
        say_json([as_dict(row) for row in rows])
        return
    show_table(
        ("code", "takes", "plans", "to be had before", "had", "of at most", "closed"),
        [
            (
                row.code,
                _words(Discount(percent=row.percent, won=row.won), row.periods),
                ", ".join(row.plans) or "all",
                row.redeem_before,
                row.redeemed,
                row.redemption_limit,
                row.closed_at,
            )
            for row in rows
        ],
        settings.timezone,
    )


@app.command()
def close(code: Code, reason: Reason, dry_run: DryRun = False, actor: Actor = None, as_json: AsJson = False) -> None:
    """Let nobody get a coupon any more; who has it keeps it."""
    who = by(actor, reason)
    with opened_database() as (_, database):
        had = close_coupon(database, code, by=who, dry_run=dry_run)
    if as_json:
        say_json({"code": read_code(code), "redeemed": had, "written": not dry_run})
    else:
        would = "would be" if dry_run else "is"
        say(f"coupon {read_code(code)} {would} closed; {had:,} subscriptions have or had it, and keep it")


def _words(discount: Discount, periods: int | None) -> str:
    return f"{discount.words} for {'ever' if periods is None else f'{periods} periods'}"


def _day(given: str) -> date:
    try:
        return date.fromisoformat(given)
    except ValueError:
        raise BadInput(f"--until {given[:40]!r} is not a date; write it as 2026-03-01") from None
