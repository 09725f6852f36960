"""Run one program as another user that dies with its parent: the last step before ``exec``, run as a script.

``python leash.py PARENT_PID DEATH_SIGNAL UID GID PROGRAM ARGUMENT...``; UID -1 keeps the user. It is a program of its
own because ``preexec_fn`` may deadlock beside threads. Linux sends DEATH_SIGNAL when the parent's thread ends,
SIGKILL included; elsewhere the pid files alone clean up.
"""

from __future__ import annotations

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1
_PARENT_GONE = 75  # EX_TEMPFAIL


def main(arguments: list[str]) -> None:
    """Drop the user, tie the process to its parent, become the program."""
    parent, death_signal, uid, gid = (int(text) for text in arguments[:4])
    program = arguments[4:]
    if uid != -1:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    os.umask(0o077)
    if sys.platform == "linux":
        # After setuid, which clears it; and once more looked at, for the parent may have died before.
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        if os.getppid() != parent:
            sys.exit(_PARENT_GONE)
    os.execv(program[0], program)  # noqa: S606  # without a shell is the point


if __name__ == "__main__":
    main(sys.argv[1:])
