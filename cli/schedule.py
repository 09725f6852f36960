"""Commands about the gateway's own schedules for cards of ours."""

from typing import TYPE_CHECKING, Annotated

import typer

from billing.answer_foreign import ignore_schedule, revoke_schedule
from billing.token_in_hand import token_in_hand
from cli import schedule_adopt
from cli.opening import opened_database, opened_ports_with_gateway
from cli.options import Actor, After, AsJson, DryRun, Limit, OfChannel, Reason, by
from cli.output import as_dict, masked_uid, say, say_json, show_table, shown
from cli.patience import once_there_is_a_token
from domain.errors import NotFound
from domain.foreign import ForeignState
from models.queries import foreign_listing, listing
from runtime.settings import load_settings
from runtime.wiring import chosen_channel

if TYPE_CHECKING:
    from gateway.port import Schedule

app = typer.Typer(no_args_is_help=True, help="Charges that the gateway would make of our cards by itself.")
app.command("adopt")(schedule_adopt.adopt)
app.command("resume")(schedule_adopt.resume)

Name = Annotated[str, typer.Argument(metavar="MERCHANT_UID", help="The schedule's order number.")]


@app.command("list")
def list_(
    all_: Annotated[bool, typer.Option("--all", help="Those that were answered, or are gone, too.")] = False,
    channel: Annotated[str | None, typer.Option(help="Only this channel's.")] = None,
    limit: Limit = 100,
    after: After = None,
    as_json: AsJson = False,
) -> None:
    """Show schedules that we did not make, for cards of ours, as the last comparison saw them."""
    with opened_database() as (settings, database), database.reading() as tx:
        rows = foreign_listing.schedules(
            tx,
            channel=None if channel is None else chosen_channel(settings, channel),
            everything=all_,
            limit=limit,
            after=listing.find_id(tx, "foreign_schedule", after) if after else None,
        )
    if as_json:
        say_json([as_dict(row) for row in rows])
        return
    show_table(
        ("id", "merchant_uid", "customer", "card", "runs at", "won", "state", "imp_uid", "stands", "because"),
        [
            (
                row.id,
                row.merchant_uid,
                row.customer_ref,
                masked_uid(row.customer_uid),
                row.schedule_at,
                row.amount,
                f"{row.state} {row.payment_status}".strip(),
                row.imp_uid,
                row.stands,
                row.ignored_because,
            )
            for row in rows
        ],
        settings.timezone,
    )


@app.command()
def ignore(
    merchant_uid: Name,
    reason: Reason,
    channel: OfChannel = None,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Let a schedule run: it is not for what we charge, and blocks its card no more."""
    who = by(actor, reason)
    with opened_database() as (settings, database):
        ignore_schedule(database, chosen_channel(settings, channel), merchant_uid, by=who)
    if as_json:
        say_json({"merchant_uid": merchant_uid, "ignored": True})
    else:
        say(f"schedule {merchant_uid} may run; its card is charged by us, too")


@app.command()
def revoke(
    merchant_uid: Name,
    reason: Reason,
    channel: OfChannel = None,
    dry_run: DryRun = False,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Ask the gateway to revoke one schedule, by its name, and read back what became of it."""
    who = by(actor, reason)
    if dry_run:
        _tell_standing(merchant_uid, chosen_channel(load_settings(), channel), as_json=as_json)
        return
    with opened_ports_with_gateway(channel) as (_, ports):
        state = once_there_is_a_token(ports, lambda: revoke_schedule(ports, merchant_uid, by=who))
    is_revoked = state is ForeignState.REVOKED
    if as_json:
        say_json({"merchant_uid": merchant_uid, "state": state, "revoked": is_revoked})
    elif is_revoked:
        say(f"schedule {merchant_uid} is revoked")
    else:
        say(f"schedule {merchant_uid} is not revoked, it is {state}: look again, or ask again")
    if not is_revoked:
        raise typer.Exit(1)


def _tell_standing(merchant_uid: str, channel: str, *, as_json: bool) -> None:
    with opened_ports_with_gateway(channel) as (settings, ports):

        def read() -> "Schedule | None":
            return ports.gateway.schedule(merchant_uid=merchant_uid, token=token_in_hand(ports))

        found = once_there_is_a_token(ports, read)
    if found is None:
        raise NotFound(f"the gateway knows no schedule {merchant_uid[:40]}")
    if as_json:
        say_json({"merchant_uid": merchant_uid, "state": found.state, "revoked": False})
    else:
        say(
            f"schedule {merchant_uid} is {found.state}: {found.amount:,} won at"
            f" {shown(found.schedule_at, settings.timezone)}; it would be asked to be revoked"
        )
