"""The command line: ``python -m simulator`` serves, ``python -m simulator ledger`` prints what was charged."""

import argparse
import asyncio
import json
import sqlite3
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import uvloop

from simulator.accounts import BadAccount, parse_account
from simulator.ledger import read_rows
from simulator.options import HookMode, HookRules, Options, ScheduleShape, TokenRules, UsedMerchantUid
from simulator.server import CannotListen, serve

_TABLES: Mapping[str, str] = {
    "request": "the requests to charge",
    "cancellation": "what was given back",
    "cancel_request": "the requests to cancel",
    "schedule": "the schedules",
}
# What a summary counts, where it is not the status.
_COUNTED: Mapping[str, str] = {"request": "done", "cancellation": "reason", "cancel_request": "done"}


def _server_arguments(arguments: Sequence[str]) -> Options:
    parser = argparse.ArgumentParser(
        prog="python -m simulator", description="Serve a stand-in for I'mport (PortOne V1)."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True, help="for merchants; 0 takes a free one")
    parser.add_argument("--control-port", type=int, required=True, help="for tests; 0 takes a free one")
    parser.add_argument("--ledger", type=Path, required=True, help="SQLite file of all that is charged")
    parser.add_argument("--used-merchant-uid", type=UsedMerchantUid, choices=list(UsedMerchantUid), default="strict")
    parser.add_argument("--token-life-seconds", type=float, default=TokenRules().life_seconds)
    parser.add_argument("--token-extension-seconds", type=float, default=TokenRules().extension_seconds)
    parser.add_argument("--token-last-seconds", type=float, default=TokenRules().last_seconds)
    parser.add_argument("--imp-key", help="the only good key; without it any is good")
    parser.add_argument("--imp-secret")
    parser.add_argument("--latency-ms", type=int, default=0, help="how long a charge takes")
    parser.add_argument("--issue-on-sight", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--sandbox", action=argparse.BooleanOptionalAction, default=True, help="a test channel")
    parser.add_argument(
        "--hide-sandbox",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="GET /payments/{imp_uid} tells a test channel's payments only to include_sandbox=true",
    )
    parser.add_argument(
        "--account",
        action="append",
        default=[],
        metavar="KEY:SECRET[:PG.MID[:sandbox|live]]",
        help="a merchant of his own, or another MID of his; may be given several times",
    )
    parser.add_argument("--hook-url", help="where hooks are sent; none without it")
    parser.add_argument("--hook-form", action="store_true", help="as a form instead of JSON")
    parser.add_argument("--hook-mode", type=HookMode, choices=list(HookMode), default=HookMode.ON)
    parser.add_argument("--schedule-list", type=ScheduleShape, choices=list(ScheduleShape), default=ScheduleShape.PAGED)
    chosen = parser.parse_args(arguments)
    if (chosen.imp_key is None) != (chosen.imp_secret is None):
        parser.error("--imp-key and --imp-secret belong together")
    if chosen.imp_key is not None and chosen.account:
        parser.error("give --imp-key, or --account as often as needed, not both")
    try:
        accounts = tuple(parse_account(words, is_sandbox=chosen.sandbox) for words in chosen.account)
    except BadAccount as unreadable:
        parser.error(f"--account: {unreadable}")
    return Options(
        host=chosen.host,
        port=chosen.port,
        control_port=chosen.control_port,
        ledger=chosen.ledger,
        used_merchant_uid=chosen.used_merchant_uid,
        tokens=TokenRules(
            life_seconds=chosen.token_life_seconds,
            extension_seconds=chosen.token_extension_seconds,
            last_seconds=chosen.token_last_seconds,
        ),
        imp_key=chosen.imp_key,
        imp_secret=chosen.imp_secret,
        latency_ms=chosen.latency_ms,
        is_issuing_on_sight=chosen.issue_on_sight,
        is_sandbox=chosen.sandbox,
        is_hiding_sandbox=chosen.hide_sandbox,
        accounts=accounts,
        hooks=HookRules(url=chosen.hook_url, is_form=chosen.hook_form, mode=chosen.hook_mode),
        schedule_shape=chosen.schedule_list,
    )


def _print_ledger(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m simulator ledger", description="Print what was charged, read-only."
    )
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--json", action="store_true", help="a JSON list with one record a line; otherwise a summary")
    tables = parser.add_mutually_exclusive_group()
    for table, told in _TABLES.items():
        flag = f"--{table.replace('_', '-')}s"
        tables.add_argument(flag, dest="table", action="store_const", const=table, help=f"{told} instead of payments")
    chosen = parser.parse_args(arguments)
    if not chosen.ledger.exists():
        sys.stderr.write(f"there is no ledger at {chosen.ledger}\n")
        return 1
    rows = read_rows(chosen.ledger, table=chosen.table or "payment")
    if not chosen.json:
        for name, count in sorted(Counter(row[_COUNTED.get(chosen.table, "status")] for row in rows).items()):
            sys.stdout.write(f"{name:>16} {count}\n")
        return 0
    opening = "["
    for row in rows:
        sys.stdout.write(opening + json.dumps(row, ensure_ascii=False))
        opening = ",\n"
    sys.stdout.write("[]\n" if opening == "[" else "]\n")
    return 0


def main(arguments: Sequence[str]) -> int:
    """Run one command; return the exit code."""
    if arguments and arguments[0] == "ledger":
        return _print_ledger(arguments[1:])
    options = _server_arguments(arguments)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(options))
    except CannotListen as taken:
        sys.stderr.write(f"simulator: {taken}\n")
        return 1
    except (sqlite3.Error, OSError) as trouble:
        sys.stderr.write(f"simulator: cannot use the ledger {options.ledger}: {trouble}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
