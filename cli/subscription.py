"""Commands about subscriptions."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from billing import change_subscription
from billing.change_subscription import Made
from cli import (
    subscription_billing_day,
    subscription_coupon,
    subscription_import,
    subscription_plan,
    subscription_price,
    subscription_quantity,
    subscription_stop,
)
from cli.opening import opened_database, opened_ports
from cli.options import Actor, After, AsJson, Limit, OfChannel, Reason, SetAside, by
from cli.output import as_dict, masked_email, masked_tel, masked_uid, numbered, say, say_json, show_table, shown
from cli.said import lacking
from cli.subscription_beside import as_documents, beside_of, facts_of
from domain.subscription import SubscriptionState
from domain.subscription_row import read_customer_uid
from models.queries import consent, hold, listing
from runtime.settings import load_settings
from runtime.wiring import chosen_channel

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID
    from zoneinfo import ZoneInfo

    from billing.change_subscription import By
    from billing.ports import Ports

app = typer.Typer(no_args_is_help=True, help="Standing agreements: who pays what, how often.")
app.command("import")(subscription_import.import_)
app.command("move-price")(subscription_price.move_price)
app.command("move-billing-day")(subscription_billing_day.move_billing_day)
app.command("change-plan")(subscription_plan.change_plan)
app.command("change-quantity")(subscription_quantity.change_quantity)
app.command("apply-coupon")(subscription_coupon.apply_coupon)
app.command()(subscription_stop.pause)
app.command()(subscription_stop.cancel)
app.command()(subscription_stop.keep)

Id = Annotated[str, typer.Argument(metavar="ID", help="Whole, or its first eight hex digits or more.")]


@app.command("list")
def list_(
    state: Annotated[SubscriptionState | None, typer.Option(help="Only those in this state.")] = None,
    customer: Annotated[str | None, typer.Option(help="Only this customer_ref's.")] = None,
    plan: Annotated[str | None, typer.Option(help="Only this plan code's.")] = None,
    set_aside: SetAside = False,
    limit: Limit = 100,
    after: After = None,
    as_json: AsJson = False,
) -> None:
    """Show subscriptions, a page at a time."""
    with opened_database() as (settings, database), database.reading() as tx:
        rows = listing.list_subscriptions(
            tx,
            state=state,
            customer_ref=customer,
            plan=plan,
            set_aside=set_aside,
            limit=limit,
            after=listing.find_id(tx, "subscription", after) if after else None,
        )
    if as_json:
        say_json([as_dict(row, without=("name",)) for row in rows])
        return
    show_table(
        ("id", "customer", "plan", "won", "state", "card", "next billing", "set aside"),
        [
            (
                row.id,
                row.customer_ref,
                row.plan,
                row.amount,
                row.state,
                masked_uid(row.customer_uid),
                row.next_billing_at,
                row.set_aside_reason,
            )
            for row in rows
        ],
        settings.timezone,
    )


@app.command()
def show(subscription: Id, as_json: AsJson = False) -> None:
    """Show one subscription: its invoices, what it skips, what happened."""
    with opened_database() as (settings, database), database.reading() as tx:
        subscription_id = listing.find_id(tx, "subscription", subscription)
        row = listing.subscription(tx, subscription_id)
        skips = listing.skips_of(tx, subscription_id)
        events = listing.events_of(tx, subscription_id=subscription_id)
        audits = listing.audits_of(tx, subscription_id)
        holds: Any = hold.standing_of(tx, subscription_id)
        ahead: Any = consent.list_changes(tx, plan=None, subscription_id=subscription_id, over=False, limit=1)
        beside = beside_of(tx, subscription_id, row.customer_ref)
        invoices = listing.list_invoices(
            tx,
            state=None,
            subscription_id=subscription_id,
            due=False,
            set_aside=False,
            limit=listing.DETAILS,
            after=None,
        )
    if as_json:
        say_json(
            {
                **as_dict(row),
                "invoices": [as_dict(each) for each in invoices],
                "skipped_periods": [as_dict(each) for each in skips],
                "holds": [as_dict(each) for each in holds],
                "price_change": next((as_dict(each) for each in ahead), None),
                **as_documents(beside),
                "events": [as_dict(each) for each in events],
                "audit": [as_dict(each) for each in audits],
            }
        )
        return
    zone = settings.timezone
    facts: dict[str, object] = {
        "customer": f"{row.customer_ref} {row.name} {masked_email(row.email)} {masked_tel(row.tel)}",
        "plan": f"{row.plan}, {row.amount:,} won, {row.every or row.cron}",
        "units": f"{row.quantity:,} of {row.unit_amount:,} won, by the price of {shown(row.price_from, zone)}",
        **facts_of(beside, carried=row.carried),
        "state": f"{row.state} {row.ended_reason or ''}".strip(),
        "card": masked_uid(row.customer_uid),
        "channel of its card": row.channel,
        "started on": f"{row.started_on} {row.timezone}",
        "billing day": row.billing_day,
        "partial period": _partial(row),
        "free until": row.trial_until,
        "its price changes": next((_ahead(each, zone) for each in ahead), None),
        "last period": row.ordinal,
        "next billing": row.next_billing_at,
        "waits for an outcome": row.requested_change,
        "stops by itself": None if row.stops_at is None else f"{row.stops_as} at {shown(row.stops_at, zone)}",
        "goes on by itself": row.resumes_at,
        "completes": None if row.periods is None else f"{row.periods} periods, until {shown(row.term_ends_at, zone)}",
        "bound for": None if row.minimum_periods is None else f"{row.minimum_periods} periods",
        "final invoice": _final(row, zone),
        "held": None if not holds else ", ".join(_held(each, zone) for each in holds),
        "set aside": row.set_aside_reason,
    }
    show_table(("subscription", str(row.id)), facts.items(), zone)
    show_table(
        ("invoice", "period", "from", "won", "state", "attempts", "next attempt"),
        [(i.id, numbered(i), i.period_start, i.amount, i.state, i.attempt_count, i.next_attempt_at) for i in invoices],
        zone,
    )
    show_table(("skipped from", "to", "because"), skips, zone)
    show_table(
        ("at", "what happened", "incident"), [(each.occurred_at, each.kind, each.is_incident) for each in events], zone
    )
    show_table(("at", "who", "did", "because"), audits, zone)


def _partial(row: Any) -> str | None:  # noqa: ANN401 - a row
    """The partial period that runs or is still to come."""
    if row.stub_from is None or row.anchor_ordinal - 1 < row.ordinal:
        return None
    return f"{row.anchor_ordinal - 1}: {row.stub_from} to {row.anchored_on}"


def _final(row: Any, zone: "ZoneInfo") -> str | None:  # noqa: ANN401 - a row
    """What is still to be billed of one that has ended."""
    if row.final_at is None:
        return None
    return f"to be opened, for period {row.final_ordinal} up to {shown(row.final_at, zone)}"


def _ahead(row: Any, zone: "ZoneInfo") -> str:  # noqa: ANN401 - a row
    missing = ", ".join(lacking(row)) or "nothing"
    told = f"{row.kind}: {row.old_won:,} won to {row.new_won:,} won from {shown(row.effective_at, zone)} on"
    return f"{told}; lacks {missing}"


def _held(row: Any, zone: "ZoneInfo") -> str:  # noqa: ANN401 - a row
    until = "it is released" if row.until is None else shown(row.until, zone)
    return f"{row.kind} until {until} ({str(row.id)[:13]})"


@app.command()
def resume(subscription: Id, reason: Reason, actor: Actor = None, as_json: AsJson = False) -> None:
    """Bill again; the running period is due, and what ended during the pause as the plan's catch_up says."""

    def resumed(ports: "Ports", subscription_id: "UUID", *, by: "By") -> Made:
        change_subscription.resume(ports, subscription_id, by=by)
        return Made.AT_ONCE

    _change(subscription, by(actor, reason), resumed, "resumed", as_json=as_json)


