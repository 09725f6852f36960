"""Who are we at the simulator that ``up`` brings? One merchant, or one for each channel of the file."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Final

from domain.errors import Misconfigured
from runtime.credentials import write_credentials
from runtime.settings import CHANNEL_PREFIX, channel_variables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from runtime.settings import Settings

#: What the simulator is reached with; it guards nothing.
_KEY: Final = "simulator"
_FOLDER: Final = "simulator-accounts"


def simulator_accounts(settings: Settings) -> Sequence[str]:
    """The simulator's options that name its merchants."""
    if settings.channels_file is None:
        return ["--imp-key", _KEY, "--imp-secret", _KEY]
    accounts = [f"{channel.name}:{_KEY}:{channel.pg}:sandbox" for channel in settings.channels]
    return [word for account in accounts for word in ("--account", account)]


def credentials_at_simulator(settings: Settings, folder: Path) -> Mapping[str, str]:
    """The variables that tell our processes the same; several channels have files in a folder below ``folder``.

    Raises:
        Misconfigured: A channel has credentials, which are no simulator's, and no gateway.
    """
    if settings.channels_file is None:
        return {"JEONGGI_IMP_KEY": _KEY, "JEONGGI_IMP_SECRET": _KEY, "JEONGGI_TEST_CHANNEL": "true"}
    given = [*sorted(channel_variables()), *(["JEONGGI_SECRETS_DIR"] if settings.secrets_dir is not None else [])]
    if given:
        raise Misconfigured(
            f"{given[0]} is set, and no channel has a gateway_url: set JEONGGI_GATEWAY_URL for the gateway that takes"
            f" these credentials, or unset {CHANNEL_PREFIX}* and JEONGGI_SECRETS_DIR for the simulator"
        )
    secrets = folder / _FOLDER
    for channel in settings.channels:
        write_credentials(secrets, channel, imp_key=channel.name, imp_secret=_KEY)
    return {"JEONGGI_SECRETS_DIR": str(secrets)}


def spread_over_channels(file: Path, settings: Settings, folder: Path) -> Path:
    """A subscription file with its cards dealt out to the channels, one after the other; itself for only one."""
    names = [channel.name for channel in settings.channels]
    if len(names) == 1:
        return file
    spread = folder / file.name
    dealt: dict[str, str] = {}
    with file.open(encoding="utf-8", newline="") as source, spread.open("w", encoding="utf-8", newline="") as target:
        rows = csv.DictReader(source)
        writer = csv.DictWriter(target, [*(rows.fieldnames or ()), "channel"])
        writer.writeheader()
        for row in rows:
            channel = dealt.setdefault(row["customer_uid"], names[len(dealt) % len(names)])
            writer.writerow({**row, "channel": channel})
    return spread
