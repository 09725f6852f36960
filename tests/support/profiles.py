"""How much does Hypothesis try? ``house`` in every run; ``long`` by ``--hypothesis-profile=long`` before a release.

Neither measures time: a busy machine fails no property. ``tests/conftest.py`` imports this, so the option knows both:

    pytest tests/property --hypothesis-profile=long

A failure prints a ``@reproduce_failure`` blob that needs nothing else.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

_BASE = 100

settings.register_profile(
    "house",
    max_examples=_BASE,
    deadline=None,
    print_blob=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("long", parent=settings.get_profile("house"), max_examples=20 * _BASE)
settings.load_profile("house")


def is_long() -> bool:
    """Whether this is a longer run, which leaves nothing out."""
    return settings().max_examples > _BASE


def examples(count: int) -> int:
    """So many examples in an ordinary run, and as many times more in a longer one."""
    return max(1, count * settings().max_examples // _BASE)
