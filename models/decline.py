"""Table of what operators taught about refusals that the built-in tables do not know, or read differently."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Identity, Index, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from domain.decline_rules import RuleKind
from domain.outcome import DeclineCode
from models.base import Base, Instant, Word, one_of


class DeclineRuleRow(Base):
    """One lesson, or its withdrawal (without a code). Append-only (trigger): the latest of the same match holds."""

    __tablename__ = "decline_rule"
    __table_args__ = (
        one_of("kind", RuleKind),
        one_of("decline_code", DeclineCode),
        CheckConstraint("decline_code <> 'unclassified'", name="teaches_something"),
        CheckConstraint("match <> '' AND length(match) <= 300", name="match_length"),
        CheckConstraint("kind <> 'code' OR match ~ '^([0-9A-Z]{4}|[0-9A-Z]{6})$'", name="code_form"),
        # The latest of a match; every run reads them all.
        Index("ix_decline_rule_match", "kind", "match", text("id DESC")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    kind: Mapped[Word]
    match: Mapped[Word]  # a code in capitals, or a whole normalized text
    decline_code: Mapped[str | None] = mapped_column(Text)  # None: withdrawn, the built-in tables read it again
    although_ambiguous: Mapped[bool] = mapped_column(Boolean)  # the operator knew that the reading without it doubts
    actor: Mapped[Word]
    reason: Mapped[Word]
    recorded_at: Mapped[Instant] = mapped_column(server_default=func.clock_timestamp())
