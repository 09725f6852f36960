"""What did a file say so far: no row may tell otherwise of a customer, a card or a subscription than one before it."""

from __future__ import annotations

import hashlib


class Said:
    """What the file said so far of customers, cards and subscriptions, as digests: some hundred bytes a row.

    What a chunk adds is kept apart until the chunk has succeeded.
    """

    def __init__(self) -> None:
        self._kept: dict[int, int] = {}
        self._fresh: dict[int, int] = {}

    def differs(self, what: str, name: str, told: object) -> bool | None:
        """Whether the file told otherwise of this thing before; None if it told nothing."""
        key = _digest(what, name)
        before = self._fresh.get(key, self._kept.get(key))
        return None if before is None else before != _digest(told)

    def note(self, what: str, name: str, told: object) -> None:
        """Remember what the file told."""
        self._fresh[_digest(what, name)] = _digest(told)

    def keep(self) -> None:
        """The chunk has succeeded."""
        self._kept.update(self._fresh)
        self._fresh.clear()

    def forget(self) -> None:
        """The chunk has failed."""
        self._fresh.clear()


def _digest(*told: object) -> int:
    return int.from_bytes(hashlib.blake2b(repr(told).encode(), digest_size=8).digest(), "big")
