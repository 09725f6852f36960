"""the inbox of hooks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def _inbox() -> None:
    op.create_table(
        "gateway_event",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("imp_uid", sa.Text(), nullable=False),
        sa.Column("merchant_uid", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("cancellation_id", sa.Text(), nullable=True),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("follow_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "status IN ('ready', 'paid', 'cancelled', 'failed', 'other')", name=op.f("ck_gateway_event_status")
        ),
        sa.CheckConstraint(
            "outcome IN ('foreign', 'nothing_new', 'news', 'hastened', 'cancellation', 'odd', 'not_found', 'gave_up')",
            name=op.f("ck_gateway_event_outcome"),
        ),
        sa.CheckConstraint(
            "imp_uid ~ '^imp[a-z]{0,4}_[A-Za-z0-9_]{1,32}$'", name=op.f("ck_gateway_event_imp_uid_form")
        ),
        sa.CheckConstraint("merchant_uid ~ '^j[a-z2-7]{39}$'", name=op.f("ck_gateway_event_merchant_uid_form")),
        sa.CheckConstraint(
            "cancellation_id ~ '^[A-Za-z0-9_-]{1,64}$'", name=op.f("ck_gateway_event_cancellation_id_form")
        ),
        sa.CheckConstraint(
            "(closed_at IS NULL) = (outcome IS NULL)", name=op.f("ck_gateway_event_closed_has_an_outcome")
        ),
        sa.CheckConstraint("times >= 1 AND looks >= 0", name=op.f("ck_gateway_event_counts_not_negative")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gateway_event")),
        sa.UniqueConstraint("digest", "hour", name=op.f("uq_gateway_event_digest_hour")),
    )
    op.create_index(
        "ix_gateway_event_open", "gateway_event", ["follow_at"], postgresql_where=sa.text("closed_at IS NULL")
    )
    op.create_index(
        "ix_gateway_event_looked_at", "gateway_event", ["looked_at"], postgresql_where=sa.text("looked_at IS NOT NULL")
    )
    op.create_index(op.f("ix_gateway_event_received_at"), "gateway_event", ["received_at"])


def upgrade() -> None:
    """Forward."""
    _inbox()
    # A payment by its own number is evidence too: a hook names it.
    op.drop_constraint(op.f("ck_evidence_source"), "evidence")
    op.create_check_constraint(
        op.f("ck_evidence_source"),
        "evidence",
        "source IN ('again', 'find_all', 'card_payments', 'day_list', 'payment')",
    )
    # The operator's list of late money.
    op.create_index(
        "ix_outbox_event_approved_late",
        "outbox_event",
        ["attempt_id"],
        postgresql_where=sa.text("kind = 'attempt.approved_late'"),
    )
