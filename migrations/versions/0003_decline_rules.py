"""what operators taught about declines."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_CODES = "'insufficient_balance', 'limit_exceeded', 'limit_exceeded_once', 'limit_exceeded_daily', 'limit_exceeded_monthly', 'usage_count_exceeded', 'shared_limit_exceeded', 'card_expired', 'card_number_wrong', 'card_not_registered', 'card_lost_or_stolen', 'card_cancelled', 'card_replaced', 'card_not_activated', 'card_barred', 'card_not_usable', 'billing_key_gone', 'identity_mismatch', 'password_wrong', 'password_locked', 'cvc_wrong', 'authentication_required', 'card_suspended', 'payments_overdue', 'card_restricted', 'call_issuer', 'issuer_unreachable', 'issuer_failure', 'issuer_maintenance', 'pg_communication', 'pg_failure', 'issuer_timeout', 'duplicate_transaction', 'pg_answer_lost', 'pg_broke_off', 'approval_in_doubt', 'merchant_not_registered', 'merchant_suspended', 'merchant_not_contracted', 'merchant_limit', 'merchant_misconfigured', 'amount_too_small', 'amount_wrong', 'installment_refused', 'request_malformed', 'request_refused', 'unspecified', 'unclassified'"

# Before this there were ten coarse codes: each becomes the plainest of its class. The text beside it tells the rest.
_FINER = """
UPDATE charge_attempt SET decline_code = CASE decline_code
    WHEN 'limit_or_balance' THEN
        CASE WHEN raw_reason ~ '잔액|부족' THEN 'insufficient_balance' ELSE 'limit_exceeded' END
    WHEN 'card_dead' THEN 'card_not_usable'
    WHEN 'identity' THEN 'identity_mismatch'
    WHEN 'issuer_block' THEN 'card_suspended'
    WHEN 'system' THEN 'issuer_failure'
    WHEN 'ambiguous' THEN 'approval_in_doubt'
    WHEN 'merchant' THEN 'merchant_not_contracted'
    WHEN 'request_bug' THEN 'request_refused'
END WHERE decline_code IN ('limit_or_balance', 'card_dead', 'identity', 'issuer_block', 'system', 'ambiguous', 'merchant',
    'request_bug')
"""

_APPEND_ONLY = """
CREATE TRIGGER decline_rule_is_append_only BEFORE UPDATE OR DELETE ON decline_rule
    FOR EACH ROW EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER decline_rule_is_never_emptied BEFORE TRUNCATE ON decline_rule
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();
"""


def upgrade() -> None:
    """Forward."""
    op.drop_constraint(op.f("ck_charge_attempt_decline_code"), "charge_attempt", type_="check")
    op.execute(_FINER)
    op.create_check_constraint(op.f("ck_charge_attempt_decline_code"), "charge_attempt", f"decline_code IN ({_CODES})")
    op.create_index(
        "ix_charge_attempt_unclassified",
        "charge_attempt",
        ["ended_at"],
        unique=False,
        postgresql_where=sa.text("decline_code = 'unclassified'"),
    )
    op.create_table(
        "decline_rule",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("match", sa.Text(), nullable=False),
        sa.Column("decline_code", sa.Text(), nullable=True),
        sa.Column("although_ambiguous", sa.Boolean(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "recorded_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("kind IN ('code', 'text')", name=op.f("ck_decline_rule_kind")),
        sa.CheckConstraint(f"decline_code IN ({_CODES})", name=op.f("ck_decline_rule_decline_code")),
        sa.CheckConstraint("decline_code <> 'unclassified'", name=op.f("ck_decline_rule_teaches_something")),
        sa.CheckConstraint("match <> '' AND length(match) <= 300", name=op.f("ck_decline_rule_match_length")),
        sa.CheckConstraint(
            "kind <> 'code' OR match ~ '^([0-9A-Z]{4}|[0-9A-Z]{6})$'", name=op.f("ck_decline_rule_code_form")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decline_rule")),
    )
    op.create_index("ix_decline_rule_match", "decline_rule", ["kind", "match", sa.text("id DESC")], unique=False)
    op.execute(_APPEND_ONLY)
