"""payments are found by their channel."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    op.create_index(op.f("ix_payment_channel_id"), "payment", ["channel", "id"], unique=False)
