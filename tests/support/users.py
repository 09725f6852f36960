"""Run a program as an ordinary user: as ourselves, unless we are root."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

NOBODY = 65534


def as_ordinary_user(program: Sequence[str]) -> list[str]:
    """The command line that runs ``program`` without any of root's rights over other people's processes and files."""
    return [*_ordinary(), *program]


def ordinary_uid() -> int:
    """Whose processes and files those will be."""
    return NOBODY if os.geteuid() == 0 else os.geteuid()


@cache
def _ordinary() -> Sequence[str]:
    if os.geteuid() != 0:
        return ()
    plain = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    # Twice, for setpriv itself starts the first one with rights that the second no longer has.
    again = "import subprocess, sys; subprocess.run([sys.executable, '-c', ''], check=True)"
    if subprocess.run([*plain, sys.executable, "-c", again], check=False, capture_output=True).returncode == 0:
        return plain
    # An interpreter that lives in root's home: the right to read, and nothing else.
    return (*plain, "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
