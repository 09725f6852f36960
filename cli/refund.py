"""Commands about money that goes back. They write rows; the next refund run speaks to the gateway."""

from typing import TYPE_CHECKING, Annotated

import typer

from billing.refund import Refunding, Wanted, approve_refund, reject_refund, request_refund
from cli.opening import opened_database, opened_ports
from cli.options import Actor, After, AsJson, DryRun, Limit, Reason, by
from cli.output import as_dict, say, say_json, show_table
from domain.errors import BadInput
from domain.refund import RefundState
from models.queries import listing
from models.queries import refund as queries

if TYPE_CHECKING:
    from uuid import UUID

    from models.session import Database

app = typer.Typer(no_args_is_help=True, help="Money that goes back.")

Id = Annotated[str, typer.Argument(metavar="ID", help="Whole, its first eight hex digits or more, or its mark.")]
Payment = Annotated[str, typer.Argument(metavar="PAYMENT", help="An imp_uid, or the id of the invoice it paid.")]


@app.callback()
def _group() -> None:
    """Money that goes back."""


@app.command()
def request(  # noqa: PLR0913 - options of a command
    payment: Payment,
    reason: Reason,
    *,
    amount: Annotated[int | None, typer.Option(min=1, metavar="WON", help="Give back a part of what was paid.")] = None,
    full: Annotated[
        int | None, typer.Option(min=1, metavar="WON", help="Give back all that is left, which is just this much.")
    ] = None,
    tax_free: Annotated[int, typer.Option(min=0, metavar="WON", help="How much of the amount is free of tax.")] = 0,
    vat: Annotated[
        int | None, typer.Option(min=0, metavar="WON", help="How much is VAT, if the payment was made with one.")
    ] = None,
    dry_run: DryRun = False,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Ask for a refund: --amount for a part, --full for all that is left; the next run sends it."""
    who = by(actor, reason)
    wanted = _wanted(amount=amount, full=full, tax_free=tax_free, vat=vat)
    with opened_database() as (_, database):
        with database.reading() as tx:
            payment_id = queries.find_payment(tx, payment)
        asked = request_refund(database, payment_id, wanted, by=who, dry_run=dry_run)
    verb = "would be given back" if dry_run else "go back with the next run"
    _tell(asked, f"{asked.amount:,} won of {asked.imp_uid} {verb}", is_written=not dry_run, as_json=as_json)


@app.command()
def approve(refund: Id, reason: Reason, dry_run: DryRun = False, actor: Actor = None, as_json: AsJson = False) -> None:
    """Say yes to a refund that was proposed, or let one be sent once more that was absent too often."""
    who = by(actor, reason)
    with opened_database() as (_, database):
        refund_id = _found(database, refund)
        asked = approve_refund(database, refund_id, by=who, dry_run=dry_run)
    verb = "would be sent" if dry_run else "is sent with the next run"
    told = f"refund {refund_id} {verb}: {asked.amount:,} won of {asked.imp_uid}"
    _tell(asked, told, is_written=not dry_run, as_json=as_json, refund_id=refund_id)


@app.command()
def reject(refund: Id, reason: Reason, dry_run: DryRun = False, actor: Actor = None, as_json: AsJson = False) -> None:
    """Say no to a refund that is not under way, or of which nothing can come any more: nothing goes back."""
    who = by(actor, reason)
    with opened_ports() as (_, ports):
        refund_id = _found(ports.database, refund)
        asked = reject_refund(ports.database, refund_id, by=who, patience=ports.limits.patience, dry_run=dry_run)
    verb = "would be rejected" if dry_run else "is rejected"
    told = f"refund {refund_id} {verb}: {asked.amount:,} won of {asked.imp_uid} stay"
    _tell(asked, told, is_written=not dry_run, as_json=as_json, refund_id=refund_id)


@app.command("list")
def list_(
    state: Annotated[RefundState | None, typer.Option(help="Only those in this state.")] = None,
    operator: Annotated[
        bool, typer.Option("--operator", help="Only those that wait for a person's word, or for one's eye.")
    ] = False,
    limit: Limit = 100,
    after: After = None,
    as_json: AsJson = False,
) -> None:
    """Show refunds, oldest first, a page at a time."""
    with opened_database() as (settings, database), database.reading() as tx:
        rows = queries.list_refunds(
            tx,
            state=state,
            operator=operator,
            limit=limit,
            after=queries.find_refund(tx, after) if after else None,
        )
    if as_json:
        say_json([as_dict(row) for row in rows])
        return
    show_table(
        ("id", "customer", "imp_uid", "won", "of", "state", "because", "asked by", "asked", "reason", "operator"),
        [
            (
                row.id,
                row.customer_ref,
                row.imp_uid,
                row.amount,
                row.paid,
                row.state,
                row.raw_reason or row.unknown_reason,
                row.requested_by,
                row.requested_at,
                row.reason,
                row.operator_reason,
            )
            for row in rows
        ],
        settings.timezone,
    )


@app.command()
def show(refund: Id, as_json: AsJson = False) -> None:
    """Show one refund: what was asked, what its payment showed, who said what."""
    with opened_database() as (settings, database), database.reading() as tx:
        refund_id = queries.find_refund(tx, refund)
        row = queries.one_refund(tx, refund_id)
        evidence = queries.evidence_of(tx, refund_id)
        audit = listing.audits_of(tx, refund_id)
    if as_json:
        parts = {"evidence": [as_dict(each) for each in evidence], "audit": [as_dict(each) for each in audit]}
        say_json({**as_dict(row), **parts})
        return
    zone = settings.timezone
    facts: dict[str, object] = {
        "customer": row.customer_ref,
        "invoice": row.invoice_id,
        "payment": f"{row.imp_uid}: {row.paid:,} won, {row.cancelled_amount:,} cancelled",
        "won": row.amount,
        "of it free of tax": row.tax_free,
        "of it VAT": row.vat_amount,
        "mark": row.mark,
        "reason": row.reason,
        "asked": row.requested_at,
        "state": row.state,
        "sends": row.send_no,
        "left before it": row.checksum,
        "said": row.raw_reason or row.unknown_reason,
        "next": row.next_at,
        "operator": row.operator_reason,
    }
    show_table(("refund", str(row.id)), facts.items(), zone)
    show_table(("billing time", "who"), [(a.occurred_at, f"{a.actor}: {a.action}: {a.reason}") for a in audit], zone)
    looks = [(each.began_at, f"send {each.send_no}: {each.source} shows {each.trace}") for each in evidence]
    show_table(("real time", "at the gateway"), looks, zone)


def _wanted(*, amount: int | None, full: int | None, tax_free: int, vat: int | None) -> Wanted:
    if (amount is None) == (full is None):
        raise BadInput("say how much: --amount WON for a part, or --full WON for all that is left")
    if full is not None:
        if tax_free or vat is not None:
            raise BadInput("a full refund gives back the tax parts that are left: leave --tax-free and --vat out")
        return Wanted(amount=full, is_full=True)
    return Wanted(amount=amount or 0, tax_free=tax_free, vat_amount=vat)


def _found(database: "Database", refund: str) -> "UUID":
    with database.reading() as tx:
        return queries.find_refund(tx, refund)


def _tell(asked: Refunding, told: str, *, is_written: bool, as_json: bool, refund_id: "UUID | None" = None) -> None:
    if as_json:
        document = {
            "refund_id": refund_id or asked.refund_id,
            "imp_uid": asked.imp_uid,
            "channel": asked.channel,
            "state": asked.state,
            "amount": asked.amount,
            "tax_free": asked.tax_free,
            "vat_amount": asked.vat_amount,
            "paid": asked.paid,
            "cancelled": asked.cancelled,
            "kept": asked.kept,
            "left": asked.left,
            "written": is_written,
        }
        say_json(document)
    else:
        say(f"{told}; {asked.left:,} of {asked.paid:,} won will be left")
        if asked.refund_id is not None and refund_id is None:
            say(f"refund {asked.refund_id}")
