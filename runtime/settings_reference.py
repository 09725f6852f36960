"""Print ``docs/reference/settings.md`` from the settings themselves: ``python -m runtime.settings_reference``."""

from __future__ import annotations

import sys
from dataclasses import fields

from domain.time_limits import SCALED_FOR_SIMULATOR, TimeLimits
from runtime.settings import PREFIX, Settings, reference_default

_HEAD = """# Settings

Every process reads its settings from the environment and checks them at start; a wrong one ends the start with one
sentence that names it and the mend. An empty variable counts as unset. Lengths are seconds of real time, also under a
mapped clock. This page is printed from `runtime/settings.py`.

| variable | default | meaning |
|---|---|---|
"""

_ORDER = """
## Order of the time limits

Checked at start, from the inside out:

- pool < connect < write < read < total; look-up read < total
- send window + total + recording < soft limit < hard limit
- send window + total + recording < lease
- send window < token guard < token life; token last < token life
- settling >= token life + longest processing; settling < operator deadline

On a live channel (no `JEONGGI_TEST_CHANNEL`, and a gateway that is not the simulator) the read and total time limits,
the lease, settling, the token's life and the longest processing do not go below their defaults.

## With the simulator

`jeonggi up` without `JEONGGI_GATEWAY_URL` starts the simulator and gives its processes these lengths, which stand in
the same order:

| variable | seconds |
|---|---|
"""


def reference() -> str:
    """The whole page, as Markdown."""
    rows = (
        f"| `{PREFIX}{name.upper()}` | `{reference_default(name)}` | {field.description} |"
        for name, field in Settings.model_fields.items()
    )
    scaled = (
        f"| `{PREFIX}{field.name.upper()}` | {getattr(SCALED_FOR_SIMULATOR, field.name):g} |"
        for field in fields(TimeLimits)
    )
    return _HEAD + "\n".join(rows) + "\n" + _ORDER + "\n".join(scaled) + "\n"


if __name__ == "__main__":
    sys.stdout.write(reference())
