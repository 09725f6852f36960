"""With which keys is a channel's gateway spoken to? From the environment or a secret file, never the database."""

from __future__ import annotations

import json
import os
import stat
import tomllib
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from domain.errors import Misconfigured
from runtime.settings import CHANNEL_PREFIX, channel_variables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from runtime.channels import ChannelSettings
    from runtime.settings import Settings

_NAMES: Final = ("imp_key", "imp_secret")
_OF_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_WRITABLE_BY_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """The REST API's key and secret."""

    imp_key: str = field(repr=False)
    imp_secret: str = field(repr=False)


def credentials_of(settings: Settings, channel: ChannelSettings) -> Credentials:
    """A channel's credentials: the environment's, else those of its secret file.

    Raises:
        Misconfigured: They are nowhere, incomplete, or in a file that others may read; it never holds their values.
    """
    if channel.gateway_url is None:
        raise Misconfigured(
            "JEONGGI_GATEWAY_URL is not set, and there is no default, so that nothing reaches real money by accident:"
            " set it with the credentials, or run `jeonggi up`, which brings a simulator"
        )
    if settings.channels_file is None:
        return _of_the_only(settings)
    variables = channel_variables()
    names = {name: variable_of(channel.name, name) for name in _NAMES}
    given = {name: variables[variable] for name, variable in names.items() if variables.get(variable)}
    if given:
        missing = [variable for name, variable in names.items() if name not in given]
        if missing:
            raise Misconfigured(f"{missing[0]} is missing beside the other one of channel {channel.name!r}: set it.")
        return Credentials(**given)
    if settings.secrets_dir is None:
        raise Misconfigured(
            f"channel {channel.name!r} has no credentials: set {' and '.join(names.values())}, or set"
            f" JEONGGI_SECRETS_DIR to a folder that holds {channel.name}.toml."
        )
    return _of_file(settings.secrets_dir / f"{channel.name}.toml", channel, names)


def variable_of(channel_name: str, what: str) -> str:
    """The variable of a channel's ``imp_key`` or ``imp_secret``."""
    return f"{CHANNEL_PREFIX}{channel_name.replace('-', '_').upper()}_{what.upper()}"


def refuse_nobodys_variables(settings: Settings) -> None:
    """Refuse credentials in the environment that are no channel's: a misspelt name would be looked for for long.

    Raises:
        Misconfigured: There are some.
    """
    wanted = set()
    if settings.channels_file is not None:
        wanted = {variable_of(channel.name, what) for channel in settings.channels for what in _NAMES}
    for name in sorted(channel_variables()):
        if name.endswith(("_IMP_KEY", "_IMP_SECRET")) and name not in wanted:
            told = f"there are {', '.join(channel.name for channel in settings.channels)}"
            if settings.channels_file is None:
                told = "JEONGGI_CHANNELS_FILE is not set"
            raise Misconfigured(f"{name} is no channel's ({told}): rename it, or unset it.")


def all_secrets(settings: Settings) -> Sequence[str]:
    """Every channel's key and secret that this process can read, to be kept out of what it says."""
    found: list[str] = []
    with suppress(Misconfigured):
        for channel in settings.channels:
            with suppress(Misconfigured):
                credentials = credentials_of(settings, channel)
                found += [credentials.imp_key, credentials.imp_secret]
    return found


def write_credentials(folder: Path, channel: ChannelSettings, *, imp_key: str, imp_secret: str) -> None:
    """Write a channel's secret file, for its owner alone."""
    folder.mkdir(mode=0o700, exist_ok=True)
    file = folder / f"{channel.name}.toml"
    file.touch(mode=0o600)
    file.write_text(f"imp_key = {json.dumps(imp_key)}\nimp_secret = {json.dumps(imp_secret)}\n", encoding="utf-8")


def _of_the_only(settings: Settings) -> Credentials:
    if settings.imp_key is None or settings.imp_secret is None:
        raise Misconfigured("JEONGGI_IMP_KEY and JEONGGI_IMP_SECRET are required with JEONGGI_GATEWAY_URL: set both.")
    return Credentials(imp_key=settings.imp_key.get_secret_value(), imp_secret=settings.imp_secret.get_secret_value())


def _of_file(file: Path, channel: ChannelSettings, names: Mapping[str, str]) -> Credentials:
    try:
        with file.open("rb") as stream:
            if os.fstat(stream.fileno()).st_mode & _OF_OTHERS:
                raise Misconfigured(f"{file} may be used by others than its owner: `chmod 600 {file}`.")
            if file.parent.stat().st_mode & _WRITABLE_BY_OTHERS:
                raise Misconfigured(
                    f"{file.parent} may be changed by others than its owner: `chmod 700 {file.parent}`."
                )
            told = tomllib.load(stream)
    except OSError as error:
        raise Misconfigured(
            f"channel {channel.name!r} has no credentials: {file} cannot be read"
            f" ({(error.strerror or 'no such file').lower()}); write imp_key and imp_secret into it, or set"
            f" {' and '.join(names.values())}."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        told = {}  # the parser's words would quote it
    values = {name: told.get(name) for name in _NAMES}
    if told.keys() != set(_NAMES) or not all(isinstance(value, str) and value for value in values.values()):
        raise Misconfigured(f'{file} must be TOML with imp_key = "..." and imp_secret = "...", and nothing else.')
    return Credentials(imp_key=str(values["imp_key"]), imp_secret=str(values["imp_secret"]))
