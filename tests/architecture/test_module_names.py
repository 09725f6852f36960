"""Can every module be told from the standard library's and the dependencies'?"""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from typing import Final

from tests.support.source_tree import PACKAGES, listed, modules, page

#: Python's own names for the start of a package and of a program.
_PYTHONS: Final = {"__init__", "__main__"}


def declared() -> set[str]:
    """The distributions that pyproject.toml names, normalised."""
    project = tomllib.loads(page("pyproject.toml"))["project"]
    named = [*project["dependencies"], *(name for extra in project["optional-dependencies"].values() for name in extra)]
    return {_normal(re.split(r"[^A-Za-z0-9_.-]", name, maxsplit=1)[0]) for name in named}


def imported_as(distributions: set[str]) -> set[str]:
    """Top-level modules of distributions."""
    return {
        module
        for module, owners in packages_distributions().items()
        if any(_normal(owner) in distributions for owner in owners)
    }


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def taken(names: set[str]) -> set[str]:
    """Those names that a reader would look for elsewhere."""
    return names & (set(sys.stdlib_module_names) | imported_as(declared()))


def test_no_module_repeats_a_name_from_elsewhere() -> None:
    names = {part for module in modules(PACKAGES) for part in module.path.removesuffix(".py").split("/")} - _PYTHONS

    assert taken(names) == set(), listed(sorted(taken(names)), "Name it for what it is here, not for what it uses.")


def test_the_check_can_fail() -> None:
    assert taken({"calendar", "queue", "celery", "redis", "httpx", "invoice"}) == {
        "calendar", "queue", "celery", "redis", "httpx",
    }  # fmt: skip
