"""The command that opens the door of the gateway's hooks: this process becomes the one that serves."""

import os
import sys

from cli.options import AsJson
from runtime.settings import inherited_environment, load_settings
from runtime.wiring import open_database

#: Without the working folder in front: only installed modules are found.
_SERVER = (sys.executable, "-P", "-m", "web")


def web(as_json: AsJson = False) -> None:
    """Take the gateway's hooks until SIGTERM or Ctrl-C; where it listens is its first log line."""
    settings = load_settings()
    open_database(settings).close()  # told here, in one sentence, as every command tells it
    environment = inherited_environment()
    if as_json:
        environment["JEONGGI_LOG_FORMAT"] = "json"
    sys.stdout.flush()
    sys.stderr.flush()
    # Not a child: whoever started this command stops the server itself.
    os.execve(sys.executable, _SERVER, environment)  # noqa: S606 - our own module
