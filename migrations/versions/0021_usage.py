"""plans that bill by use, and what their periods used."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_KINDS = "kind IN ('base', 'setup', 'add_on', 'item', 'usage', 'proration', 'coupon', 'credit', 'carried')"


def upgrade() -> None:
    """Forward."""
    op.add_column("plan", sa.Column("usage", sa.Text(), nullable=True))
    op.drop_constraint(op.f("ck_invoice_line_kind"), "invoice_line", type_="check")
    op.create_check_constraint(op.f("ck_invoice_line_kind"), "invoice_line", _KINDS)
    op.create_table(
        "usage",
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("ordinal", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lines", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=True),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_by", sa.Text(), nullable=True),
        sa.Column("invoice_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint("ordinal >= 0", name=op.f("ck_usage_of_a_period")),
        sa.CheckConstraint(
            "failures >= 0 AND (failures = 0 OR reason IS NOT NULL)", name=op.f("ck_usage_failed_says_why")
        ),
        sa.CheckConstraint(
            "(resolved_at IS NULL) = (lines IS NULL) AND (resolved_at IS NULL) = (amount IS NULL)"
            " AND (resolved_at IS NULL) = (resolved_by IS NULL) AND (resolved_at IS NULL) = (next_at IS NOT NULL)",
            name=op.f("ck_usage_resolved_or_asked_for"),
        ),
        sa.CheckConstraint("amount >= 0", name=op.f("ck_usage_amount_not_negative")),
        sa.CheckConstraint(
            "invoice_id IS NULL OR resolved_at IS NOT NULL", name=op.f("ck_usage_resolved_before_it_is_owed")
        ),
        sa.ForeignKeyConstraint(["subscription_id"], ["subscription.id"], name=op.f("fk_usage_subscription_id")),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoice.id"], name=op.f("fk_usage_invoice_id")),
        sa.PrimaryKeyConstraint("subscription_id", "ordinal", name=op.f("pk_usage")),
    )
    for name, column, where in (
        ("waiting", "subscription_id", "resolved_at IS NOT NULL AND invoice_id IS NULL"),
        ("asked", "subscription_id", "resolved_at IS NULL"),
        ("invoice", "invoice_id", "invoice_id IS NOT NULL"),
    ):
        op.create_index(f"ix_usage_{name}", "usage", [column], unique=False, postgresql_where=sa.text(where))
