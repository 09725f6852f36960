"""Commands about gateway channels."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any

import typer

from billing import halt_channel
from billing.change_subscription import By
from billing.check_channel import check_channel
from billing.ports import Channel
from cli.opening import opened_database, opened_ports_with_gateway
from cli.options import Actor, AsJson, Reason, by
from cli.output import as_dict, say, say_json, show_table, warn
from cli.patience import once_there_is_a_token
from domain.errors import BadInput
from models.queries import installation, listing
from runtime.wiring import channel_of

app = typer.Typer(no_args_is_help=True, help="The ways to the gateway.")

Name = Annotated[str | None, typer.Argument(metavar="[NAME]", help="Which one; not needed where there is only one.")]
All = Annotated[bool, typer.Option("--all", help="Every channel.")]


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Show every channel: whether it is halted, how many cards are its own, what is undecided there."""
    with opened_database() as (settings, database), database.reading() as tx:
        rows = listing.channels(tx)
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
    """Show whether it is halted, and what is undecided."""
    with opened_database() as (settings, database), database.reading() as tx:
        rows: dict[str, Any] = {row.name: row for row in listing.channels(tx)}
    (chosen,) = _chosen(list(rows), name, all_=False)
    row = rows[chosen]
    configured = next((channel_of(each) for each in settings.channels if each.name == chosen), None)
    if as_json:
        say_json({**as_dict(row), "configured": None if configured is None else asdict(configured)})
        return
    facts: dict[str, object] = {} if configured is None else _configured(configured)
    facts |= {
        "halted since": row.halted_at,
        "because": row.halt_reason,
        "not configured since": row.missing_since,
        "cards": row.cards,
        "attempts undecided": row.undecided,
        "token dies": row.token_dies_at,
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


def _chosen(known: list[str], name: str | None, *, all_: bool) -> list[str]:
    """Which channels are meant.

    Raises:
        BadInput: There is none of that name, or none is named where there are several.
    """
    if all_ and name is not None:
        raise BadInput("give a channel's name or --all, not both")
    if all_:
        return known
    if name is None and len(known) > 1:
        raise BadInput(f"there are several channels: name one of {', '.join(known)}, or give --all to halt or resume")
    if name is not None and name not in known:
        raise BadInput(f"there is no channel {name!r}; there are {', '.join(known)}")
    return [name or known[0]]


def _switch(
    switch: Callable[..., bool], name: str | None, who: By, told: tuple[str, str], *, all_: bool, as_json: bool
) -> None:
    with opened_database() as (_, database):
        with database.reading() as tx:
            chosen = _chosen([*installation.known_channels(tx)], name, all_=all_)
        changed = {name: switch(database, name, by=who) for name in chosen}
    if as_json:
        say_json({"changed": changed})
        return
    for each, was_changed in changed.items():
        say(f"channel {each} {told[0] if was_changed else told[1]}")
