"""What is in a request's body? Read whole up to a limit, within a time, as JSON or as a form: fields by name.

Source: PortOne V1 documentation, webhook: ``application/json`` or ``application/x-www-form-urlencoded``, as the console
is set.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from domain.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

LARGEST_BODY: Final = 64 * 1024
#: A body that takes longer is not sent by the gateway.
BODY_SECONDS: Final = 5
_FIELDS: Final = 100
#: Types that are read, and the two that say nothing. Which of the forms a body has is seen by its first character.
_TYPES: Final = frozenset(
    {"", "application/json", "application/x-www-form-urlencoded", "text/plain", "application/octet-stream"}
)


class BodyTooLarge(BadInput):
    """The body is larger than any hook."""


class BodyTooSlow(BadInput):
    """The body did not come in time."""


class BodyOfAnotherKind(BadInput):
    """Its type or its encoding is none that hooks have."""


def check_kind(*, content_type: str, content_encoding: str) -> None:
    """Look at the two headers that tell what a body is; empty: there is none.

    Raises:
        BodyOfAnotherKind: It is not worth reading.
    """
    if content_type.partition(";")[0].strip().lower() not in _TYPES:
        raise BodyOfAnotherKind("a body of this type is not read: send application/json or a form")
    if content_encoding.strip().lower() not in {"", "identity"}:
        raise BodyOfAnotherKind("an encoded body is not read: send it as it is")


async def read_whole(stream: AsyncIterator[bytes]) -> bytes:
    """The body.

    Raises:
        BodyTooLarge: It goes on beyond the limit.
        BodyTooSlow: It did not end in time.
    """
    parts, size = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in stream:
                size += len(part)
                if size > LARGEST_BODY:
                    raise BodyTooLarge(f"the body is too large: a hook has at most {LARGEST_BODY // 1024} kB")
                parts.append(part)
    except TimeoutError:
        raise BodyTooSlow(f"the body did not come within {BODY_SECONDS} seconds") from None
    return b"".join(parts)


def fields_of(body: bytes) -> Mapping[str, object]:
    """The fields of a JSON object or of a form; the type that was told may be wrong, consoles set it differently.

    Raises:
        BadInput: It is neither, or says something twice: nobody could tell which of both is meant.
    """
    try:
        text = body.decode("utf-8").strip().removeprefix("\ufeff")
        if text.startswith("{"):
            fields = json.loads(text, object_pairs_hook=_each_once)
            return fields if isinstance(fields, dict) else {}
        return _each_once(parse_qsl(text, keep_blank_values=True, strict_parsing=True, max_num_fields=_FIELDS))
    except (ValueError, RecursionError):
        raise BadInput("the body is neither a JSON object nor a form: send one of them, in UTF-8") from None


def _each_once(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise BadInput("the body gives a field twice: give each once")
    return fields
