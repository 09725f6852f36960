"""channels side by side."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ONE_CHANNEL_FOR_EVER = """
CREATE FUNCTION refuse_another_channel() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a card belongs to one channel for ever'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'billing_key_has_one_channel';
END $$;
CREATE TRIGGER billing_key_has_one_channel BEFORE UPDATE OF channel ON billing_key
    FOR EACH ROW WHEN (NEW.channel IS DISTINCT FROM OLD.channel) EXECUTE FUNCTION refuse_another_channel();
"""


def upgrade() -> None:
    """Forward."""
    op.add_column("billing_key", sa.Column("channel", sa.Text(), server_default=sa.text("'default'"), nullable=False))
    op.create_foreign_key(op.f("fk_billing_key_channel"), "billing_key", "channel_state", ["channel"], ["name"])
    op.execute(_ONE_CHANNEL_FOR_EVER)
    # Each account has names of its own for its cards.
    op.drop_constraint(op.f("uq_billing_key_customer_uid"), "billing_key", type_="unique")
    op.create_unique_constraint(op.f("uq_billing_key_customer_uid_channel"), "billing_key", ["customer_uid", "channel"])
    op.add_column("channel_state", sa.Column("missing_since", sa.DateTime(timezone=True), nullable=True))
    # Of an account with several channels one token is seen by each of them.
    op.drop_constraint(op.f("pk_seen_token"), "seen_token", type_="primary")
    op.create_primary_key(op.f("pk_seen_token"), "seen_token", ["digest", "channel"])
    # An invoice's attempts may have been sent through several channels: each is looked up where it was sent.
    op.add_column("charge_attempt", sa.Column("cleared_at", sa.DateTime(timezone=True), nullable=True))
    op.drop_column("invoice", "cleared_at")
    op.create_table(
        "channel_turn",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("holder", sa.Uuid(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("channel", "queue", "number", name=op.f("pk_channel_turn")),
    )
    # A channel happens to nobody's subscription.
    op.alter_column("outbox_event", "subscription_id", nullable=True)
