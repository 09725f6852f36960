"""what was foreseen for a day, and how that day differed from it."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "forecast_day",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("begins_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kept_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("charges", sa.Integer(), nullable=False),
        sa.Column("won", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("compared_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("differences", sa.Integer(), nullable=True),
        sa.Column("unexplained", sa.Integer(), nullable=True),
        sa.CheckConstraint("begins_at < ends_at", name=op.f("ck_forecast_day_a_span")),
        sa.CheckConstraint(
            "(compared_at IS NULL) = (differences IS NULL) AND (compared_at IS NULL) = (unexplained IS NULL)",
            name=op.f("ck_forecast_day_compared_says_what_it_found"),
        ),
        sa.CheckConstraint(
            "0 <= unexplained AND unexplained <= differences",
            name=op.f("ck_forecast_day_unexplained_of_the_differences"),
        ),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_forecast_day")),
    )
    _of_a_day(
        "forecast_line",
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
    )
    _of_a_day(
        "forecast_difference",
        sa.Column("foreseen", sa.BigInteger(), nullable=True),
        sa.Column("opened", sa.BigInteger(), nullable=True),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.CheckConstraint("foreseen IS DISTINCT FROM opened", name=op.f("ck_forecast_difference_a_difference")),
    )


def _of_a_day(table: str, *more: Any) -> None:  # noqa: ANN401 - columns and checks
    op.create_table(
        table,
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("ordinal", sa.Integer(), autoincrement=False, nullable=False),
        *more,
        sa.ForeignKeyConstraint(["day"], ["forecast_day.day"], name=op.f(f"fk_{table}_day")),
        sa.ForeignKeyConstraint(["subscription_id"], ["subscription.id"], name=op.f(f"fk_{table}_subscription_id")),
        sa.PrimaryKeyConstraint("day", "subscription_id", "ordinal", name=op.f(f"pk_{table}")),
    )
