"""The command that brings everything up on one machine, charges what is due, shows it, and stays until it is stopped.

With a gateway set it serves that gateway; without one it brings the simulator, and imports the examples.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import say, say_json, warn
from cli.up_examples import import_examples
from cli.up_programs import Installation, open_installation
from cli.up_progress import Watch
from cli.up_table import Comparison, compare
from domain.errors import BadInput, BillingError
from domain.instants import require_utc
from models.queries import brake, hold, installation, open_period, progress, stop
from runtime.logs import set_up_logs
from runtime.processes import Supervisor
from runtime.settings import load_settings

if TYPE_CHECKING:
    from models.queries.progress import Progress

Clock = Annotated[
    str | None,
    typer.Option(help="Simulator only: ORIGIN@RATE (simulated seconds a real second) or ORIGIN@step."),
]
UntilIdle = Annotated[bool, typer.Option("--until-idle", help="End once nothing is due and nothing is unknown.")]
Until = Annotated[
    str | None, typer.Option(metavar="INSTANT", help="On a mapped clock: let time go on until then, and end.")
]
Workers = Annotated[int, typer.Option(min=1, max=16, help="Processes that charge.")]
UsedUid = Annotated[
    str, typer.Option("--used-merchant-uid", help="Simulator only: strict refuses a used merchant_uid, careless not.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Tell the end of the round as one JSON document.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Goal:
    """When the round ends: once idle, at an instant of billing time and then idle, or never."""

    ends_when_idle: bool
    until: datetime | None


def up(
    clock: Clock = None,
    until_idle: UntilIdle = False,
    until: Until = None,
    workers: Workers = 2,
    used_merchant_uid: UsedUid = "strict",
    as_json: AsJson = False,
) -> None:
    """Start everything: engines, beat, workers, Flower, and the simulator unless a gateway is set."""
    settings = load_settings(**({} if clock is None else {"clock": clock}))
    goal = _Goal(ends_when_idle=until_idle or until is not None, until=_instant(until))
    if goal.until is not None and settings.clock_setting is None:
        raise BadInput("--until needs a mapped clock: give --clock ORIGIN@RATE, or use --until-idle")
    if used_merchant_uid not in {"strict", "careless"}:
        raise BadInput("--used-merchant-uid is strict or careless")
    set_up_logs(settings.model_copy(update={"log_level": "WARNING"}))
    with ExitStack() as stack:
        house = open_installation(stack, settings, stops_at=goal.until)
        supervisor = stack.enter_context(Supervisor(house.logs))
        house.start_programs(supervisor, workers=workers, used_merchant_uid=used_merchant_uid)
        import_examples(house, quiet=as_json)
        is_good = _serve(house, supervisor, goal, as_json=as_json)
    if not is_good:
        raise typer.Exit(1)


def _serve(house: Installation, supervisor: Supervisor, goal: _Goal, *, as_json: bool) -> bool:
    """Watch the first round, tell how it ended, then stay, or end. Gives whether all was as it should be."""
    with Watch(house, quiet=as_json) as watch:
        supervisor.run(until=lambda: _is_over(house, watch.look(), goal), each_round=house.revive_engines)
        ended = watch.look()
    if supervisor.stopping:
        say("stopped before the round was over; what is undecided is asked about at the next start")
        return not goal.ends_when_idle
    comparison = compare(house)
    _tell(house, comparison, ended, as_json=as_json)
    is_good = comparison.is_good and ended.halted is None
    if not goal.ends_when_idle:
        house.tell_urls()
        supervisor.run(until=lambda: _never(house), each_round=house.revive_engines)
        return True
    return is_good


def _is_over(house: Installation, seen: Progress, goal: _Goal) -> bool:
    """Whether the round has ended; a stepped clock is moved on here, once everything is at rest."""
    if seen.halted is not None and seen.due == 0 and seen.in_flight == 0:
        return True  # the other channels are done
    if not seen.is_idle:
        return False
    if goal.until is None or seen.now >= goal.until:
        return True
    if house.is_stepped:
        _step(house, goal.until)
    return False


def _never(house: Installation) -> bool:
    if house.is_stepped:
        with house.database.reading() as tx:
            idle = progress.progress(tx, since_event=0).is_idle
        if idle:
            _step(house, None)
    return False


def _step(house: Installation, until: datetime | None) -> None:
    """Jump to the next instant at which something is due, stops or goes on, or a brake ends, but not past the end."""
    with house.database.transaction() as tx:
        due = open_period.earliest_due(tx)
        ends = (brake.first_end(tx), hold.first_end(tx), stop.first_to_come(tx))
        wanted = (due.next_period_at, due.next_attempt_at, *ends, until)
        instants = [instant for instant in wanted if instant is not None]
        if instants:
            installation.step_clock(tx, min(instants))


def _tell(house: Installation, comparison: Comparison, ended: Progress, *, as_json: bool) -> None:
    if as_json:
        say_json({"now": ended.now, "halted": ended.halted, **comparison.document()})
        return
    comparison.show(house.settings.timezone)
    if ended.halted is not None:
        warn(f"halted: {ended.halted}; mend it, then `jeonggi channel resume NAME --reason ...`")
    if ended.before_operator:
        warn(f"{ended.before_operator} attempts wait for an operator: `jeonggi attempt list --operator`")


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return require_utc(datetime.fromisoformat(text))
    except (ValueError, BillingError) as error:
        raise BadInput(f"--until {text!r} is no instant with an offset, such as 2026-06-30T00:00:00+09:00") from error
