"""The command that looks at everything an installation rests on: each line ok, or a problem and its mend."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import redis
import typer
from rich.console import Console

from billing.check_channel import check_channel
from billing.look_at_brakes import look_at_brakes
from billing.usage_resolvers import installed
from cli.options import AsJson
from cli.output import say_json
from domain.errors import BillingError, Misconfigured, TokenNotYet
from domain.instants import zone
from domain.usage import GROUP
from models.migrate import is_at_head
from models.queries import hint, hold, listing, usage
from models.session import Database
from runtime.channels import ChannelSettings
from runtime.settings import Settings, load_settings
from runtime.wiring import brakes_of, open_database, open_ports, server_urls

#: Free space below which the databases may stop.
_LEAST_MEGABYTES = 500
_NO_EVICTION = "noeviction"
_REDIS_SECONDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that was looked at; ``told`` is what was found, or the problem with its mend."""

    name: str
    ok: bool
    told: str


def doctor(as_json: AsJson = False) -> None:
    """Look at settings, database, broker, gateway, zones and disk; exit code 1 if something is wrong."""
    lines = look()
    if as_json:
        say_json({"ok": all(line.ok for line in lines), "checks": [asdict(line) for line in lines]})
    else:
        console = Console(highlight=False, soft_wrap=True)
        for line in lines:
            mark = "[green]ok[/]     " if line.ok else "[red]problem[/]"
            console.print(f"{mark} {line.name}: ", end="")
            console.print(line.told, markup=False)
    if not all(line.ok for line in lines):
        raise typer.Exit(1)


def look() -> list[Line]:
    """Look at everything; what one problem hides is left out."""
    lines: list[Line] = []
    settings: list[Settings] = []

    def read_settings() -> str:
        settings.append(load_settings())
        return "read, and the time limits stand in order"

    lines.append(_looked("settings", read_settings))
    if not settings:
        return lines
    found = settings[0]
    lines.append(_looked("time zones", lambda: f"{zone(found.timezone.key).key} and its kind are known"))
    lines.append(_looked("disk", lambda: _disk(found)))
    lines.append(_looked("servers", lambda: _servers(found)))
    if lines[-1].ok:
        lines.append(_looked("database", lambda: _database(found)))
        if lines[-1].ok:
            lines.append(_looked("hooks", lambda: _hooks(found)))
            lines.append(_looked("holds", lambda: _holds(found)))
            lines.append(_looked("usage", lambda: _usage(found)))
        lines.append(_looked("redis", lambda: _redis(found)))
    lines.extend(_gateways(found))
    return lines


def _looked(name: str, look_at: Callable[[], str]) -> Line:
    try:
        return Line(name=name, ok=True, told=look_at())
    except BillingError as error:
        return Line(name=name, ok=False, told=str(error))
    except Exception as error:  # noqa: BLE001 - a problem is what is looked for; its text may hold an address's password
        return Line(name=name, ok=False, told=f"it could not be looked at: {type(error).__name__}")


def _disk(settings: Settings) -> str:
    folder = settings.state_dir.absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free // 1_000_000
    if free < _LEAST_MEGABYTES:
        raise Misconfigured(
            f"{folder} has {free:,} MB left, less than {_LEAST_MEGABYTES}: free some space, or set JEONGGI_STATE_DIR"
        )
    return f"{free:,} MB free for {settings.state_dir}"


def _servers(settings: Settings) -> str:
    server_urls(settings)
    return "your own, by their addresses" if settings.database_url else f"embedded, in {settings.state_dir}"


@contextmanager
def _opened(settings: Settings) -> Iterator[Database]:
    database = Database(server_urls(settings).database_url, pool_size=1)
    try:
        database.check()
        yield database
    finally:
        database.close()


def _database(settings: Settings) -> str:
    with _opened(settings) as database:
        if not is_at_head(server_urls(settings).database_url):
            raise Misconfigured("it is not at the newest schema: run `jeonggi migrate`")
        with database.reading() as tx:
            facts: Any = listing.database_facts(tx)
            channels: Any = listing.channels(tx)
    wanted = settings.namespace
    if wanted is not None and facts.namespace not in {None, wanted}:
        raise Misconfigured(
            f"it belongs to the installation {facts.namespace!r}, not to {wanted!r}: set"
            f" JEONGGI_NAMESPACE={facts.namespace}, or use a database of its own"
        )
    if "off" in {facts.fsync, facts.synchronous_commit} and settings.channel_is_live:
        raise Misconfigured(
            "fsync or synchronous_commit is off: a crash may lose a committed attempt, and charge it twice; switch both"
            " on"
        )
    halted = [row.name for row in channels if row.halted_at is not None]
    if halted:
        raise Misconfigured(
            f"halted: {', '.join(halted)}: `jeonggi channel show` says why; see to it, then"
            f" `jeonggi channel resume {halted[0]} --reason ...`"
        )
    name = facts.namespace or wanted or "without a name yet"
    return f"PostgreSQL {facts.version}, at the newest schema, installation {name}"


def _hooks(settings: Settings) -> str:
    """What the gateway told by itself: no problem, whatever it is."""
    with _opened(settings) as database, database.reading() as tx:
        seen: Any = hint.last_day(tx)
    if not seen.came:
        return "none came in the last day: what they would have hastened is found later"
    last = f"{seen.last_at.astimezone(settings.timezone):%Y-%m-%d %H:%M:%S}"
    return (
        f"{seen.came:,} came in the last day, {seen.foreign_ones:,} of them about nothing of ours, the last at {last}"
    )


