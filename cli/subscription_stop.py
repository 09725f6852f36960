"""Commands that let a subscription stop, now or with the end of its period, and that take it back."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from billing import stop_subscription
from billing.change_subscription import Made
from billing.give_back import GiveBack, Giving
from cli.opening import opened_ports
from cli.options import Actor, AsJson, DryRun, Reason, by
from cli.output import as_dict, say, say_json, shown
from domain.instants import zone
from domain.stop import Stop, read_until
from models.queries import listing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date
    from zoneinfo import ZoneInfo

    from billing.change_subscription import By
    from billing.foretold_stop import Foretold
    from billing.left_to_bill import FinalBill

Id = Annotated[str, typer.Argument(metavar="ID", help="Whole, or its first eight hex digits or more.")]
AtPeriodEnd = Annotated[
    bool, typer.Option("--at-period-end", help="Once the period that runs is over; until then it is billed as before.")
]

_DONE = {Stop.CANCEL: "cancelled", Stop.PAUSE: "paused"}


def pause(
    subscription: Id,
    reason: Reason,
    at_period_end: AtPeriodEnd = False,
    until: Annotated[
        str | None,
        typer.Option(
            metavar="DATE|none",
            help="Go on by itself on this date, at the hour at which it is billed; of a paused one, change that date.",
        ),
    ] = None,
    dry_run: DryRun = False,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Bill nothing until it is resumed; what is owed stays owed and is not attempted meanwhile."""
    day: date | Literal["none"] | None = None
    if until is not None:
        day = read_until("--until", until) or "none"
    _stop(
        subscription,
        Stop.PAUSE,
        by(actor, reason),
        at_period_end=at_period_end,
        until=day,
        dry_run=dry_run,
        as_json=as_json,
    )


