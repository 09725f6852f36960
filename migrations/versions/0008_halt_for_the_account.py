"""a halt for an account that does not know our payments."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    op.drop_constraint(op.f("ck_channel_state_halt_cause"), "channel_state", type_="check")
    op.create_check_constraint(
        op.f("ck_channel_state_halt_cause"),
        "channel_state",
        "halt_cause IN ('person', 'token', 'merchant', 'envelope', 'account')",
    )
