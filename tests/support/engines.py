"""Hold a state folder and run its engines until told to end: ``python -m tests.support.engines FOLDER``."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

from domain.errors import Misconfigured
from runtime.embedded.servers import Engines
from runtime.embedded.state_dir import open_state_dir


def main(folder: Path) -> int:
    """Print one line of JSON: the addresses and process ids, or why not."""
    signals = {signal.SIGTERM, signal.SIGINT}
    try:
        with open_state_dir(folder) as state, Engines(state) as engines:
            signal.pthread_sigmask(signal.SIG_BLOCK, signals)
            told = {
                "event": "running",
                "database_url": engines.urls.database_url,
                "redis_url": engines.urls.redis_url,
                "pids": dict(engines.pids),
                "engines": str(state.engines),
            }
            sys.stdout.write(json.dumps(told) + "\n")
            sys.stdout.flush()
            signal.sigwait(signals)
    except Misconfigured as refused:
        sys.stdout.write(json.dumps({"event": "refused", "why": str(refused)}) + "\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
