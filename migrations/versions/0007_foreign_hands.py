"""payments and schedules that we did not make."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def _foreign_payment() -> None:
    op.create_table(
        "foreign_payment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("imp_uid", sa.Text(), nullable=False),
        sa.Column("merchant_uid", sa.Text(), nullable=False),
        sa.Column("billing_key_id", sa.Uuid(), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("cancelled_amount", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("is_money", sa.Boolean(), nullable=False),
        sa.Column("is_sandbox", sa.Boolean(), nullable=False),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("accepted_because", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(accepted_at IS NULL) = (accepted_because IS NULL)", name=op.f("ck_foreign_payment_accepted_with_a_reason")
        ),
        sa.ForeignKeyConstraint(["billing_key_id"], ["billing_key.id"], name=op.f("fk_foreign_payment_billing_key_id")),
        sa.ForeignKeyConstraint(["channel"], ["channel_state.name"], name=op.f("fk_foreign_payment_channel")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_foreign_payment")),
        sa.UniqueConstraint("imp_uid", name=op.f("uq_foreign_payment_imp_uid")),
    )
    op.create_index(op.f("ix_foreign_payment_billing_key_id"), "foreign_payment", ["billing_key_id"], unique=False)
    op.create_index(
        "ix_foreign_payment_open",
        "foreign_payment",
        ["id"],
        unique=False,
        postgresql_where=sa.text("accepted_at IS NULL"),
    )


def _foreign_schedule() -> None:
    op.create_table(
        "foreign_schedule",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("merchant_uid", sa.Text(), nullable=False),
        sa.Column("billing_key_id", sa.Uuid(), nullable=False),
        sa.Column("schedule_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("payment_status", sa.Text(), nullable=False),
        sa.Column("imp_uid", sa.Text(), nullable=True),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("gone_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ignored_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ignored_because", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state IN ('scheduled', 'other', 'executed', 'revoked', 'gone')", name=op.f("ck_foreign_schedule_state")
        ),
        sa.CheckConstraint(
            "(ignored_at IS NULL) = (ignored_because IS NULL)", name=op.f("ck_foreign_schedule_ignored_with_a_reason")
        ),
        sa.ForeignKeyConstraint(
            ["billing_key_id"], ["billing_key.id"], name=op.f("fk_foreign_schedule_billing_key_id")
        ),
        sa.ForeignKeyConstraint(["channel"], ["channel_state.name"], name=op.f("fk_foreign_schedule_channel")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_foreign_schedule")),
        sa.UniqueConstraint("channel", "merchant_uid", name=op.f("uq_foreign_schedule_channel_merchant_uid")),
    )
    op.create_index(
        "ix_foreign_schedule_asks",
        "foreign_schedule",
        ["billing_key_id"],
        unique=False,
        postgresql_where=sa.text("gone_at IS NULL AND ignored_at IS NULL"),
    )
    op.create_index(
        "ix_foreign_schedule_standing",
        "foreign_schedule",
        ["channel", "merchant_uid"],
        unique=False,
        postgresql_where=sa.text("gone_at IS NULL"),
    )


def _gateway_comparison() -> None:
    op.create_table(
        "gateway_comparison",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("taken_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("payments_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("round_began_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("schedules_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["channel"], ["channel_state.name"], name=op.f("fk_gateway_comparison_channel")),
        sa.PrimaryKeyConstraint("channel", name=op.f("pk_gateway_comparison")),
    )


def _adoption() -> None:
    op.create_table(
        "adoption",
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("billing_key_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state <> 'unscheduling' OR asked_at IS NOT NULL", name=op.f("ck_adoption_asked_is_written_before")
        ),
        sa.CheckConstraint("state IN ('created', 'unscheduling', 'done')", name=op.f("ck_adoption_state")),
        sa.ForeignKeyConstraint(["billing_key_id"], ["billing_key.id"], name=op.f("fk_adoption_billing_key_id")),
        sa.ForeignKeyConstraint(["channel"], ["channel_state.name"], name=op.f("fk_adoption_channel")),
        sa.ForeignKeyConstraint(["subscription_id"], ["subscription.id"], name=op.f("fk_adoption_subscription_id")),
        sa.PrimaryKeyConstraint("subscription_id", name=op.f("pk_adoption")),
    )
    op.create_index(
        "ix_adoption_unfinished",
        "adoption",
        ["billing_key_id"],
        unique=False,
        postgresql_where=sa.text("state <> 'done'"),
    )


def _adopted_schedule() -> None:
    op.create_table(
        "adopted_schedule",
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("merchant_uid", sa.Text(), nullable=False),
        sa.Column("schedule_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("became", sa.Text(), nullable=False),
        sa.CheckConstraint("became IN ('open', 'revoked', 'paid', 'failed')", name=op.f("ck_adopted_schedule_became")),
        sa.CheckConstraint("ordinal >= 0", name=op.f("ck_adopted_schedule_ordinal_from_zero")),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["adoption.subscription_id"], name=op.f("fk_adopted_schedule_subscription_id")
        ),
        sa.PrimaryKeyConstraint("subscription_id", "ordinal", name=op.f("pk_adopted_schedule")),
        sa.UniqueConstraint("merchant_uid", "channel", name=op.f("uq_adopted_schedule_merchant_uid_channel")),
    )


def upgrade() -> None:
    """Forward."""
    op.add_column("billing_key", sa.Column("foreign_schedule_since", sa.DateTime(timezone=True), nullable=True))
    _foreign_payment()
    _foreign_schedule()
    _gateway_comparison()
    _adoption()
    _adopted_schedule()
