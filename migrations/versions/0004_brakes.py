"""breakers, windows and envelopes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def _channel_state() -> None:
    zero = sa.text("0")
    for column in (
        sa.Column("halt_cause", sa.Text(), nullable=True),
        sa.Column("breaker_state", sa.Text(), server_default=sa.text("'closed'"), nullable=False),
        sa.Column("breaker_trouble_count", sa.Integer(), server_default=zero, nullable=False),
        sa.Column("breaker_merchant_count", sa.Integer(), server_default=zero, nullable=False),
        sa.Column("breaker_openings", sa.Integer(), server_default=zero, nullable=False),
        sa.Column("breaker_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("breaker_probe_id", sa.Uuid(), nullable=True),
        sa.Column("slow_steps", sa.Integer(), server_default=zero, nullable=False),
        sa.Column("slowed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("has_first_window", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    ):
        op.add_column("channel_state", column)
    for name, rule in (
        ("halt_cause", "halt_cause IN ('person', 'token', 'merchant', 'envelope')"),
        ("breaker_state", "breaker_state IN ('closed', 'open', 'half_open')"),
        ("breaker_counts_not_negative", "breaker_trouble_count >= 0 AND breaker_merchant_count >= 0 AND breaker_openings >= 0 AND slow_steps >= 0"),
        ("breaker_pauses_until", "(breaker_state = 'closed') = (breaker_until IS NULL)"),
        ("one_probe_while_half_open", "breaker_probe_id IS NULL OR breaker_state = 'half_open'"),
    ):  # fmt: skip
        op.create_check_constraint(op.f(f"ck_channel_state_{name}"), "channel_state", rule)


def _maintenance_window() -> None:
    op.create_table(
        "maintenance_window",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=True),
        sa.Column("issuer_code", sa.Text(), nullable=True),
        sa.Column("begins", sa.Time(), nullable=False),
        sa.Column("ends", sa.Time(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("weekdays", postgresql.ARRAY(sa.Integer()), nullable=False),
        sa.Column("nth", sa.Integer(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("begins <> ends", name=op.f("ck_maintenance_window_leaves_some_of_the_day")),
        sa.CheckConstraint("nth BETWEEN 0 AND 5", name=op.f("ck_maintenance_window_nth_of_a_month")),
        sa.CheckConstraint(
            "nth = 0 OR cardinality(weekdays) > 0", name=op.f("ck_maintenance_window_nth_needs_weekdays")
        ),
        sa.CheckConstraint(
            "weekdays <@ ARRAY[1, 2, 3, 4, 5, 6, 7]", name=op.f("ck_maintenance_window_weekdays_are_days")
        ),
        sa.ForeignKeyConstraint(["channel"], ["channel_state.name"], name=op.f("fk_maintenance_window_channel")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_maintenance_window")),
    )


def _charge_envelope() -> None:
    op.create_table(
        "charge_envelope",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("begins_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expected_charges", sa.BigInteger(), nullable=False),
        sa.Column("expected_won", sa.BigInteger(), nullable=False),
        sa.Column("allowed_charges", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("allowed_won", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("claimed_charges", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("claimed_won", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("forecast_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "expected_charges >= 0 AND expected_won >= 0 AND allowed_charges >= 0 AND allowed_won >= 0 AND claimed_charges >= 0 AND claimed_won >= 0",
            name=op.f("ck_charge_envelope_volumes_not_negative"),
        ),
        sa.CheckConstraint("begins_at < ends_at", name=op.f("ck_charge_envelope_a_span")),
        sa.ForeignKeyConstraint(["channel"], ["channel_state.name"], name=op.f("fk_charge_envelope_channel")),
        sa.PrimaryKeyConstraint("channel", "day", name=op.f("pk_charge_envelope")),
    )


def upgrade() -> None:
    """Forward."""
    _channel_state()
    _maintenance_window()
    _charge_envelope()
    op.execute("UPDATE channel_state SET halt_cause = 'person' WHERE halted_at IS NOT NULL")
    op.add_column("billing_key", sa.Column("issuer_code", sa.Text(), nullable=True))
    op.add_column("invoice", sa.Column("at_once", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.create_index(
        "ix_invoice_at_once",
        "invoice",
        ["next_attempt_at"],
        unique=False,
        postgresql_where=sa.text("at_once AND next_attempt_at IS NOT NULL AND set_aside_reason IS NULL"),
    )
