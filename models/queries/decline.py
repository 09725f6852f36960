"""SQL of refusals: what operators taught, and what nothing could read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from domain.decline_rules import DeclineRule, DeclineRules, RuleKind
from domain.invoice import CHARGEABLE
from domain.outcome import DeclineCode
from models.base import listed
from models.decline import DeclineRuleRow
from models.queries.bulk import insert_rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Row

    from models.session import Transaction

#: The latest of each match, withdrawals included.
_LATEST: Final = (
    "SELECT DISTINCT ON (kind, match) id, kind, match, decline_code, although_ambiguous, actor, reason, recorded_at"
    " FROM decline_rule ORDER BY kind, match, id DESC"
)
_IN_FORCE: Final = text(f"SELECT * FROM ({_LATEST}) latest WHERE decline_code IS NOT NULL ORDER BY id")
_HISTORY: Final = text(
    "SELECT id, kind, match, decline_code, although_ambiguous, actor, reason, recorded_at FROM decline_rule"
    " ORDER BY id DESC LIMIT :limit"
)
#: What the tables of its time could not read, each text once. The partial index holds nothing else.
_UNCLASSIFIED: Final = text(
    "SELECT coalesce(a.raw_reason, '') AS raw_reason, count(*) AS attempts, sum(a.amount)::bigint AS won,"
    " min(a.ended_at) AS first_at, max(a.ended_at) AS last_at FROM charge_attempt a"
    f" WHERE a.decline_code = '{DeclineCode.UNCLASSIFIED}' AND a.state = 'declined'"
    " AND (CAST(:since AS timestamptz) IS NULL OR a.ended_at >= :since) GROUP BY 1 ORDER BY 1"
)
#: Refused for what is not the customer's, and waiting for a person.
_HELD: Final = text(
    "SELECT i.id FROM invoice i JOIN charge_attempt a ON a.invoice_id = i.id AND a.attempt_no = i.attempt_count"
    f" WHERE i.state IN ({listed(CHARGEABLE)}) AND i.next_attempt_at IS NULL AND i.set_aside_reason IS NULL"
    " AND a.state = 'declined' AND a.decline_code = ANY(:codes) ORDER BY i.id LIMIT :limit"
)


def rules_in_force(tx: Transaction) -> DeclineRules:
    """What was taught and not withdrawn, for the reading of refusals."""
    return DeclineRules.of(
        DeclineRule(
            rule_id=row.id,
            kind=RuleKind(row.kind),
            match=row.match,
            decline_code=DeclineCode(row.decline_code),
            although_ambiguous=row.although_ambiguous,
        )
        for row in tx.connection.execute(_IN_FORCE)
    )


def list_rules(tx: Transaction) -> Sequence[Row[Any]]:
    """What was taught and not withdrawn, by whom, when and why; the oldest first."""
    return tx.connection.execute(_IN_FORCE).all()


def list_history(tx: Transaction, *, limit: int) -> Sequence[Row[Any]]:
    """Every lesson and withdrawal, the newest first."""
    return tx.connection.execute(_HISTORY, {"limit": limit}).all()


def lock_rules(tx: Transaction) -> None:
    """One lesson at a time: the latest of a match is what holds."""
    tx.connection.execute(text("LOCK TABLE decline_rule IN SHARE ROW EXCLUSIVE MODE"))


def write_rule(
    tx: Transaction,
    *,
    kind: RuleKind,
    match: str,
    decline_code: DeclineCode | None,
    although_ambiguous: bool,
    actor: str,
    reason: str,
) -> None:
    """Teach, or withdraw what was taught (``decline_code`` None)."""
    row = {
        "kind": kind,
        "match": match,
        "decline_code": decline_code,
        "although_ambiguous": although_ambiguous,
        "actor": actor,
        "reason": reason,
    }
    insert_rows(tx, DeclineRuleRow, [row])


def unclassified(tx: Transaction, *, since: datetime | None) -> Sequence[Row[Any]]:
    """Texts of declined attempts that nothing could read then, with counts and won; billing time."""
    return tx.connection.execute(_UNCLASSIFIED, {"since": since}).all()


def held_invoices(tx: Transaction, *, codes: Sequence[DeclineCode], limit: int) -> Sequence[Row[Any]]:
    """Invoices that wait for a person because their last attempt was declined with one of these codes."""
    return tx.connection.execute(_HELD, {"codes": [str(code) for code in codes], "limit": limit}).all()
