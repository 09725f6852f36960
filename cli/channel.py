"""Commands about gateway channels."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any

import typer

from billing import halt_channel
from billing.allow_more import allow_more
from billing.change_subscription import By
from billing.check_channel import check_channel
from billing.look_at_brakes import look_at_brakes
from billing.ports import Channel
from cli.opening import opened_database, opened_ports_with_gateway
from cli.options import Actor, AsJson, DryRun, Reason, by
from cli.output import as_dict, say, say_json, show_table, warn
from cli.patience import once_there_is_a_token
from domain.envelope import Volume
from domain.errors import BadInput
from models.queries import installation, listing
from runtime.settings import Settings
from runtime.wiring import brakes_of, channel_of

app = typer.Typer(no_args_is_help=True, help="The ways to the gateway.")

Name = Annotated[str | None, typer.Argument(metavar="[NAME]", help="Which one; not needed where there is only one.")]
All = Annotated[bool, typer.Option("--all", help="Every channel.")]


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Show every channel: whether it is halted, how many cards are its own, what is undecided there."""
    with opened_database() as (settings, database), database.reading() as tx:
        configured = {channel.name for channel in settings.channels}
        rows = [row for row in listing.channels(tx) if row.name in configured or row.cards or row.undecided]
    if as_json:
        say_json({"channels": [as_dict(row) for row in rows]})
        return
    show_table(
        ("channel", "halted since", "not configured since", "cards", "undecided"),
        [(row.name, row.halted_at, row.missing_since, row.cards, row.undecided) for row in rows],
        settings.timezone,
    )


@app.command()
def show(name: Name = None, as_json: AsJson = False) -> None:
    """Show what holds its charges back and what ends it, and what is undecided."""
    with opened_database() as (settings, database), database.reading() as tx:
        rows: dict[str, Any] = {row.name: row for row in listing.channels(tx)}
        (chosen,) = _chosen(list(rows), name, settings, all_=False)
        row = rows[chosen]
        told = next((each for each in settings.channels if each.name == chosen), None)
        rate = settings.gateway_rate if told is None else told.rate
        brakes = look_at_brakes(tx, chosen, brakes=brakes_of(settings), rate=rate, zone=settings.timezone)
    configured = None if told is None else channel_of(told)
    if as_json:
        known = None if configured is None else asdict(configured)
        say_json({**as_dict(row), "configured": known, "brakes": [asdict(brake) for brake in brakes]})
        return
    facts: dict[str, object] = {} if configured is None else _configured(configured)
    facts |= {
        "not configured since": row.missing_since,
        "cards": row.cards,
        "attempts undecided": row.undecided,
        "token dies": row.token_dies_at,
        **{brake.name: brake.told for brake in brakes},
    }
    show_table(("channel", row.name), facts.items(), settings.timezone)


def _configured(channel: Channel) -> dict[str, object]:
    return {
        "money": "no real money moves" if channel.is_test else "live: real money moves",
        "pg": channel.pg,
        "merchant code": channel.imp_code or None,
        "channel key": channel.channel_key or None,
        **_capabilities(channel),
    }


@app.command()
def halt(reason: Reason, name: Name = None, all_: All = False, actor: Actor = None, as_json: AsJson = False) -> None:
    """Let nothing more be charged through it until it is resumed; look-ups go on."""
    told = ("is halted", "was halted already")
    _switch(halt_channel.halt, name, by(actor, reason), told, all_=all_, as_json=as_json)


@app.command()
def resume(reason: Reason, name: Name = None, all_: All = False, actor: Actor = None, as_json: AsJson = False) -> None:
    """Let charges be made again."""
    told = ("is resumed", "was not halted")
    _switch(halt_channel.resume, name, by(actor, reason), told, all_=all_, as_json=as_json)


@app.command()
def allow(
    reason: Reason,
    name: Name = None,
    charges: Annotated[int | None, typer.Option(min=0, help="So many charges more; unless given, what is due.")] = None,
    won: Annotated[int | None, typer.Option(min=0, help="So many won more; unless given, what is due.")] = None,
    dry_run: DryRun = False,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Let it charge more today than its envelope holds, and go on if that halted it."""
    who = by(actor, reason)
    if (charges is None) != (won is None):
        raise BadInput("give both --charges and --won, or neither for what is due now")
    with opened_database() as (settings, database):
        with database.reading() as tx:
            (chosen,) = _chosen([*installation.known_channels(tx)], name, settings, all_=False)
        more = None if charges is None or won is None else Volume(charges=charges, won=won)
        found = allow_more(database, chosen, brakes=brakes_of(settings), more=more, by=who, dry_run=dry_run)
    if as_json:
        say_json({"channel": chosen, **asdict(found), "written": not dry_run})
        return
    would = "would be" if dry_run else "is"
    say(
        f"channel {chosen} on {found.day}: {found.more.words} more {would} allowed, {found.limit.words} in all;"
        f" {found.claimed.words} claimed, {found.due.words} due now"
    )
    if found.was_resumed:
        say(f"channel {chosen} is resumed")


@app.command()
def check(name: Name = None, as_json: AsJson = False) -> None:
    """Ask its gateway for a token and look at what it says; exit code 1 if something is wrong. Moves no money."""
    with opened_ports_with_gateway(name) as (settings, ports):
        found = once_there_is_a_token(ports, lambda: check_channel(ports))
        channel = ports.channel
    if as_json:
        say_json({"channel": channel.name, "ok": not found.problems, **asdict(found), **_capabilities(channel)})
    else:
        facts: dict[str, object] = {
            "money": "no real money moves" if channel.is_test else "live: real money moves",
            "pg": channel.pg,
            "took our newest payment": found.pg,
            "token lives": f"{found.token_seconds_left:.0f} s",
            "its clock": f"{found.skew_seconds:+.0f} s from the database's",
            **_capabilities(channel),
        }
        show_table(("channel", channel.name), facts.items(), settings.timezone)
        for problem in found.problems:
            warn(problem)
    if found.problems:
        raise typer.Exit(1)


def _capabilities(channel: Channel) -> dict[str, bool | None]:
    return {
        "refuses_used_merchant_uid": channel.refuses_used_merchant_uid,
        "declined_merchant_uid_reusable": channel.declined_merchant_uid_reusable,
    }


def _chosen(known: list[str], name: str | None, settings: Settings, *, all_: bool) -> list[str]:
    """Which channels are meant: any that was ever configured, and the only one that is configured now.

    Raises:
        BadInput: There is none of that name, or none is named where there are several.
    """
    if all_ and name is not None:
        raise BadInput("give a channel's name or --all, not both")
    if all_:
        return known
    if name is not None and name not in known:
        raise BadInput(f"there is no channel {name!r}; there are {', '.join(known)}")
    configured = [channel.name for channel in settings.channels]
    if name is None and len(configured) > 1:
        told = ", ".join(configured)
        raise BadInput(f"there are several channels: name one of {told}, or give --all to halt or resume")
    return [name or configured[0]]


def _switch(
    switch: Callable[..., bool], name: str | None, who: By, told: tuple[str, str], *, all_: bool, as_json: bool
) -> None:
    with opened_database() as (settings, database):
        with database.reading() as tx:
            chosen = _chosen([*installation.known_channels(tx)], name, settings, all_=all_)
        changed = {name: switch(database, name, by=who) for name in chosen}
    if as_json:
        say_json({"changed": changed})
        return
    for each, was_changed in changed.items():
        say(f"channel {each} {told[0] if was_changed else told[1]}")
