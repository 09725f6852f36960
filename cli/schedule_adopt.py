"""The command that moves a merchant off the gateway's schedules: what it would take over first, then row by row."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from billing.adopt_rows import PAGE, Moved, adopt_rows, resume_adoptions
from billing.adopt_schedules import Offer, Standing, offer_rows
from billing.compare_payments import in_groups
from billing.ports import Ports
from billing.token_in_hand import token_in_hand
from cli.bar import Bar, progress_bar
from cli.opening import opened_ports_with_gateway
from cli.options import Actor, AsJson, DryRun, OfChannel, by
from cli.output import say, say_json, shown, warn
from cli.patience import once_there_is_a_token
from cli.subscription_import import LISTED, Update, Yes, asks, lines_of, opened_file
from domain.subscription_file import Refused, SubscriptionFile
from domain.subscription_row import SubscriptionRow
from models.queries import adoption
from runtime.settings import Settings

File = Annotated[Path, typer.Argument(metavar="FILE.csv", help="As for `jeonggi subscription import`.")]
AcceptAmount = Annotated[
    bool, typer.Option("--accept-amount", help="Take schedules whose won differ from the plan's price.")
]


def adopt(
    file: File,
    channel: OfChannel = None,
    dry_run: DryRun = False,
    accept_amount: AcceptAmount = False,
    update: Update = False,
    yes: Yes = False,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Take over what the gateway charges by itself; may be interrupted anywhere, and run again with the same file."""
    who = by(actor, f"adoption of {file.name}")
    told = _Told(as_json=as_json)
    with opened_ports_with_gateway(channel) as (settings, ports), progress_bar(as_json=as_json) as bar:
        told.zone = settings.timezone
        offers = _offers(settings, ports, file, told, bar, accept_amount=accept_amount)
        told.offers(offers)
        if not dry_run:
            if not yes and not as_json and asks() and offers:
                bar.stop()
                typer.confirm("Go on?", abort=True, err=True)
            done = bar("adopting", len(offers))
            for page in in_groups(offers, PAGE):
                # What is begun in a token's last minute would be left for later.
                once_there_is_a_token(ports, lambda: token_in_hand(ports))
                adopt_rows(ports, page, by=who, update=update, moved=told.moved)
                done(len(page))
    told.end(is_written=not dry_run)


def resume(channel: OfChannel = None, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Go on with every adoption that was begun and is not ended; safe to run again."""
    told = _Told(as_json=as_json)
    with opened_ports_with_gateway(channel) as (settings, ports), progress_bar(as_json=as_json) as bar:
        told.zone = settings.timezone
        with ports.database.reading() as tx:
            told.begun = len(adoption.unfinished(tx, ports.channel.name, after=None, limit=None))
        if not dry_run:
            done = bar("adopting", told.begun)

            def moved(each: Moved) -> None:
                told.moved(each)
                done(1)

            once_there_is_a_token(ports, lambda: token_in_hand(ports))
            resume_adoptions(ports, moved=moved)
    told.end(is_written=not dry_run)


def _offers(
    settings: Settings, ports: Ports, file: Path, told: "_Told", bar: Bar, *, accept_amount: bool
) -> Sequence[Offer | Standing]:
    rows: list[SubscriptionRow] = []
    for row in _rows(settings, file):
        if isinstance(row, Refused):
            told.refused(row)
        else:
            rows.append(row)
    done = bar("reading schedules", len(rows))
    found = once_there_is_a_token(ports, lambda: offer_rows(ports, rows, accept_amount=accept_amount, done=done))
    for each in found:
        if isinstance(each, Refused):
            told.refused(each)
    return [each for each in found if not isinstance(each, Refused)]


def _rows(settings: Settings, file: Path) -> Iterator[SubscriptionRow | Refused]:
    with opened_file(file) as stream:
        yield from SubscriptionFile(lines_of(stream, lambda _: None), default_timezone=settings.timezone.key)


class _Told:
    """What is told of the rows, on the way and at the end."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._counts: Counter[str] = Counter()
        self._refused: list[dict[str, Any]] = []
        self._unfinished: list[dict[str, Any]] = []
        self.begun = 0  # adoptions that stood unfinished before
        self.zone = ZoneInfo("UTC")

    def refused(self, row: Refused) -> None:
        """A row that is not taken."""
        self._refuse(row.line, row.reason)

    def offers(self, offers: Sequence[Offer | Standing]) -> None:
        """What was found, before anything is written."""
        new = [each for each in offers if isinstance(each, Offer)]
        waiting = [each for offer in new for each in offer.waiting]
        self.begun = sum(isinstance(each, Standing) and not each.is_done for each in offers)
        self._counts["standing"] = sum(isinstance(each, Standing) and each.is_done for each in offers)
        self._counts["offered"] = len(new)
        self._counts["schedules"] = len(waiting)
        self._counts["won"] = sum(each.amount for each in waiting)
        if self._as_json:
            return
        say(
            f"{len(new):,} subscribers with {len(waiting):,} schedules that wait, {self._counts['won']:,} won;"
            f" {self.begun:,} were begun before, {self._counts['standing']:,} are done already"
        )
        if waiting:
            say(f"the first of them is to run at {shown(min(each.at for each in waiting), self.zone)}")

    def moved(self, each: Moved) -> None:
        """What became of one."""
        if each.stands is None:
            self._refuse(each.line or 0, each.because)
            return
        self._counts["adopted" if each.is_done else "unfinished"] += 1
        if each.is_done:
            self._counts["revoked"] += each.stands.revoked
            self._counts["paid_elsewhere"] += each.stands.paid_elsewhere
            return
        until = each.stands.waits_until
        if len(self._unfinished) < LISTED:
            told = {"subscription_id": each.subscription_id, "reason": each.because, "not_before": until}
            self._unfinished.append(told)
        if not self._as_json:
            warn(f"subscription {each.subscription_id}: {each.because}{_from(until, self.zone)}")

    def end(self, *, is_written: bool) -> None:
        """The sum.

        Raises:
            Exit: Something is left to do.
        """
        counts = self._counts
        names = ("offered", "schedules", "won", "standing", "adopted", "revoked", "paid_elsewhere", "unfinished")
        if self._as_json:
            say_json(
                {name: counts[name] for name in names}
                | {"begun_before": self.begun, "unfinished_rows": self._unfinished}
                | {"refused_count": counts["refused"], "refused": self._refused, "written": is_written}
            )
        elif is_written:
            say(
                f"{counts['adopted']:,} adopted: {counts['revoked']:,} schedules revoked, {counts['paid_elsewhere']:,}"
                f" had run and paid their period; {counts['unfinished']:,} not ended; {counts['refused']:,} refused"
            )
            if counts["unfinished"]:
                say("what is not ended is gone on with every hour, or by `jeonggi schedule resume`")
        else:
            say(f"nothing was written; {self.begun:,} would be gone on with, {counts['refused']:,} are refused")
        if counts["unfinished"] or counts["refused"]:
            raise typer.Exit(1)

    def _refuse(self, line: int, reason: str) -> None:
        self._counts["refused"] += 1
        if len(self._refused) < LISTED:
            self._refused.append({"line": line, "reason": reason})
        if not self._as_json:
            warn(f"line {line}: {reason}")


def _from(until: datetime | None, zone: ZoneInfo) -> str:
    return "" if until is None else f", from {shown(until, zone)} on"
