"""Does an attempt end in one way only: through ``billing/record_outcome.py`` and its ``billing/ending.py``?

What else may move an attempt's state stands here, with its reason; nothing else may.
"""

from __future__ import annotations

import ast
import re
from typing import Final

from tests.support.source_tree import PRODUCTION, Module, calls_with_place, functions, listed, modules

ENDING: Final = {"billing/ending.py", "billing/record_outcome.py"}

#: Statements that write ``charge_attempt``, by the function or module that holds them.
SQL_THAT_MOVES_ATTEMPTS: Final = {
    "models/queries/resolve.py",  # the resolver's take: in_flight past its lease becomes unknown, under a new fence
    "models/queries/record.py::abandon_unneeded",  # part of recording: an older attempt has paid the invoice
    "models/queries/claim.py::note_cleared",  # an ended one was looked up once more: no state, no fence
    "models/queries/hint.py::hasten",  # an unknown one is looked at sooner: no state, no fence
    "models/queries/change.py::void_invoices",  # cancel: proven not executed, and no longer wanted
}
#: Bulk writes of whole attempt rows.
ROWS_OF_ATTEMPTS: Final = {
    "models/queries/claim.py::write_claim",  # commit 1: in_flight, new or re-sent
    "models/queries/record.py::write_recorded",  # commit 2
}
#: Who may call what moves an attempt.
CALLERS: Final = {
    "write_claim": "billing/claim_due.py",
    "write_recorded": "billing/record_outcome.py",
    "abandon_unneeded": "billing/record_outcome.py",
    "void_invoices": "billing/change_subscription.py",
    "note_cleared": "billing/clear_reattempt.py",
    "hasten": "billing/follow_hints.py",
    "take_undecided": "billing/resolve_unknown.py",
    "Ending": "billing/record_outcome.py",
    "take_refunds": "billing/resolve_refunds.py",
    "write_booked": "billing/record_refund.py",
}
#: The one event that a claim may apply: the same attempt leaves again.
CLAIM: Final = ("billing/claim_due.py", "RESENT")

_WRITES_ATTEMPTS: Final = re.compile(
    r"\b(update|insert\s+into|delete\s+from|merge\s+into)\s+charge_attempt\b", re.IGNORECASE
)
_MEND: Final = "Hand a Report to record_outcomes: it locks the rows, and Ending moves them."


def statements(module: Module) -> list[str]:
    """SQL that writes attempts where none is reviewed."""
    places = {id(node): function.name for function in functions(module.tree) for node in ast.walk(function)}
    found = []
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _WRITES_ATTEMPTS.search(node.value):
            place = f"{module.path}::{places[id(node)]}" if id(node) in places else module.path
            if place not in SQL_THAT_MOVES_ATTEMPTS:
                found.append(f"{place} writes charge_attempt on line {node.lineno}")
    return found


def bulk_writes(module: Module) -> list[str]:
    """insert_rows and update_rows of attempts where none is reviewed."""
    return [
        f"{place} writes attempt rows on line {node.lineno}"
        for place, name, node in calls_with_place(module)
        if name in {"insert_rows", "update_rows"}
        and any(isinstance(argument, ast.Name) and argument.id == "ChargeAttempt" for argument in node.args)
        and place not in ROWS_OF_ATTEMPTS
    ]


def foreign_callers(module: Module) -> list[str]:
    """Calls of what moves attempts from where they are not reviewed."""
    return [
        f"{place} calls {name} on line {node.lineno}"
        for place, name, node in calls_with_place(module)
        if name in CALLERS and module.path != CALLERS[name]
    ]


def events_applied(module: Module) -> list[str]:
    """Attempt events named in billing or above, outside the ending."""
    if module.path in ENDING or module.package == "domain":
        return []
    return [
        f"{module.path}:{node.lineno} applies AttemptEvent.{node.attr}"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "AttemptEvent"
        and (module.path, node.attr) != CLAIM
    ]


def states_assigned(module: Module) -> list[str]:
    """An attempt's state set in a dict or on an object, outside the ending; a claim writes IN_FLIGHT alone."""
    if module.path in ENDING or module.package == "domain":
        return []
    found = []
    for node in ast.walk(module.tree):
        pairs: list[tuple[ast.expr | None, ast.expr]] = []
        if isinstance(node, ast.Dict):
            pairs = list(zip(node.keys, node.values, strict=True))
        elif isinstance(node, ast.Assign):
            pairs = [(_last_name(target), node.value) for target in node.targets]
        for key, value in pairs:
            state = _attempt_state(value)
            allowed = state == "IN_FLIGHT" and module.path == CLAIM[0]
            if isinstance(key, ast.Constant) and key.value == "state" and state is not None and not allowed:
                found.append(f"{module.path}:{value.lineno} sets an attempt's state to {state}")
    return found


def _last_name(target: ast.expr) -> ast.expr | None:
    match target:
        case ast.Attribute(attr=name):
            return ast.Constant(value=name)
        case ast.Subscript(slice=key):
            return key
        case _:
            return None


def _attempt_state(value: ast.expr) -> str | None:
    match value:
        case ast.Attribute(value=ast.Name(id="AttemptState"), attr=name):
            return name
        case _:
            return None


CHECKS: Final = (statements, bulk_writes, foreign_callers, events_applied, states_assigned)


def test_only_recording_ends_an_attempt() -> None:
    found = [told for module in modules(PRODUCTION) for check in CHECKS for told in check(module)]

    assert found == [], listed(found, _MEND)


def test_every_reviewed_exception_is_still_there() -> None:
    reviewed = {name.partition("::")[0] for name in SQL_THAT_MOVES_ATTEMPTS | ROWS_OF_ATTEMPTS} | set(CALLERS.values())

    assert reviewed <= {module.path for module in modules(PRODUCTION)}, "Take the exception off the list: it is gone."


def test_each_check_can_fail() -> None:
    bad = {
        statements: 'def f(tx):\n    tx.execute(text(f"UPDATE charge_attempt SET state = {1}"))\n',
        bulk_writes: "def f(tx):\n    update_rows(tx, ChargeAttempt, [])\n",
        foreign_callers: "def f(tx):\n    record.write_recorded(tx)\n",
        events_applied: "def f(s):\n    return advance(ATTEMPT_TABLE, s, AttemptEvent.DECLINED)\n",
        states_assigned: "row['state'] = AttemptState.APPROVED\nrow.state = AttemptState.DECLINED\n",
    }

    assert set(bad) == set(CHECKS)
    for check, text in bad.items():
        assert check(Module(path="billing/bad.py", text=text)), check.__name__
    assert len(states_assigned(Module(path="billing/bad.py", text=bad[states_assigned]))) == 2
    assert states_assigned(Module(path=CLAIM[0], text="x = {'state': AttemptState.DECLINED}"))
