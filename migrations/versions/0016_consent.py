"""changes of price to come, what customers said to them and were told, and trials."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_APPEND_ONLY = """
CREATE TRIGGER {table}_is_append_only BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER {table}_is_never_emptied BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();
"""


def upgrade() -> None:
    """Forward."""
    _plan_and_subscription()
    _price_change()
    _said_and_told()
    for table in ("consent", "notice"):
        op.execute(_APPEND_ONLY.format(table=table))


def _plan_and_subscription() -> None:
    op.add_column("plan", sa.Column("trial_days", sa.Integer(), nullable=True))
    op.add_column("plan", sa.Column("without_consent", sa.Text(), server_default="stay", nullable=False))
    op.create_check_constraint(op.f("ck_plan_trial_days_from_one"), "plan", "trial_days >= 1")
    op.create_check_constraint(op.f("ck_plan_without_consent"), "plan", "without_consent IN ('stay', 'end')")
    op.drop_constraint(op.f("ck_skipped_period_reason"), "skipped_period")
    op.create_check_constraint(
        op.f("ck_skipped_period_reason"),
        "skipped_period",
        "reason IN ('paid_elsewhere', 'catch_up', 'trial', 'paused', 'outage')",
    )
    op.add_column("subscription", sa.Column("trial_until", sa.Date(), nullable=True))
    op.add_column("subscription", sa.Column("changes_from", sa.Integer(), nullable=True))
    op.add_column("subscription", sa.Column("changes_at", sa.DateTime(timezone=True), nullable=True))
    for name, rule in (
        ("trial_until_after_its_start", "trial_until > started_on"),
        ("a_change_to_come_says_when", "(changes_from IS NULL) = (changes_at IS NULL)"),
        ("ended_has_no_change_to_come", "state <> 'ended' OR changes_at IS NULL"),
        ("trialing_is_to_be_decided", "state <> 'trialing' OR changes_at IS NOT NULL"),
    ):
        op.create_check_constraint(op.f(f"ck_subscription_{name}"), "subscription", rule)
    op.create_index(
        "ix_subscription_changes",
        "subscription",
        ["changes_at"],
        unique=False,
        postgresql_where=sa.text("changes_at IS NOT NULL"),
    )


def _price_change() -> None:
    op.create_table(
        "price_change",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("from_price_id", sa.Uuid(), nullable=True),
        sa.Column("to_price_id", sa.Uuid(), nullable=False),
        sa.Column("old_won", sa.BigInteger(), nullable=False),
        sa.Column("new_won", sa.BigInteger(), nullable=False),
        sa.Column("from_ordinal", sa.Integer(), nullable=False),
        sa.Column("effective_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("otherwise", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("planned_by", sa.Text(), nullable=False),
        sa.Column("planned_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_for", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('price', 'conversion')", name=op.f("ck_price_change_kind")),
        sa.CheckConstraint(
            "state IN ('planned', 'made', 'lapsed', 'ended', 'withdrawn')", name=op.f("ck_price_change_state")
        ),
        sa.CheckConstraint("otherwise IN ('stay', 'end')", name=op.f("ck_price_change_otherwise")),
        sa.CheckConstraint("from_ordinal >= 0", name=op.f("ck_price_change_from_a_period")),
        sa.CheckConstraint("old_won >= 0 AND new_won > 0", name=op.f("ck_price_change_amounts")),
        sa.CheckConstraint(
            "(state = 'planned') = (decided_at IS NULL)"
            " AND (decided_for IS NOT NULL) = (state IN ('made', 'lapsed', 'ended'))",
            name=op.f("ck_price_change_decided_says_when"),
        ),
        sa.ForeignKeyConstraint(["subscription_id"], ["subscription.id"], name=op.f("fk_price_change_subscription_id")),
        sa.ForeignKeyConstraint(["from_price_id"], ["plan_price.id"], name=op.f("fk_price_change_from_price_id")),
        sa.ForeignKeyConstraint(["to_price_id"], ["plan_price.id"], name=op.f("fk_price_change_to_price_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_price_change")),
    )
    op.create_index(
        "uq_price_change_planned",
        "price_change",
        ["subscription_id"],
        unique=True,
        postgresql_where=sa.text("state = 'planned'"),
    )
    op.create_index(op.f("ix_price_change_subscription_id"), "price_change", ["subscription_id"], unique=False)


def _said_and_told() -> None:
    op.create_table(
        "consent",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("price_change_id", sa.Uuid(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("through", sa.Text(), nullable=False),
        sa.Column("text_version", sa.Text(), nullable=True),
        sa.Column("ref", sa.Text(), nullable=True),
        sa.Column("old_won", sa.BigInteger(), nullable=True),
        sa.Column("new_won", sa.BigInteger(), nullable=False),
        sa.Column("effective_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("answer IN ('agreed', 'refused')", name=op.f("ck_consent_answer")),
        sa.ForeignKeyConstraint(["subscription_id"], ["subscription.id"], name=op.f("fk_consent_subscription_id")),
        sa.ForeignKeyConstraint(["price_change_id"], ["price_change.id"], name=op.f("fk_consent_price_change_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent")),
    )
    for column in ("price_change_id", "subscription_id"):
        op.create_index(op.f(f"ix_consent_{column}"), "consent", [column], unique=False)
    op.create_table(
        "notice",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("price_change_id", sa.Uuid(), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("through", sa.Text(), nullable=False),
        sa.Column("text_version", sa.Text(), nullable=True),
        sa.Column("ref", sa.Text(), nullable=True),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["price_change_id"], ["price_change.id"], name=op.f("fk_notice_price_change_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice")),
    )
    op.create_index(op.f("ix_notice_price_change_id"), "notice", ["price_change_id"], unique=False)
