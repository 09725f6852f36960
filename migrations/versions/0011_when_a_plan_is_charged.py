"""when a plan is charged: time of day, business days, spread."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    op.add_column("plan", sa.Column("charge_time", sa.Time(), nullable=True))
    op.add_column("plan", sa.Column("shift", sa.Text(), server_default="none", nullable=False))
    op.add_column("plan", sa.Column("spread_minutes", sa.Integer(), server_default="0", nullable=False))
    op.create_check_constraint(op.f("ck_plan_cron_has_its_own_time"), "plan", "charge_time IS NULL OR cron IS NULL")
    op.create_check_constraint(op.f("ck_plan_spread_within_a_day"), "plan", "spread_minutes BETWEEN 0 AND 1439")
    op.create_check_constraint(op.f("ck_plan_shift"), "plan", "shift IN ('none', 'next', 'previous')")