def cancel(
    subscription: Id,
    reason: Reason,
    at_period_end: AtPeriodEnd = False,
    before_term: Annotated[
        bool,
        typer.Option("--before-term", help="Also before its minimum term is over; no fee for that is charged."),
    ] = False,
    refund: Annotated[
        GiveBack | None,
        typer.Option(
            help="Give back what was paid for the days left, or all of it to a customer who withdraws within 7 days"
            " and has used nothing."
        ),
    ] = None,
    dry_run: DryRun = False,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """End it; what is owed and was not charged by then is void, unless it is for what was delivered."""
    _stop(
        subscription,
        Stop.CANCEL,
        by(actor, reason),
        at_period_end=at_period_end,
        until=None,
        before_term=before_term,
        give_back=refund,
        dry_run=dry_run,
        as_json=as_json,
    )


def keep(
    subscription: Id, reason: Reason, dry_run: DryRun = False, actor: Actor = None, as_json: AsJson = False
) -> None:
    """Take back a cancel or a pause that was to come with the end of its period."""
    who = by(actor, reason)
    with opened_ports() as (_, ports):
        with ports.database.reading() as tx:
            subscription_id = listing.find_id(tx, "subscription", subscription)
        kept = stop_subscription.keep_subscription(ports, subscription_id, by=who, dry_run=dry_run)
        with ports.database.reading() as tx:
            row: Any = listing.subscription(tx, subscription_id)
    if as_json:
        say_json({**as_dict(row, without=("name",)), "kept": asdict(kept), "written": not dry_run})
        return
    at = zone(row.timezone)
    would = "would be" if dry_run else "is"
    say(
        f"subscription {row.id} {would} kept: it is not {_DONE[kept.stop]} at {shown(kept.at, at)}, and is billed next"
        f" at {shown(kept.next_billing_at, at)} ({row.timezone})"
    )


def _stop(  # noqa: PLR0913 - options of a command
    given: str,
    wanted: Stop,
    who: "By",
    *,
    at_period_end: bool,
    until: "date | Literal['none'] | None",
    before_term: bool = False,
    give_back: GiveBack | None = None,
    dry_run: bool,
    as_json: bool,
) -> None:
    with opened_ports() as (_, ports):
        with ports.database.reading() as tx:
            subscription_id = listing.find_id(tx, "subscription", given)
        foretold = stop_subscription.stop_subscription(
            ports,
            subscription_id,
            wanted,
            at_period_end=at_period_end,
            until=until,
            before_term=before_term,
            give_back=give_back,
            by=who,
            dry_run=dry_run,
        )
        with ports.database.reading() as tx:
            row: Any = listing.subscription(tx, subscription_id)
    if as_json:
        told = {name: value for name, value in asdict(foretold).items() if name != "made"}
        say_json({**as_dict(row, without=("name",)), "made": foretold.made, "foretold": told, "written": not dry_run})
        return
    _tell(row, wanted, foretold, zone(row.timezone), dry_run=dry_run)


def _tell(row: Any, wanted: Stop, foretold: "Foretold", at: "ZoneInfo", *, dry_run: bool) -> None:  # noqa: ANN401 - a row
    done = _DONE[wanted]
    will = "would" if dry_run else "will"
    match foretold.made:
        case Made.AFTER_OUTCOME:
            say(f"subscription {row.id} {will} be {done} once the outcome of its charge is known")
        case Made.LATER:
            begins = shown(foretold.begins_at, at)
            say(f"subscription {row.id} {will} be {done} at {begins} ({row.timezone}); nothing is opened from then on")
        case Made.AT_ONCE:
            say(f"subscription {row.id} {'would be' if dry_run else 'is'} {done}: {row.state}")
    if foretold.minimum_until is not None:
        say(f"this is before its minimum term is over, at {shown(foretold.minimum_until, at)}")
    if foretold.debts:
        say(_debts(foretold))
    for told in _given(foretold, at, dry_run=dry_run):
        say(told)
    if foretold.final is not None:
        say(_final(foretold.final, dry_run=dry_run))
    if wanted is Stop.PAUSE and foretold.resumes_at is None:
        say("it goes on when somebody resumes it")
    elif wanted is Stop.PAUSE:
        say(
            f"it goes on by itself at {shown(foretold.resumes_at, at)}; the first period billed begins at"
            f" {shown(foretold.next_billing_at, at)}: {foretold.behind} that end during the pause are billed,"
            f" {foretold.skipped} are not"
        )


def _given(foretold: "Foretold", at: "ZoneInfo", *, dry_run: bool) -> "Iterator[str]":
    """What is given back, or could be."""
    given, offer = foretold.given_back, foretold.offer
    if given is not None:
        would = "would be" if dry_run else "is"
        yield f"{given.refunded:,} won {would} refunded{_credited(given)}"
        return
    if offer is None:
        return
    if offer.pro_rata != Giving():
        told = "could be" if dry_run else "could have been"
        won = f"{offer.pro_rata.refunded:,} won {told} refunded{_credited(offer.pro_rata)}"
        yield f"for the days left {won}: --refund pro-rata"
    if offer.withdrawal_until is not None and offer.withdrawal != Giving():
        yield (
            f"until {shown(offer.withdrawal_until, at)} a customer who used nothing may withdraw: all"
            f" {offer.withdrawal.refunded:,} won go back{_credited(offer.withdrawal)} with --refund withdrawal"
        )


def _final(final: "FinalBill", *, dry_run: bool) -> str:
    """The invoice that follows the end."""
    days = "" if final.days is None else f"{final.days} of {final.of_days} days of "
    would = "would be" if dry_run else "is"
    won = f", {final.won:,} won as things stand" if final.won or final.days is not None else ""
    use = ", and what was used until then, which is asked for" if final.waits_for_use else ""
    return f"for {days}period {final.ordinal} a final invoice {would} charged{won}{use}"


def _credited(giving: "Giving") -> str:
    return f", and {giving.credited:,} won given as credit" if giving.credited else ""


def _debts(foretold: "Foretold") -> str:
    under_way = f" ({foretold.undecided} with a charge under way)" if foretold.undecided else ""
    before = "they are charged as before until then; " if foretold.made is Made.LATER else ""
    becomes = {
        "void": "what is not paid by then is void",
        "held": "what is not paid by then stays owed, and is not attempted during the pause",
        "charged": "what is not paid by then was delivered, and is charged all the same",
    }[foretold.debts_become]
    return f"invoices owed now: {foretold.debts}, {foretold.debts_won:,} won{under_way}; {before}{becomes}"
