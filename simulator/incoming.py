"""What is received of a call that moves money, and what becomes of it?"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from simulator.faults import Fault
from simulator.wire import Answer, Fields, Unreadable, parse_body


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A request that was received whole, its token not yet looked at; ``fields`` is None if it cannot be read."""

    token: str
    fields: Fields | None
    trouble: str = ""
    path: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer, and what goes wrong while it is delivered."""

    answer: Answer
    fault: Fault | None = None


def read_incoming(*, body: bytes, content_type: str, token: str, path: Mapping[str, str]) -> Incoming:
    """Read a request's body."""
    try:
        return Incoming(token=token, fields=parse_body(body, content_type), path=path)
    except Unreadable as broken:
        return Incoming(token=token, fields=None, trouble=str(broken), path=path)
