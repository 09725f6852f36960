"""Commands about what must hold."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console

from billing.check_invariants import Broken, check_invariants
from billing.ports import Ports
from cli.opening import opened_channels, opened_ports
from cli.options import AsJson
from cli.output import say, say_json, show_table
from cli.patience import once_there_is_a_token
from runtime.settings import Settings

app = typer.Typer(no_args_is_help=True, help="What must hold, always.")


@app.callback()
def _group() -> None:
    """What must hold, always."""


@app.command()
def check(
    gateway: Annotated[
        bool, typer.Option("--gateway", help="Compare with the gateway's own list, both ways, of every channel.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Look for anything that is not as it must be; exit code 1 if there is."""
    console = Console(stderr=True, quiet=as_json or not sys.stderr.isatty())
    with _opened(gateway=gateway) as (settings, ports, gateways), console.status("looking") as status:
        attention: list[Broken] = []

        def look() -> list[Broken]:
            attention.clear()
            return check_invariants(ports, gateways=gateways, progress=status.update, attention=attention.append)

        broken = once_there_is_a_token(ports, look)
    if as_json:
        say_json({"broken": [asdict(each) for each in broken], "attention": [asdict(each) for each in attention]})
    else:
        for title, some in (("broken", broken), ("needs a person", attention)):
            if some:
                show_table(
                    (title, "of", "told"),
                    [(each.invariant, each.subject, each.told) for each in some],
                    settings.timezone,
                )
        say(f"{len(broken):,} broken, {len(attention):,} to be looked at by a person")
    if broken:
        raise typer.Exit(1)


@contextmanager
def _opened(*, gateway: bool) -> Iterator[tuple[Settings, Ports, Sequence[Ports]]]:
    if not gateway:
        with opened_ports() as (settings, ports):
            yield settings, ports, ()
        return
    with opened_channels() as (settings, channels):
        gateways = [*channels.values()]
        yield settings, gateways[0], gateways
