"""How is a value of a file told again, so that its author recognises it?"""

from __future__ import annotations

from typing import Final

_LONGEST: Final = 100


def shown(value: object) -> str:
    """A value as its author would recognise it, at a bounded length."""
    match value:
        case None:
            return "(missing)"
        case bool():
            return str(value).lower()
        case str():
            return repr(value if len(value) <= _LONGEST else value[:_LONGEST] + "...")
        case int() | float():
            return str(value)[:_LONGEST]
        case _:
            return f"a {type(value).__name__}"
