"""where the periods of a subscription are counted from, and the partial one before that.

Every one that stands keeps its periods: from its start on, or from the end of its trial.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_PARTIAL = (
    "anchor_ordinal >= 0 AND (stub_from IS NULL OR"
    " (stub_from < anchored_on AND anchor_ordinal >= 1 AND billing_day IS NOT NULL))"
)


def upgrade() -> None:
    """Forward."""
    op.add_column("plan", sa.Column("billing_day", sa.Integer(), nullable=True))
    op.create_check_constraint(
        op.f("ck_plan_billing_day_of_a_month"),
        "plan",
        "billing_day IS NULL OR (billing_day BETWEEN 1 AND 31 AND coalesce(every ~ ' (month|year)s?$', false))",
    )
    for column in ("share_days", "share_of_days"):
        op.add_column("invoice", sa.Column(column, sa.Integer(), nullable=True))
    op.create_check_constraint(
        op.f("ck_invoice_share_of_a_whole"),
        "invoice",
        "(share_days IS NULL) = (share_of_days IS NULL) AND share_days >= 1 AND share_days < share_of_days",
    )
    _anchors()


def _anchors() -> None:
    op.add_column("subscription", sa.Column("anchored_on", sa.Date(), nullable=True))
    op.execute("UPDATE subscription SET anchored_on = coalesce(trial_until, started_on)")
    op.alter_column("subscription", "anchored_on", nullable=False)
    op.add_column("subscription", sa.Column("anchor_ordinal", sa.Integer(), server_default="0", nullable=False))
    op.add_column("subscription", sa.Column("stub_from", sa.Date(), nullable=True))
    op.add_column("subscription", sa.Column("billing_day", sa.Integer(), nullable=True))
    for name, rule in (
        ("billing_day_of_a_month", "billing_day BETWEEN 1 AND 31"),
        ("a_partial_period_ends_at_the_anchor", _PARTIAL),
        (
            "anchored_before_its_next_period",
            "anchor_ordinal <= greatest(ordinal, -1) + CASE WHEN stub_from IS NULL THEN 1 ELSE 2 END",
        ),
    ):
        op.create_check_constraint(op.f(f"ck_subscription_{name}"), "subscription", rule)
