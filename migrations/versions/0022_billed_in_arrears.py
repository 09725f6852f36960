"""plans billed in arrears, invoices of what was delivered, and what an ended subscription still has to be billed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_SHARE = (
    "(share_days IS NULL) = (share_of_days IS NULL) AND (share_days >= 1 OR purpose = 'final')"
    " AND share_days >= 0 AND share_days < share_of_days"
)
_PARTIAL = "anchor_ordinal >= 0 AND (stub_from IS NULL OR (stub_from < anchored_on AND anchor_ordinal >= 1))"
_IN_ARREARS = (
    "billed <> 'in-arrears' OR (shift <> 'previous' AND trial_days IS NULL AND without_consent <> 'end'"
    " AND (usage IS NULL OR after_outage = 'all'))"
)
_FINAL = (
    "(final_ordinal IS NULL) = (final_at IS NULL) AND (final_ordinal IS NULL OR (final_ordinal >= 0"
    " AND state = 'ended'))"
)


def upgrade() -> None:
    """Forward."""
    op.add_column("plan", sa.Column("billed", sa.Text(), server_default="in-advance", nullable=False))
    op.create_check_constraint(op.f("ck_plan_billed"), "plan", "billed IN ('in-advance', 'in-arrears')")
    op.create_check_constraint(op.f("ck_plan_in_arrears_once_it_is_over"), "plan", _IN_ARREARS)
    op.add_column("invoice", sa.Column("is_delivered", sa.Boolean(), server_default="false", nullable=False))
    for name, check in (("purpose", "purpose IN ('period', 'change', 'final')"), ("share_of_a_whole", _SHARE)):
        op.drop_constraint(op.f(f"ck_invoice_{name}"), "invoice", type_="check")
        op.create_check_constraint(op.f(f"ck_invoice_{name}"), "invoice", check)
    op.create_check_constraint(
        op.f("ck_invoice_a_final_one_is_delivered"), "invoice", "is_delivered OR purpose <> 'final'"
    )
    partial = op.f("ck_subscription_a_partial_period_ends_at_the_anchor")
    op.drop_constraint(partial, "subscription", type_="check")
    op.create_check_constraint(partial, "subscription", _PARTIAL)
    op.add_column("subscription", sa.Column("final_ordinal", sa.Integer(), nullable=True))
    op.add_column("subscription", sa.Column("final_at", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(op.f("ck_subscription_a_final_invoice_follows_the_end"), "subscription", _FINAL)
    op.create_index(
        "ix_subscription_final",
        "subscription",
        ["final_at"],
        unique=False,
        postgresql_where=sa.text("final_at IS NOT NULL"),
    )
