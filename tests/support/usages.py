"""Packages of a merchant that tell what a period used, installed where ``importlib.metadata`` finds them."""

from __future__ import annotations

import importlib
import itertools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

#: What it was asked, and what it does for whom: each a callable, of a subscription or of ``None``, everybody else.
SOURCE = """
asked = []
does = {}

def resolve(period):
    asked.append(period)
    return does.get(period.subscription_id, does[None])(period)
"""

_numbers = itertools.count(1)


class Shop:
    """One such package; ``name`` is its entry point's."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, *, name: str, source: str = SOURCE) -> None:
        self.name = name
        module = f"shop_{next(_numbers)}"
        site = folder / module
        info = site / f"{module}-1.0.dist-info"
        info.mkdir(parents=True)
        (site / f"{module}.py").write_text(source, encoding="utf-8")
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n", encoding="utf-8")
        (info / "entry_points.txt").write_text(f"[jeonggi.usage]\n{name} = {module}:resolve\n", encoding="utf-8")
        monkeypatch.syspath_prepend(str(site))
        self._module: Any = importlib.import_module(module)

    @property
    def asked(self) -> list[Any]:
        return self._module.asked  # type: ignore[no-any-return]

    @property
    def does(self) -> dict[Any, Any]:
        return self._module.does  # type: ignore[no-any-return]
