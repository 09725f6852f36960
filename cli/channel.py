"""Commands about the gateway channel."""

from typing import Any

import typer

from billing import halt_channel
from cli.opening import opened_database
from cli.options import Actor, AsJson, Reason, by
from cli.output import as_dict, say, say_json, show_table
from models.queries import listing

app = typer.Typer(no_args_is_help=True, help="The way to the gateway.")


@app.command()
def show(as_json: AsJson = False) -> None:
    """Show whether it is halted, and what is undecided."""
    with opened_database() as (settings, database), database.reading() as tx:
        row: Any = listing.channel(tx)
    if as_json:
        say_json(as_dict(row))
        return
    facts = {
        "halted since": row.halted_at,
        "because": row.halt_reason,
        "attempts undecided": row.undecided,
        "token dies": row.token_dies_at,
    }
    show_table(("channel", row.name), facts.items(), settings.timezone)


@app.command()
def halt(reason: Reason, actor: Actor = None, as_json: AsJson = False) -> None:
    """Let nothing more be charged until it is resumed; look-ups go on."""
    _switch(halt_channel.halt, by(actor, reason), ("halted", "was halted already"), as_json=as_json)


@app.command()
def resume(reason: Reason, actor: Actor = None, as_json: AsJson = False) -> None:
    """Let charges be made again."""
    _switch(halt_channel.resume, by(actor, reason), ("resumed", "was not halted"), as_json=as_json)


def _switch(switch: Any, who: Any, told: tuple[str, str], *, as_json: bool) -> None:  # noqa: ANN401
    with opened_database() as (_, database):
        changed = switch(database, by=who)
    if as_json:
        say_json({"changed": changed})
    else:
        say(f"the channel {'is ' + told[0] if changed else told[1]}")