@app.command()
def release(subscription: Id, reason: Reason, actor: Actor = None, as_json: AsJson = False) -> None:
    """Bill one again that an error took out of the way, once its cause is mended."""

    def released(ports: "Ports", subscription_id: "UUID", *, by: "By") -> Made:
        change_subscription.release(ports, subscription_id, by=by)
        return Made.AT_ONCE

    _change(subscription, by(actor, reason), released, "released", as_json=as_json)


@app.command("change-card")
def change_card(
    subscription: Id,
    customer_uid: Annotated[str, typer.Argument(metavar="CUSTOMER_UID", help="The card's public name.")],
    reason: Reason,
    channel: OfChannel = None,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Charge another card of the same customer from now on; what is past due is due at once."""
    uid = read_customer_uid(customer_uid.strip())

    def changed(ports: "Ports", subscription_id: "UUID", *, by: "By") -> Made:
        return change_subscription.change_card(ports, subscription_id, customer_uid=uid, by=by)

    name = chosen_channel(load_settings(), channel)
    _change(subscription, by(actor, reason), changed, "given another card", as_json=as_json, channel=name)


def _change(
    given: str, who: "By", change: "Callable[..., Made]", done: str, *, as_json: bool, channel: str | None = None
) -> None:
    with opened_ports(channel) as (_, ports):
        with ports.database.reading() as tx:
            subscription_id = listing.find_id(tx, "subscription", given)
        made = change(ports, subscription_id, by=who)
        with ports.database.reading() as tx:
            row: Any = listing.subscription(tx, subscription_id)
    if as_json:
        say_json({**as_dict(row, without=("name",)), "made": made})
    elif made is Made.AT_ONCE:
        say(f"subscription {row.id} is {done}: {row.state}")
    else:
        say(f"subscription {row.id} will be {done} once the outcome of its charge is known")
