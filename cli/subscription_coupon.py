"""The command that lets a subscription have a coupon."""

from dataclasses import asdict
from typing import Annotated

import typer

from billing.coupons import apply_coupon as apply
from cli.opening import opened_database
from cli.options import Actor, AsJson, DryRun, Reason, by
from cli.output import say, say_json, shown
from domain.consent import CONSENT_WITHIN, NOTICE_AHEAD
from models.queries import listing

Id = Annotated[str, typer.Argument(metavar="ID", help="Whole, or its first eight hex digits or more.")]


def apply_coupon(
    subscription: Id,
    code: Annotated[str, typer.Argument(metavar="CODE", help="The coupon's.")],
    reason: Reason,
    dry_run: DryRun = False,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Let a subscription have a coupon from its next invoice on."""
    who = by(actor, reason)
    with opened_database() as (settings, database):
        with database.reading() as tx:
            found = listing.find_id(tx, "subscription", subscription)
        applied = apply(database, found, code, by=who, dry_run=dry_run)
    if as_json:
        say_json({**asdict(applied), "written": not dry_run})
        return
    due = "" if applied.due_at is None else f", due {shown(applied.due_at, settings.timezone)}"
    how_long = "for ever" if applied.periods is None else f"for {applied.periods} periods"
    say(
        f"coupon {applied.code}: from period {applied.ordinal}{due}, {how_long} its plan"
        f" {'would cost' if dry_run else 'costs'} {applied.lowered:,} won instead of {applied.amount:,}"
    )
    if applied.ends_at is not None:
        say(
            f"it ends {shown(applied.ends_at, settings.timezone)} if its customer has agreed to that within the"
            f" {CONSENT_WITHIN.days} days before, and was told at least {NOTICE_AHEAD.days} days before:"
            " `jeonggi price-change list`"
        )
