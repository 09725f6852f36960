"""stops and resumes asked for ahead, and holds."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def _subscription() -> None:
    for column in (
        sa.Column("stops_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stops_as", sa.Text(), nullable=True),
        sa.Column("stops_by", sa.Text(), nullable=True),
        sa.Column("stops_before", sa.Integer(), nullable=True),
        sa.Column("resumes_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resumes_by", sa.Text(), nullable=True),
    ):
        op.add_column("subscription", column)
    for name, rule in (
        ("stops_as", "stops_as IN ('cancel', 'pause')"),
        ("a_stop_says_when_what_and_by_whom", "(stops_at IS NULL) = (stops_as IS NULL) AND (stops_at IS NULL) = (stops_by IS NULL) AND (stops_at IS NULL) = (stops_before IS NULL)"),
        ("a_resume_says_when_and_by_whom", "(resumes_at IS NULL) = (resumes_by IS NULL)"),
        ("ended_has_nothing_ahead", "state <> 'ended' OR (stops_at IS NULL AND resumes_at IS NULL)"),
        ("resumes_after_its_pause", "stops_as IS DISTINCT FROM 'pause' OR resumes_at IS NULL OR stops_at < resumes_at"),
    ):  # fmt: skip
        op.create_check_constraint(op.f(f"ck_subscription_{name}"), "subscription", rule)
    for name, at in (("ix_subscription_stops", "stops_at"), ("ix_subscription_resumes", "resumes_at")):
        op.create_index(name, "subscription", [at], unique=False, postgresql_where=sa.text(f"{at} IS NOT NULL"))


def _hold() -> None:
    op.create_table(
        "hold",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("subscription_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("placed_by", sa.Text(), nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("placed_real_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_real_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.Column("end_reason", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(customer_id IS NULL) <> (subscription_id IS NULL)", name=op.f("ck_hold_of_one_or_the_other")
        ),
        sa.CheckConstraint("kind IN ('dispute', 'fraud', 'death', 'other')", name=op.f("ck_hold_kind")),
        sa.CheckConstraint("state IN ('standing', 'released', 'expired')", name=op.f("ck_hold_state")),
        sa.CheckConstraint(
            "(state = 'standing') = (ended_at IS NULL) AND (state = 'standing') = (ended_by IS NULL)"
            " AND (state = 'standing') = (ended_real_at IS NULL)",
            name=op.f("ck_hold_ended_says_when_and_by_whom"),
        ),
        sa.CheckConstraint(
            "state <> 'expired' OR until IS NOT NULL", name=op.f("ck_hold_only_what_has_a_date_expires")
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name=op.f("fk_hold_customer_id")),
        sa.ForeignKeyConstraint(["subscription_id"], ["subscription.id"], name=op.f("fk_hold_subscription_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hold")),
    )
    for name, column in (("ix_hold_customer", "customer_id"), ("ix_hold_subscription", "subscription_id")):
        op.create_index(name, "hold", [column], unique=False, postgresql_where=sa.text("state = 'standing'"))


def upgrade() -> None:
    """Forward."""
    _subscription()
    _hold()
