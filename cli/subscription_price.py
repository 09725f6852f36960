"""The command that moves subscriptions to another version of their plan's price."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from billing.move_price import Moved, move_named, move_version
from cli.opening import opened_database
from cli.options import Actor, AsJson, DryRun, Reason, by
from cli.output import say, say_json, show_table, shown
from domain.consent import CONSENT_WITHIN, NOTICE_AHEAD
from domain.errors import BadInput
from models.queries import listing

if TYPE_CHECKING:
    from billing.change_subscription import By
    from models.session import Database

Ids = Annotated[
    list[str] | None, typer.Argument(metavar="[ID...]", help="Whole, or their first eight hex digits or more.")
]


def move_price(
    reason: Reason,
    subscriptions: Ids = None,
    plan: Annotated[str | None, typer.Option(metavar="CODE", help="All of this plan's of --from-version.")] = None,
    from_version: Annotated[int | None, typer.Option(min=1, help="Where they are; with --plan.")] = None,
    to_version: Annotated[
        int | None, typer.Option(min=1, help="Where they go; for named ones unless given, the one in force.")
    ] = None,
    dry_run: DryRun = False,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Let subscriptions pay another version of their plan's price, from the first period on that may cost it."""
    who = by(actor, reason)
    with opened_database() as (settings, database):
        if plan is None:
            moved = _named(database, subscriptions or [], from_version, to_version, who, dry_run=dry_run)
        elif subscriptions or from_version is None or to_version is None:
            raise BadInput("with --plan say --from-version and --to-version, and name no subscription")
        else:
            moved = move_version(
                database, plan, from_version=from_version, to_version=to_version, by=who, dry_run=dry_run
            )
    if as_json:
        say_json({**_document(moved), "written": not dry_run})
        return
    would = "would pay" if dry_run else "pay"
    say(f"{moved.moved:,} subscriptions of plan {moved.plan!r} {would} version {moved.to_version}")
    if moved.moved:
        show_table(
            ("subscriptions", "won a period", "from then on"),
            [(count, old, new) for (old, new), count in sorted(moved.prices.items())],
            settings.timezone,
        )
        first, last = shown(moved.first_start, settings.timezone), shown(moved.last_start, settings.timezone)
        say(f"from the first period on that may cost it: these begin {first} to {last}")
    if moved.standing:
        say(f"{moved.standing:,} have that version already, or are to have it")
    if moved.planned:
        say(f"{moved.planned:,} of them are decided only when that period is charged: `jeonggi price-change list`")
    if moved.asks_consent:
        say(
            f"{moved.asks_consent:,} pay more only with their customer's consent, given within the"
            f" {CONSENT_WITHIN.days} days before, and a notice at least {NOTICE_AHEAD.days} days before:"
            " `jeonggi consent import`, `jeonggi notice import`"
        )
    if moved.left:
        say(
            f"{moved.left:,} are left: their trial is over before a notice of another price could be in time, or the"
            " end of their coupon is ahead, which a move by name puts off: `jeonggi price-change list`"
        )


def _named(
    database: "Database",
    given: list[str],
    from_version: int | None,
    to_version: int | None,
    who: "By",
    *,
    dry_run: bool,
) -> Moved:
    if not given or from_version is not None:
        raise BadInput("name subscriptions, or say --plan with --from-version and --to-version")
    with database.reading() as tx:
        ids = [listing.find_id(tx, "subscription", each) for each in given]
    return move_named(database, ids, to_version=to_version, by=who, dry_run=dry_run)


def _document(moved: Moved) -> dict[str, Any]:
    return {
        "plan": moved.plan,
        "to_version": moved.to_version,
        "moved": moved.moved,
        "old_won": moved.old_won,
        "new_won": moved.new_won,
        "prices": [
            {"subscriptions": count, "old_won": old, "new_won": new}
            for (old, new), count in sorted(moved.prices.items())
        ],
        "first_period_start": moved.first_start,
        "last_period_start": moved.last_start,
        "standing": moved.standing,
        "planned": moved.planned,
        "asks_consent": moved.asks_consent,
        "left": moved.left,
        "subscriptions": [
            {
                "id": one.subscription_id,
                "customer_ref": one.customer_ref,
                "quantity": one.quantity,
                "old_won": one.old_won,
                "new_won": one.new_won,
                "ordinal": one.ordinal,
                "period_start": one.period_start,
                "decided_at": one.decided_at,
                "asks_consent": one.asks_consent,
            }
            for one in moved.told
        ],
    }
