"""Commands about the versions of a plan's price."""

from datetime import date
from typing import Annotated, Any

import typer

from billing.change_prices import Version, add_price, list_prices, remove_price
from cli.opening import opened_database
from cli.options import Actor, AsJson, DryRun, Reason, by
from cli.output import say, say_json, show_table, shown
from domain.errors import BadInput
from domain.price import Vat

app = typer.Typer(no_args_is_help=True, help="What a plan costs, from when on.")

Code = Annotated[str, typer.Argument(metavar="CODE", help="The plan's.")]


@app.command()
def add(  # noqa: PLR0913, PLR0917 - each is an option, named by whoever gives it
    code: Code,
    amount: Annotated[int, typer.Option(metavar="WON", help="What one unit costs a period.")],
    from_: Annotated[str, typer.Option("--from", metavar="DATE", help="The first day of it, such as 2026-03-01.")],
    reason: Reason,
    tax_free: Annotated[
        int | None, typer.Option(metavar="WON", help="How much of the amount is free of tax; unless given, none.")
    ] = None,
    vat: Annotated[Vat | None, typer.Option(help="Who works the VAT out; unless given, as before.")] = None,
    card_quota: Annotated[
        int | None, typer.Option(metavar="MONTHS", help="Instalments, 0 for none; unless given, as before.")
    ] = None,
    setup_fee: Annotated[
        int | None, typer.Option(metavar="WON", help="Once, with the first period; unless given, as before.")
    ] = None,
    dry_run: DryRun = False,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Give a plan another price from a day on; subscriptions that stand keep theirs."""
    on = _day(from_)
    given = {"amount": amount, "tax_free": tax_free, "vat": vat, "card_quota": card_quota, "setup_fee": setup_fee}
    asked: dict[str, object] = {key: value for key, value in given.items() if value is not None}
    who = by(actor, reason)
    with opened_database() as (settings, database):
        zone = settings.timezone
        version = add_price(database, code, asked, on=on, zone_name=zone.key, by=who, dry_run=dry_run)
    if as_json:
        say_json({"plan": code, **_document(version), "written": not dry_run})
        return
    would = "would be" if dry_run else "is"
    say(
        f"version {version.version} of plan {code!r} {would} {version.price.amount:,} won from"
        f" {shown(version.effective_from, zone)} on; subscriptions that stand keep their price"
    )


@app.command("list")
def list_(code: Code, as_json: AsJson = False) -> None:
    """Show the versions of a plan's price, and how many subscriptions pay each."""
    with opened_database() as (settings, database), database.reading() as tx:
        versions = list_prices(tx, code)
    if as_json:
        say_json([_document(version) for version in versions])
        return
    show_table(
        ("version", "from", "won", "tax-free", "vat", "instalments", "setup fee", "in force", "subscriptions"),
        [
            (
                each.version,
                each.effective_from,
                each.price.amount,
                each.price.tax_free,
                each.price.vat,
                each.price.card_quota,
                each.price.setup_fee,
                each.is_in_force,
                each.subscriptions,
            )
            for each in versions
        ],
        settings.timezone,
    )


@app.command()
def remove(
    code: Code,
    version: Annotated[int, typer.Option(min=1, help="The newest one's number.")],
    reason: Reason,
    dry_run: DryRun = False,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Take the newest version back before its day, if nobody was moved to it."""
    who = by(actor, reason)
    with opened_database() as (_, database):
        removed = remove_price(database, code, version, by=who, dry_run=dry_run)
    if as_json:
        say_json({"plan": code, **_document(removed), "written": not dry_run})
    else:
        say(f"version {version} of plan {code!r} {'would be' if dry_run else 'is'} taken back")


def _day(given: str) -> date:
    try:
        return date.fromisoformat(given)
    except ValueError:
        raise BadInput(f"--from {given[:40]!r} is not a date; write it as 2026-03-01") from None


def _document(version: Version) -> dict[str, Any]:
    return {
        "version": version.version,
        "amount": version.price.amount,
        "tax_free": version.price.tax_free,
        "vat": version.price.vat,
        "card_quota": version.price.card_quota,
        "setup_fee": version.price.setup_fee,
        "effective_from": version.effective_from,
        "is_in_force": version.is_in_force,
        "subscriptions": version.subscriptions,
    }
