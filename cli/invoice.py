"""Commands about invoices."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from billing.charge_held import BATCH, charge_held
from billing.charge_now import charge_now
from cli.opening import opened_database, opened_ports
from cli.options import Actor, After, AsJson, DryRun, Limit, Reason, SetAside, by, decline_code_named
from cli.output import as_dict, masked_uid, numbered, say, say_json, show_table, shown
from domain.invoice import InvoiceState
from models.queries import listing
from models.queries import refund as refunds

if TYPE_CHECKING:
    from collections.abc import Iterator

app = typer.Typer(no_args_is_help=True, help="What billing periods owe.")

Id = Annotated[str, typer.Argument(metavar="ID", help="Whole, or its first eight hex digits or more.")]


@app.command("list")
def list_(
    state: Annotated[InvoiceState | None, typer.Option(help="Only those in this state.")] = None,
    subscription: Annotated[str | None, typer.Option(help="Only this subscription's.")] = None,
    due: Annotated[bool, typer.Option("--due", help="Only what may be charged now.")] = False,
    set_aside: SetAside = False,
    limit: Limit = 100,
    after: After = None,
    as_json: AsJson = False,
) -> None:
    """Show invoices, oldest first, a page at a time."""
    with opened_database() as (settings, database), database.reading() as tx:
        rows = listing.list_invoices(
            tx,
            state=state,
            subscription_id=listing.find_id(tx, "subscription", subscription) if subscription else None,
            due=due,
            set_aside=set_aside,
            limit=limit,
            after=listing.find_id(tx, "invoice", after) if after else None,
        )
    if as_json:
        say_json([as_dict(row) for row in rows])
        return
    show_table(
        ("id", "customer", "plan", "period", "from", "won", "state", "attempts", "next attempt", "set aside"),
        [
            (
                row.id,
                row.customer_ref,
                row.plan,
                numbered(row),
                row.period_start,
                row.amount,
                row.state,
                row.attempt_count,
                row.next_attempt_at,
                row.set_aside_reason,
            )
            for row in rows
        ],
        settings.timezone,
    )


@app.command()
def show(invoice: Id, as_json: AsJson = False) -> None:
    """Show one invoice: every attempt, what was asked, what was answered, what money came."""
    with opened_database() as (settings, database), database.reading() as tx:
        invoice_id = listing.find_id(tx, "invoice", invoice)
        row = listing.invoice(tx, invoice_id)
        parts: dict[str, Any] = {
            "lines": listing.lines_of(tx, invoice_id),
            "attempts": listing.attempts_of(tx, invoice_id),
            "sends": listing.sends_of(tx, invoice_id),
            "payments": listing.payments_of(tx, invoice_id),
            "refunds": refunds.refunds_of(tx, invoice_id),
            "cancellations": refunds.cancellations_of(tx, invoice_id),
            "evidence": listing.evidence_of(tx, invoice_id),
            "events": listing.events_of(tx, invoice_id=invoice_id),
            "audit": listing.audits_of(tx, invoice_id),
        }
    if as_json:
        say_json({**as_dict(row), **{name: [as_dict(each) for each in rows] for name, rows in parts.items()}})
        return
    zone = settings.timezone
    facts: dict[str, object] = {
        "customer": row.customer_ref,
        "subscription": f"{row.subscription_id} ({row.subscription_state})",
        "plan": row.plan,
        "period": f"{numbered(row)}: {shown(row.period_start, zone)} to {shown(row.period_end, zone)}",
        "part of a whole period": f"{row.share_days} of {row.share_of_days} days" if row.share_days else None,
        "won": row.amount,
        "of it free of tax": row.tax_free,
        "of it VAT": "worked out by the gateway" if row.vat_amount is None else row.vat_amount,
        "instalments": f"{row.card_quota} months" if row.card_quota else None,
        "state": row.state,
        "next attempt": row.next_attempt_at,
        "ladder step": row.ladder_step,
        "set aside": row.set_aside_reason,
    }
    show_table(("invoice", str(row.id)), facts.items(), zone)
    show_table(("line", "kind", "what", "quantity", "unit won", "won", "tax-free", "VAT"), parts["lines"], zone)
    show_table(
        ("attempt", "merchant_uid", "won", "by", "state", "sends", "code", "said", "operator"),
        [
            (
                a.attempt_no,
                a.merchant_uid,
                a.amount,
                a.trigger,
                a.state,
                a.send_no,
                a.decline_code or a.unknown_reason,
                a.raw_reason,
                a.operator_reason,
            )
            for a in parts["attempts"]
        ],
        zone,
    )
    show_table(("billing time", "what happened"), _happened(parts), zone)
    show_table(("real time", "at the gateway"), _asked(parts), zone)


@app.command("charge-now")
def charge_now_(
    invoice: Id, reason: Reason, dry_run: DryRun = False, actor: Actor = None, as_json: AsJson = False
) -> None:
    """Let the next run charge it; no guard is passed by."""
    who = by(actor, reason)
    with opened_ports() as (_, ports):
        with ports.database.reading() as tx:
            invoice_id = listing.find_id(tx, "invoice", invoice)
        due = charge_now(ports, invoice_id, by=who, dry_run=dry_run)
    if as_json:
        say_json({"invoice_id": due.invoice_id, "amount": due.amount, "written": not dry_run})
    else:
        would = "would be" if dry_run else "is"
        say(f"invoice {due.invoice_id} {would} due now: {due.amount:,} won")


@app.command("charge-held")
def charge_held_(
    reason: Reason,
    code: Annotated[str | None, typer.Option(metavar="CODE", help="Only what was refused with this code.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=BATCH, help="Invoices at most.")] = BATCH,
    dry_run: DryRun = False,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Let the next run charge what was refused for the shop or for the request, now that it is mended."""
    wanted = None if code is None else decline_code_named(code)
    with opened_ports() as (_, ports):
        done = charge_held(ports, decline_code=wanted, by=by(actor, reason), limit=limit, dry_run=dry_run)
    if as_json:
        left = {str(each): told for each, told in done.left.items()}
        say_json({"invoices": done.invoices, "won": done.won, "left": left, "written": not dry_run})
        return
    say(f"{done.invoices:,} invoices {'would be' if dry_run else 'are'} due now: {done.won:,} won")
    for told in done.left.values():
        say(f"left: {told}")


