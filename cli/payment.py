"""Commands about money that came: to us, and to others by cards of ours."""

import sys
from functools import partial
from typing import Annotated

import typer
from rich.console import Console

from billing.answer_foreign import accept_payment
from billing.compare_gateway import compare_now
from cli.opening import opened_database, opened_ports_with_gateway
from cli.options import Actor, After, AsJson, Limit, OfChannel, Reason, by
from cli.output import as_dict, masked_uid, say, say_json, show_table
from cli.patience import once_there_is_a_token
from domain.errors import BadInput
from models.queries import foreign_listing, listing
from runtime.wiring import chosen_channel

app = typer.Typer(no_args_is_help=True, help="Money that came, and money that others took from our cards.")

#: What a comparison may find, in the words of a person.
_FOUND = {
    "payments": "payments read",
    "schedules": "schedules read",
    "schedules_asked": "schedules asked about by name",
    "schedules_looked_up": "order numbers of schedules looked up, which may have charged and do not say so",
    "recorded": "payments of ours recorded that nothing had shown before",
    "cancelled": "payments of ours cancelled by somebody else, now booked",
    "missing_there": "payments of ours that the gateway does not know any more",
    "foreign": "payments that we did not make, seen for the first time",
}


@app.command("list")
def list_(
    foreign: Annotated[
        bool, typer.Option("--foreign", help="Those at the gateway for cards of ours that we did not make.")
    ] = False,
    all_: Annotated[
        bool, typer.Option("--all", help="With --foreign: those that moved no money or were accepted, too.")
    ] = False,
    subscription: Annotated[str | None, typer.Option(help="Only this subscription's; not with --foreign.")] = None,
    channel: Annotated[str | None, typer.Option(help="With --foreign: only this channel's.")] = None,
    limit: Limit = 100,
    after: After = None,
    as_json: AsJson = False,
) -> None:
    """Show payments, oldest first, a page at a time."""
    if foreign and subscription is not None:
        raise BadInput("--subscription is for payments of ours: leave it out, or leave --foreign out")
    if not foreign and (all_ or channel is not None):
        raise BadInput("--all and --channel are for the payments of others: add --foreign, or leave them out")
    with opened_database() as (settings, database), database.reading() as tx:
        after_id = listing.find_id(tx, "foreign_payment" if foreign else "payment", after) if after else None
        if foreign:
            chosen = None if channel is None else chosen_channel(settings, channel)
            rows = foreign_listing.foreign_payments(tx, channel=chosen, everything=all_, limit=limit, after=after_id)
        else:
            wanted = listing.find_id(tx, "subscription", subscription) if subscription else None
            rows = foreign_listing.payments(tx, subscription_id=wanted, limit=limit, after=after_id)
    if as_json:
        say_json([as_dict(row) for row in rows])
    elif foreign:
        show_table(
            ("id", "imp_uid", "merchant_uid", "customer", "card", "won", "cancelled", "status", "paid at", "accepted"),
            [
                (
                    row.id,
                    row.imp_uid,
                    row.merchant_uid,
                    row.customer_ref,
                    masked_uid(row.customer_uid),
                    row.amount,
                    row.cancelled_amount,
                    f"{row.status}, a test's" if row.is_sandbox else row.status,
                    row.paid_at,
                    row.accepted_because,
                )
                for row in rows
            ],
            settings.timezone,
        )
    else:
        show_table(
            ("id", "imp_uid", "invoice", "customer", "plan", "period", "won", "cancelled", "paid at", "counts"),
            [
                (
                    row.id,
                    row.imp_uid,
                    row.invoice_id,
                    row.customer_ref,
                    row.plan,
                    row.ordinal,
                    row.amount,
                    row.cancelled_amount,
                    row.paid_at,
                    row.counts,
                )
                for row in rows
            ],
            settings.timezone,
        )


@app.command()
def accept(
    imp_uid: Annotated[str, typer.Argument(metavar="IMP_UID", help="The gateway's number of the payment.")],
    reason: Reason,
    pays: Annotated[
        str | None, typer.Option(metavar="INVOICE", help="An invoice of ours that it paid for: it is owed no more.")
    ] = None,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Say that a foreign payment is known, and fine; a schedule that made it blocks its card no more."""
    who = by(actor, reason)
    with opened_database() as (_, database):
        with database.reading() as tx:
            invoice_id = listing.find_id(tx, "invoice", pays) if pays else None
        accept_payment(database, imp_uid, by=who, pays=invoice_id)
    if as_json:
        say_json({"imp_uid": imp_uid, "accepted": True, "pays": invoice_id})
    elif invoice_id is None:
        say(f"payment {imp_uid} is accepted; it pays no invoice of ours")
    else:
        say(f"payment {imp_uid} is accepted; invoice {invoice_id} is owed no more")


@app.command()
def compare(
    days: Annotated[int, typer.Option(min=1, max=3_650, help="How far back payments are read.")] = 7,
    channel: OfChannel = None,
    as_json: AsJson = False,
) -> None:
    """Read the gateway's payments and schedules against the books, now and whole; what is found is written down."""
    console = Console(stderr=True, quiet=as_json or not sys.stderr.isatty())
    with opened_ports_with_gateway(channel) as (_, ports), console.status("reading") as status:
        patiently = partial(once_there_is_a_token, ports)
        found = compare_now(ports, days=days, progress=status.update, patiently=patiently)
    if as_json:
        say_json({name: found[name] for name in _FOUND})
        return
    for name, told in _FOUND.items():
        say(f"{found[name]:>9,} {told}")
