"""What is in a request's body? Read whole up to a limit, within a time, as JSON or as a form: fields by name."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from domain.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

LARGEST_BODY: Final = 64 * 1024
#: A body that takes longer is not sent by the gateway.
BODY_SECONDS: Final = 5
_FIELDS: Final = 100


class BodyTooLarge(BadInput):
    """The body is larger than any hook."""


class BodyTooSlow(BadInput):
    """The body did not come in time."""


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
    """The fields of a JSON object or of a form, whatever the content type says: consoles set it differently.

    Raises:
        BadInput: It is neither.
    """
    try:
        text = body.decode("utf-8").strip().removeprefix("\ufeff")
        if text.startswith("{"):
            fields = json.loads(text)
            return fields if isinstance(fields, dict) else {}
        # The first of a name counts, as in a query.
        return dict(reversed(parse_qsl(text, strict_parsing=True, max_num_fields=_FIELDS)))
    except (ValueError, RecursionError):
        raise BadInput("the body is neither a JSON object nor a form: send one of them, in UTF-8") from None
