"""The ``jeonggi`` command: one noun, one verb; errors are one sentence with their mend."""

import json
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

import typer

from billing.promotions import plan_missing_ends
from billing.refresh_due_times import refresh_due_times
from cli import (
    add_on,
    attempt,
    channel,
    consent,
    coupon,
    credit,
    decline,
    forecast_day,
    hold,
    hook,
    invariants,
    invoice,
    item,
    notice,
    payment,
    plan,
    price_change,
    refund,
    schedule,
    subscription,
    usage,
    window,
)
from cli.doctor import doctor
from cli.forecast import forecast
from cli.options import AsJson
from cli.output import say, say_json, warn
from cli.up import up
from cli.web import web
from domain.errors import BadInput, BillingError, Misconfigured
from models.migrate import upgrade_to_head
from models.session import Database
from runtime.settings import load_settings
from runtime.wiring import server_urls

app = typer.Typer(
    name="jeonggi",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Recurring billing: every billing period is charged once.",
)
for _noun in (
    plan,
    subscription,
    price_change,
    consent,
    notice,
    invoice,
    add_on,
    item,
    usage,
    credit,
    coupon,
    attempt,
    payment,
    refund,
    schedule,
    decline,
    channel,
    window,
    hold,
    hook,
    forecast_day,
    invariants,
):
    app.add_typer(_noun.app, name=_noun.__name__.rpartition(".")[2].replace("_", "-"))
app.command()(doctor)
app.command()(forecast)
app.command()(up)
app.command()(web)


@app.command()
def migrate(as_json: AsJson = False) -> None:
    """Bring the database to the newest schema; safe to run again."""
    url = server_urls(load_settings()).database_url
    database = Database(url, pool_size=1)
    try:
        database.check()
        upgrade_to_head(url)
        moved = refresh_due_times(database)
        ends = plan_missing_ends(database)
    finally:
        database.close()
    if as_json:
        say_json({"at_head": True, "due_times_moved": moved, "coupon_ends_planned": ends})
        return
    say("the database is at the newest schema")
    if moved:
        say(f"{moved:,} subscriptions are due at other times now: this version knows other holidays")
    if ends:
        say(f"{ends:,} coupons end only as their customers agree: `jeonggi price-change list` tells when")


@app.command("version")
def version_(as_json: AsJson = False) -> None:
    """Show which version this is."""
    try:
        found = version("jeonggi")
    except PackageNotFoundError:
        found = "unknown"
    if as_json:
        say_json({"version": found})
    else:
        say(found)


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command; gives its exit code: 0 done, 1 not done, 2 cannot be done with what was given."""
    as_json = "--json" in arguments
    try:
        app(args=list(arguments), prog_name="jeonggi")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BillingError as error:
        _tell(error.code, str(error), as_json=as_json)
        return 2 if isinstance(error, BadInput | Misconfigured) else 1
    except BrokenPipeError:
        return 1  # whoever read us has seen enough
    except Exception as error:  # noqa: BLE001 - the last door: nobody is shown a traceback
        _tell("unexpected", f"something unexpected happened ({type(error).__name__}); {_kept(error)}", as_json=as_json)
        return 1
    return 0


def _tell(code: str, message: str, *, as_json: bool) -> None:
    warn(message)
    if as_json:
        say(json.dumps({"error": {"code": code, "message": message}}, ensure_ascii=False))


def _kept(error: BaseException) -> str:
    """Keep where it happened; messages are left out, for they may hold rows and addresses."""
    frames: list[str] = []
    each: BaseException | None = error
    while each is not None:
        frames += [f"{type(each).__module__}.{type(each).__name__}\n", *traceback.format_tb(each.__traceback__)]
        each = each.__cause__ or each.__context__
    try:
        file = load_settings().state_dir.absolute() / "logs" / "cli.log"
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as stream:
            stream.writelines([*frames, "\n"])
    except Exception:  # noqa: BLE001 - the settings themselves may be what is broken
        return "where: " + frames[-1].strip().splitlines()[0].strip()
    return f"{file} tells where"
