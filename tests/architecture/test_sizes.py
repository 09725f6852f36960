"""Is every module and function short enough to be read in one go?"""

from __future__ import annotations

from typing import Final

from tests.support.source_tree import Module, functions, listed, modules

LINES_OF_A_MODULE: Final = 400
LINES_OF_A_FUNCTION: Final = 70

#: Written once and never edited again.
FROZEN: Final = "migrations/versions/"
#: One literal, a line a field: splitting it would hide that it is the gateway's whole record.
ONE_LITERAL: Final = {"simulator/wire.py::annotate_payment"}


def long_modules(module: Module) -> list[str]:
    count = len(module.text.splitlines())
    return [f"{module.path} has {count} lines"] if count > LINES_OF_A_MODULE else []


def long_functions(module: Module) -> list[str]:
    return [
        f"{module.path}:{function.lineno} {function.name} has {count} lines"
        for function in functions(module.tree)
        if (count := (function.end_lineno or function.lineno) - function.lineno + 1) > LINES_OF_A_FUNCTION
        and f"{module.path}::{function.name}" not in ONE_LITERAL
    ]


def test_no_module_is_longer_than_its_limit() -> None:
    found = [told for module in modules() if not module.path.startswith(FROZEN) for told in long_modules(module)]

    assert found == [], listed(found, f"Split it along a noun: a module has at most {LINES_OF_A_MODULE} lines.")


def test_no_function_is_longer_than_its_limit() -> None:
    found = [told for module in modules() if not module.path.startswith(FROZEN) for told in long_functions(module)]

    assert found == [], listed(found, f"Name its parts: a function has at most {LINES_OF_A_FUNCTION} lines.")


def test_exceptions_still_exist() -> None:
    names = {f"{module.path}::{function.name}" for module in modules() for function in functions(module.tree)}

    assert names >= ONE_LITERAL, "Take the exception off the list: nothing is called so any more."


def test_the_checks_can_fail() -> None:
    long = "def f():\n" + "    pass\n" * LINES_OF_A_FUNCTION
    module = Module(path="billing/bad.py", text=long * 6)

    assert long_modules(module)
    assert len(long_functions(module)) == 6
    assert long_functions(Module(path="billing/good.py", text=long.removesuffix("    pass\n"))) == []
