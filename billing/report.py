"""What somebody has learned about one attempt, as it is handed to ``record_outcome``."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from domain.evidence import Record, Said, Source
    from domain.outcome import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """One look-up, or the answer to the charge itself, its body masked.

    ``began_at``: real time by the database's clock, not later than the look-up began; None: when it is recorded.
    """

    source: Source
    said: Said
    began_at: datetime | None = None
    token_digest: str
    body: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is known now about one send of one attempt.

    ``fence`` is the number under which the reporter works; None: it has none, and only success is taken from it.
    ``payments``: every paid or cancelled record that was found, the counting one first.
    """

    attempt_id: UUID
    send_no: int
    fence: int | None
    outcome: Outcome
    looked: Sequence[Looked] = ()
    payments: Sequence[Record] = ()
    is_answer: bool = False  # the sender's own: its send was answered
    issuer_code: str = ""  # of the card that was charged, if it was told


@dataclass(slots=True)
class Recorded:
    """How many attempts went which way: a state's name, ``stale`` (no say any more) or ``gone`` (no such attempt)."""

    counts: Counter[str] = field(default_factory=Counter)

    def __iadd__(self, other: Recorded) -> Self:
        self.counts += other.counts
        return self