def _happened(parts: dict[str, Any]) -> "list[tuple[Any, str]]":
    lines = [
        (event.occurred_at, event.kind + (" (incident)" if event.is_incident else "")) for event in parts["events"]
    ]
    lines += [(audit.occurred_at, f"{audit.actor}: {audit.action}: {audit.reason}") for audit in parts["audit"]]
    lines += [
        (
            payment.recorded_at,
            f"{_kind(payment)} {payment.imp_uid}: {payment.amount:,} won, {payment.cancelled_amount:,} cancelled",
        )
        for payment in parts["payments"]
    ]
    lines += [
        (
            each.recorded_at,
            f"{each.amount:,} won of {each.imp_uid} cancelled {_by_whom(each)}",
        )
        for each in parts["cancellations"]
    ]
    lines += [
        (each.requested_at, f"refund {each.id} of {each.amount:,} won asked by {each.requested_by}: {each.state}")
        for each in parts["refunds"]
    ]
    return sorted(lines)


def _by_whom(cancellation: Any) -> str:  # noqa: ANN401 - a row
    return "elsewhere" if cancellation.refund_id is None else f"by refund {cancellation.refund_id}"


def _kind(payment: Any) -> str:  # noqa: ANN401 - a row
    return "payment" if payment.counts else "surplus payment"


def _asked(parts: dict[str, Any]) -> "list[tuple[Any, str]]":
    return sorted(_told(parts))


def _told(parts: dict[str, Any]) -> "Iterator[tuple[Any, str]]":
    for send in parts["sends"]:
        name = f"attempt {send.attempt_no}, send {send.send_no}"
        yield send.committed_at, f"{name}: {send.amount:,} won asked of card {masked_uid(send.customer_uid)}"
        if send.answered_at is not None:
            yield send.answered_at, f"{name}: answered: {send.result}"
    for look in parts["evidence"]:
        yield look.began_at, f"attempt {look.attempt_no}, send {look.send_no}: {look.source} says {look.said}"
