"""What is a gateway channel called? A name routes work and credentials; it carries no authority."""

from __future__ import annotations

import re
from typing import Final

#: The channel of an installation that has only one, and of a card that names none.
DEFAULT_CHANNEL: Final = "default"

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST: Final = 32


def is_channel_name(text: str) -> bool:
    """Lower-case letters, digits and single hyphens, 32 at most: it becomes a variable's name and a file's."""
    return len(text) <= _LONGEST and _NAME.fullmatch(text) is not None
