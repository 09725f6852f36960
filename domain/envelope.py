"""How much may a channel charge on one day before a person is asked? The forecast, a factor, and a floor."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """So many charges, so many won."""

    charges: int = 0
    won: int = 0

    def __add__(self, other: Volume) -> Volume:
        return Volume(charges=self.charges + other.charges, won=self.won + other.won)

    def least(self, other: Volume) -> Volume:
        """The lesser of both, number by number."""
        return Volume(charges=min(self.charges, other.charges), won=min(self.won, other.won))

    def less(self, other: Volume) -> Volume:
        """What is left of it, never below nothing."""
        return Volume(charges=max(0, self.charges - other.charges), won=max(0, self.won - other.won))

    @property
    def words(self) -> str:
        """As a person reads it."""
        return f"{self.charges:,} charges, {self.won:,} won"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvelopeTerms:
    """What a day may hold beyond its forecast: ``factor`` times as much, and ``floor`` in any case."""

    factor: float = 2.0
    floor: Volume = Volume(charges=100, won=5_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One channel's civil day: what the forecast expects, what a person allowed on top, what was claimed."""

    expected: Volume
    allowed: Volume
    claimed: Volume


def limit_of(envelope: Envelope, terms: EnvelopeTerms) -> Volume:
    """The most that may be claimed on the day."""
    return Volume(
        charges=int(envelope.expected.charges * terms.factor) + terms.floor.charges + envelope.allowed.charges,
        won=int(envelope.expected.won * terms.factor) + terms.floor.won + envelope.allowed.won,
    )


def is_exceeded(envelope: Envelope, terms: EnvelopeTerms, *, by: Volume) -> bool:
    """Whether ``by`` more would be more than the day may hold."""
    limit, claimed = limit_of(envelope, terms), envelope.claimed + by
    return claimed.charges > limit.charges or claimed.won > limit.won


def told(envelope: Envelope, terms: EnvelopeTerms, *, by: Volume) -> str:
    """Why a person is asked, in words."""
    asked, limit = (envelope.claimed + by).words, limit_of(envelope, terms).words
    expected = envelope.expected.words
    return f"{asked} on this day are too many: the forecast expects {expected}, and at most {limit} go unasked"