def _holds(settings: Settings) -> str:
    """Whose charges wait by a person's word: no problem, and not to be forgotten."""
    with _opened(settings) as database, database.reading() as tx:
        seen: Any = hold.standing(tx)
    if not seen.holds:
        return "nobody's charges are held"
    return (
        f"{seen.holds:,} stand, of {seen.subscriptions:,} subscriptions: {seen.charges:,} charges of {seen.won:,} won"
        " are due and wait; `jeonggi hold list` tells which"
    )


def _usage(settings: Settings) -> str:
    """Who waits for what was used; a problem once asking has failed, or where what a plan names is not installed."""
    with _opened(settings) as database, database.reading() as tx:
        names = usage.names_in_use(tx)
        seen: Any = usage.waiting_counts(tx)
    if not names:
        return "no plan bills by use"
    missing = [name for name in names if name not in installed()]
    if missing:
        raise Misconfigured(
            f"plans name {', '.join(missing)}, which no installed package has as an entry point of {GROUP}: install it"
            " beside jeonggi, for the workers too"
        )
    if seen.held:
        raise Misconfigured(
            f"{seen.held:,} subscriptions are due and not charged, for asking what they used failed: `jeonggi usage"
            " list` tells why"
        )
    return f"{', '.join(names)}: installed; {seen.waiting:,} subscriptions are being asked about"


def _redis(settings: Settings) -> str:
    url = server_urls(settings).redis_url
    port = urlsplit(url).port
    try:
        with redis.Redis.from_url(
            url, socket_timeout=_REDIS_SECONDS, socket_connect_timeout=_REDIS_SECONDS, decode_responses=True
        ) as client:
            client.ping()
            told: dict[str, Any] = dict(client.info("memory")) | dict(client.info("persistence"))
            version = dict(client.info("server")).get("redis_version")
    except redis.AuthenticationError:
        raise Misconfigured("it refuses the password: correct JEONGGI_REDIS_URL") from None
    except redis.RedisError as error:
        raise Misconfigured(
            f"it does not answer on port {port} ({type(error).__name__}): start it, or correct JEONGGI_REDIS_URL"
        ) from None
    policy = told.get("maxmemory_policy", "unknown")
    if policy != _NO_EVICTION:
        raise Misconfigured(f"maxmemory-policy is {policy}: set noeviction, or bells are dropped when memory is full")
    persistence = "on" if told.get("aof_enabled") else "off (bells ring again by themselves)"
    return f"version {version}, {_NO_EVICTION}, appendonly {persistence}"


def _gateways(settings: Settings) -> Iterator[Line]:
    """A line for each channel, and for each that has cards and is not configured."""
    if not settings.has_gateway:
        told = "none is set: nothing can be charged but by `jeonggi up`, with its simulator"
        yield Line(name="gateway", ok=True, told=told)
        return
    try:
        database = open_database(settings)
    except BillingError as error:
        yield Line(name="gateway", ok=False, told=str(error))
        return
    try:
        with database.reading() as tx:
            rows: Any = listing.channels(tx)
        cards = {row.name: row.cards for row in rows}
        for channel in settings.channels:
            # One whose credentials cannot be used does not hide the others.
            yield _looked(f"channel {channel.name}", partial(_channel, settings, channel.name, cards[channel.name]))
            yield _looked(f"brakes of {channel.name}", partial(_brakes, settings, channel, database))
    finally:
        database.close()
    names = [channel.name for channel in settings.channels]
    for row in rows:
        if row.name not in names and (row.cards or row.undecided):
            told = (
                f"cards of its own: {row.cards:,}; it is not configured, so they are not charged: add it to the file"
                " that JEONGGI_CHANNELS_FILE names, or give their subscriptions other cards"
            )
            yield Line(name=f"channel {row.name}", ok=False, told=told)


def _channel(settings: Settings, name: str, cards: int) -> str:
    ports = open_ports(settings, name)
    try:
        found = check_channel(ports)
    except TokenNotYet as not_yet:  # it was given one with these keys; the doctor does not wait the minute out
        return f"not asked just now: {not_yet}"
    finally:
        ports.gateway.close()
        ports.database.close()
    if found.problems:
        raise Misconfigured("; ".join(found.problems))
    url = next(channel.gateway_url for channel in settings.channels if channel.name == name)
    kind = "no real money moves" if ports.channel.is_test else "live: real money moves"
    cards_told = f"cards of its own: {cards:,}" if cards else "no card is its own yet"
    return (
        f"{url} takes our keys; the token lives {found.token_seconds_left:.0f} more seconds; its clock is"
        f" {found.skew_seconds:+.0f} s from the database's; {kind}; {cards_told}"
    )


def _brakes(settings: Settings, channel: ChannelSettings, database: Database) -> str:
    """What holds charges back; an open breaker is a problem, a window is none."""
    brakes = brakes_of(settings)
    with database.reading() as tx:
        seen = look_at_brakes(tx, channel.name, brakes=brakes, rate=channel.rate, zone=settings.timezone)
    told = "; ".join(f"{brake.name}: {brake.told}" for brake in seen if brake.holds)
    if any(brake.holds and brake.name == "breaker" for brake in seen):
        raise Misconfigured(told)
    return told or "nothing holds its charges back"
