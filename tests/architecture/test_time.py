"""Is there one clock, and does no line ask this machine, or the database's session, in which zone it is?

Ruff refuses naive ``now``, ``today`` and the like; here is what it lets pass, and the SQL that it does not read.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

from tests.support.source_tree import PACKAGES, ROOT, Module, calls, listed, modules
from tests.support.zones import TOUCH_TIME

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Each of them answers in the zone of the process.
OF_THE_PROCESS: Final = {"localtime", "mktime", "ctime", "tzset", "tzlocal", "get_localzone", "today", "utcnow"}
#: Each of them answers in the zone of the session, or is a second clock beside ``billing_now()``.
OF_THE_SESSION: Final = re.compile(
    r"\b(?:current_(?:date|time|timestamp)|localtime|localtimestamp|transaction_timestamp|statement_timestamp|timeofday)"
    r"\b|\bnow\(\)|\bclock_timestamp\(\)|\b(?:date_trunc|date_part|to_char|extract|age)\s*\(|::\s*date\b|\bas\s+date\b"
    r"|\btimestamp\s+without\b|::\s*timestamp\b|\bas\s+timestamp\b",
    re.IGNORECASE,
)
#: What may read the server's clock: the function that is the one clock, and what lies beside it.
CLOCKS: Final = {
    "models/queries/installation.py": ["clock_timestamp()"],  # a step of the clock is anchored in real time
}
#: What Celery would keep of due times.
BY_THE_BROKER: Final = {"crontab", "solar", "eta", "countdown"}
#: Civil times are naive: which zone they belong to is told beside them.
CIVIL: Final = {"domain/schedule.py"}

_ZONED: Final = "Take `now` as an argument, and turn it with domain/instants.py in a zone that is named."
_ONE_CLOCK: Final = "Bind tx.now or tx.real; civil days are bound as instants of domain/instants.py."


def local_times(module: Module) -> list[str]:
    """Calls whose answer depends on where the process lives, and civil times outside their home."""
    return [f"{module.path}:{line} {what}" for line, what in _local_times(module)]


def _local_times(module: Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        named = {keyword.arg: keyword.value for keyword in node.keywords}
        if name in OF_THE_PROCESS:
            yield node.lineno, f"asks {name}()"
        elif name == "astimezone" and not node.args and not named:
            yield node.lineno, "turns an instant into the process's zone"
        elif name == "fromtimestamp" and len(node.args) < 2 and "tz" not in named:
            yield node.lineno, "reads a timestamp in the process's zone"
        elif name == "combine" and "tzinfo" not in named and len(node.args) < 3 and module.path not in CIVIL:
            yield node.lineno, "puts a date and a time together without their zone"
        elif _is_none(named.get("tzinfo")) or (name == "astimezone" and node.args and _is_none(node.args[0])):
            yield node.lineno, "takes the zone off"


def _is_none(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def session_times(module: Module) -> list[str]:
    """Pieces of SQL whose answer depends on the session's zone, or that read another clock."""
    docstrings = {id(node.value) for node in ast.walk(module.tree) if isinstance(node, ast.Expr)}
    return [
        f"{module.path}:{node.lineno} says {found.group()}"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
        for found in OF_THE_SESSION.finditer(node.value)
        if found.group() not in CLOCKS.get(module.path, [])
    ]


def test_no_line_asks_in_which_zone_its_process_lives() -> None:
    found = [told for module in modules(PACKAGES) for told in local_times(module)]

    assert found == [], listed(found, _ZONED)


def test_no_statement_asks_in_which_zone_its_session_is_nor_reads_another_clock() -> None:
    found = [told for module in modules(("models",)) for told in session_times(module)]

    assert found == [], listed(found, _ONE_CLOCK)


def due_times_in_messages(module: Module) -> list[str]:
    """Schedules by the wall clock, which skip and double at changes of clocks, and messages that carry a due time."""
    return [
        f"{module.path}:{node.lineno} gives {name}"
        for called, node in calls(module.tree)
        for name in (called, *(keyword.arg for keyword in node.keywords if keyword.arg))
        if name in BY_THE_BROKER
    ]


def test_beat_ticks_by_an_interval_and_no_message_carries_a_due_time() -> None:
    found = [told for module in modules(PACKAGES) for told in due_times_in_messages(module)]

    assert found == [], listed(found, "A due time is a row's: the tick finds it, also if one is lost or doubled.")


def test_what_is_run_in_every_pair_of_zones_is_there() -> None:
    gone = [place for place in TOUCH_TIME if not (ROOT / place).exists()]

    assert gone == [], listed(gone, "Name what took its place in tests/support/zones.py.")


def test_the_check_can_fail() -> None:
    bad = (
        "x = instant.astimezone()",
        "x = datetime.fromtimestamp(1)",
        "x = date.today()",
        "x = time.localtime()",
        "x = datetime.combine(day, at)",
        "x = instant.replace(tzinfo=None)",
        "x = instant.astimezone(None)",
    )
    for text in bad:
        assert local_times(Module(path="billing/bad.py", text=text)), text
    for text in (
        "x = instant.astimezone(UTC)",
        "x = datetime.fromtimestamp(1, tz=UTC)",
        "x = datetime.fromtimestamp(1, UTC)",
        "x = datetime.combine(day, at, tzinfo=zone)",
        "x = tx.now",
    ):
        assert local_times(Module(path="billing/good.py", text=text)) == [], text
    for text in ("beat = crontab(minute=0)", "task.apply_async(eta=due)", "task.apply_async(countdown=60)"):
        assert due_times_in_messages(Module(path="worker/bad.py", text=text)), text
    for sql in (
        "SELECT now()",
        "SELECT CURRENT_DATE",
        "WHERE due_at::date = :day",
        "WHERE CAST(due_at AS date) = :day",
        "GROUP BY date_trunc('day', due_at)",
        "SELECT to_char(due_at, 'DD')",
        "SELECT clock_timestamp()",
    ):
        assert session_times(Module(path="models/queries/bad.py", text=f'x = "{sql}"')), sql
    assert session_times(Module(path="models/queries/good.py", text='x = "WHERE due_at <= :now"')) == []
