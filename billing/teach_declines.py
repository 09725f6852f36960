"""What could nobody read, and what does an operator teach about it? Lessons are rows; every run reads them anew.

An attempt that was declined keeps the code that it got then: what was decided by it stays decided.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from domain.decline import is_ambiguous
from domain.decline_rules import NO_RULES, DeclineRule, DeclineRules, RuleKind, subject_of
from domain.decline_text import normalized
from domain.errors import BadInput, Conflict
from domain.outcome import DeclineCode
from gateway.decline_map import Reading, read_decline
from gateway.mask import clean_text
from models.queries import decline, installation

if TYPE_CHECKING:
    from datetime import datetime

    from billing.change_subscription import By
    from models.session import Database, Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownText:
    """A text that nothing could read, without what differs from one refusal to the next.

    Won of its attempts, all together; instants are billing time. ``reads_now``: what a refusal like it reads today.
    """

    text: str
    attempts: int
    won: int
    first_at: datetime
    last_at: datetime
    reads_now: DeclineCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Taught:
    """What a lesson is about, what such a text read before it, and how many past attempts keep `unclassified`."""

    kind: RuleKind
    match: str
    decline_code: DeclineCode | None
    before: DeclineCode
    unchanged: int
    is_new: bool


def unknown_texts(database: Database, *, days: int | None = None, also_read: bool = False) -> list[UnknownText]:
    """What nothing could read, the most frequent first; with ``also_read`` what can be read since, too.

    ``days`` of billing time back from now; None: ever.
    """
    with database.reading() as tx:
        since = None if days is None else tx.now - timedelta(days=days)
        rules = decline.rules_in_force(tx)
        found: dict[str, UnknownText] = {}
        for row in decline.unclassified(tx, since=since):
            text = normalized(clean_text(row.raw_reason))
            one = UnknownText(
                text=text,
                attempts=row.attempts,
                won=row.won,
                first_at=row.first_at,
                last_at=row.last_at,
                reads_now=_read(row.raw_reason, rules).decline_code,
            )
            found[text] = one if text not in found else _together(found[text], one)
    listed = [one for one in found.values() if also_read or one.reads_now is DeclineCode.UNCLASSIFIED]
    return sorted(listed, key=lambda one: (-one.attempts, one.text))


def _together(one: UnknownText, other: UnknownText) -> UnknownText:
    return UnknownText(
        text=one.text,
        attempts=one.attempts + other.attempts,
        won=one.won + other.won,
        first_at=min(one.first_at, other.first_at),
        last_at=max(one.last_at, other.last_at),
        reads_now=one.reads_now,
    )


def classify(
    database: Database,
    given: str,
    decline_code: DeclineCode,
    *,
    by: By,
    although_ambiguous: bool,
    dry_run: bool = False,
) -> Taught:
    """Teach what a code, or a text, means from now on.

    Args:
        database: Where lessons are kept.
        given: Nothing but a code, or a whole text as it was received or as `decline unknown` shows it.
        decline_code: What it means.
        by: Who asks.
        although_ambiguous: The operator knows that the text doubts itself, and takes it for definite.
        dry_run: Only say what would be taught.

    Raises:
        BadInput: Nothing was given, the code says nothing, or the text doubts itself and that was not said.
    """
    if decline_code is DeclineCode.UNCLASSIFIED:
        raise BadInput("unclassified teaches nothing; use `jeonggi decline withdraw` to take a lesson back")
    kind, match = _subject(given)
    with database.transaction() as tx:
        decline.lock_rules(tx)
        rules = decline.rules_in_force(tx)
        standing = (rules.by_code if kind is RuleKind.CODE else rules.by_text).get(match)
        built_in = _read(given).decline_code
        if is_ambiguous(built_in) and not is_ambiguous(decline_code) and not although_ambiguous:
            raise BadInput(
                f"{match!r} reads {built_in}: money may have moved, so it is looked up and never taken for"
                f" {decline_code}; if you know that it never did, say so with --although-ambiguous"
            )
        lesson = DeclineRule(
            rule_id=0, kind=kind, match=match, decline_code=decline_code, although_ambiguous=although_ambiguous
        )
        is_new = standing is None or _differs(standing, lesson)
        if is_new and not dry_run:
            _write(tx, lesson, decline_code, by)
            _audit(tx, "decline.classified", lesson, by, meant=decline_code)
            told = installation.event(tx, "decline.classified", match=match, decline_code=decline_code)
            installation.write_events(tx, [told])
        before = _read(given, rules).decline_code
        unchanged = _past(tx, lesson)
    return Taught(kind=kind, match=match, decline_code=decline_code, before=before, unchanged=unchanged, is_new=is_new)


def withdraw(database: Database, given: str, *, by: By, dry_run: bool = False) -> Taught:
    """Take a lesson back: the built-in tables read it again.

    Raises:
        BadInput: Nothing was given.
        Conflict: Nothing of it was taught.
    """
    kind, match = _subject(given)
    with database.transaction() as tx:
        decline.lock_rules(tx)
        rules = decline.rules_in_force(tx)
        standing = (rules.by_code if kind is RuleKind.CODE else rules.by_text).get(match)
        if standing is None:
            raise Conflict(f"nothing was taught of {match!r}; `jeonggi decline list` shows what was")
        if not dry_run:
            _write(tx, standing, None, by)
            _audit(tx, "decline.withdrawn", standing, by, meant=standing.decline_code)
            told = installation.event(tx, "decline.withdrawn", match=match, decline_code=standing.decline_code)
            installation.write_events(tx, [told])
    return Taught(kind=kind, match=match, decline_code=None, before=standing.decline_code, unchanged=0, is_new=True)


def explain(database: Database, text: str) -> Reading:
    """How a text is read today, with what operators taught."""
    with database.reading() as tx:
        rules = decline.rules_in_force(tx)
    return _read(text, rules)


def _read(text: str, rules: DeclineRules = NO_RULES) -> Reading:
    """As an answer is read: lessons know texts as they are stored, without anybody's name."""
    return read_decline(text, rules, as_stored=clean_text(text))


