"""What did an operator teach about refusals, and when does that win over the table?

A rule reads a code, or one whole normalized text. It wins over the table, but never makes something definite of a
text that doubts itself unless the operator said so when teaching it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from domain.decline_text import codes_in, normalized, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from domain.outcome import DeclineCode


class RuleKind(StrEnum):
    """What a rule is about."""

    CODE = "code"  # a code where a code may stand
    TEXT = "text"  # the whole text, normalized


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclineRule:
    """One lesson. ``although_ambiguous``: the operator knows that the reading without it is in doubt."""

    rule_id: int
    kind: RuleKind
    match: str
    decline_code: DeclineCode
    although_ambiguous: bool = False


@dataclass(frozen=True, slots=True)
class DeclineRules:
    """The rules in force, at most one of each code and each text."""

    by_code: Mapping[str, DeclineRule] = field(default_factory=dict)
    by_text: Mapping[str, DeclineRule] = field(default_factory=dict)

    @classmethod
    def of(cls, rules: Iterable[DeclineRule]) -> DeclineRules:
        """From rules, the later of the same match winning."""
        by_code: dict[str, DeclineRule] = {}
        by_text: dict[str, DeclineRule] = {}
        for rule in rules:
            (by_code if rule.kind is RuleKind.CODE else by_text)[rule.match] = rule
        return cls(by_code, by_text)


NO_RULES: Final = DeclineRules()


def subject_of(given: str) -> tuple[RuleKind, str]:
    """What an operator means by a word or a sentence: a code if it is nothing but one, else a text."""
    told = plain(given).strip()
    codes = codes_in(told)
    if len(codes) == 1 and told.strip("[](){}<> ").upper() == codes[0]:
        return RuleKind.CODE, codes[0]
    return RuleKind.TEXT, normalized(given)
