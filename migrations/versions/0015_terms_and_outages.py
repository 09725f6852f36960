"""what is charged after an outage; how many periods an agreement has, and for how many it binds."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def _outages() -> None:
    op.add_column("plan", sa.Column("after_outage", sa.Text(), server_default="all", nullable=False))
    op.create_check_constraint(op.f("ck_plan_after_outage"), "plan", "after_outage IN ('all', 'latest', 'none')")
    op.drop_constraint(op.f("ck_skipped_period_reason"), "skipped_period", type_="check")
    op.create_check_constraint(
        op.f("ck_skipped_period_reason"),
        "skipped_period",
        "reason IN ('paid_elsewhere', 'catch_up', 'paused', 'outage')",
    )


def _terms() -> None:
    for table in ("plan", "subscription"):
        for column in ("periods", "minimum_periods"):
            op.add_column(table, sa.Column(column, sa.Integer(), nullable=True))
        op.create_check_constraint(
            op.f(f"ck_{table}_term_from_one"),
            table,
            "periods >= 1 AND minimum_periods >= 1 AND minimum_periods <= periods",
        )
    op.add_column("subscription", sa.Column("term_ends_at", sa.DateTime(timezone=True), nullable=True))
    for name, rule in (
        ("a_term_says_when_it_ends", "(periods IS NULL) = (term_ends_at IS NULL)"),
        ("nothing_after_the_term", "ordinal < periods"),
    ):
        op.create_check_constraint(op.f(f"ck_subscription_{name}"), "subscription", rule)
    op.create_index(
        "ix_subscription_term",
        "subscription",
        ["term_ends_at"],
        unique=False,
        postgresql_where=sa.text("term_ends_at IS NOT NULL AND state <> 'ended'"),
    )


def upgrade() -> None:
    """Forward."""
    _outages()
    _terms()