def _subject(given: str) -> tuple[RuleKind, str]:
    kind, match = subject_of(clean_text(given))
    if not match:
        raise BadInput("no text was given; copy it from `jeonggi decline unknown`, or give a code")
    return kind, match


def _differs(standing: DeclineRule, lesson: DeclineRule) -> bool:
    return (standing.decline_code, standing.although_ambiguous) != (lesson.decline_code, lesson.although_ambiguous)


def _past(tx: Transaction, lesson: DeclineRule) -> int:
    """Attempts that a lesson would have read, and that stay as they are."""
    return sum(row.attempts for row in decline.unclassified(tx, since=None) if _is_of(lesson, row.raw_reason))


def _is_of(lesson: DeclineRule, text: str) -> bool:
    if lesson.kind is RuleKind.TEXT:
        return normalized(clean_text(text)) == lesson.match
    return _read(text, DeclineRules.of([lesson])).rule is not None


def _write(tx: Transaction, lesson: DeclineRule, code: DeclineCode | None, by: By) -> None:
    decline.write_rule(
        tx,
        kind=lesson.kind,
        match=lesson.match,
        decline_code=code,
        although_ambiguous=lesson.although_ambiguous,
        actor=by.actor,
        reason=by.reason,
    )


def _audit(tx: Transaction, action: str, lesson: DeclineRule, by: By, *, meant: DeclineCode) -> None:
    installation.write_audit(
        tx,
        actor=by.actor,
        action=action,
        subject=f"decline {lesson.kind}",
        subject_id=None,
        reason=by.reason,
        match=lesson.match,
        decline_code=meant,
        although_ambiguous=lesson.although_ambiguous,
    )
