"""How much Hypothesis tries here too is told in ``tests.support.profiles``."""

from __future__ import annotations

from tests.support import profiles  # noqa: F401 - it registers and loads them
