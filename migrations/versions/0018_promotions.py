"""the end of a promotion is decided: a coupon of some periods goes on until it is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

#: What was paid last was lowered, and what is next would not be: a rise that nobody was asked about. Their coupon goes
#: on; its end is planned by who migrates, or by the opening.
_GOES_ON = """
UPDATE redemption r SET ended_at = NULL, ended_unasked = false FROM subscription s
 WHERE s.id = r.subscription_id AND s.state <> 'ended' AND r.ended_at IS NOT NULL
   AND NOT EXISTS (SELECT FROM redemption o WHERE o.subscription_id = r.subscription_id AND o.id > r.id)
   AND EXISTS (SELECT FROM invoice_line n WHERE n.kind = 'coupon' AND n.invoice_id = (
       SELECT i.id FROM invoice i WHERE i.subscription_id = r.subscription_id AND i.purpose = 'period'
        ORDER BY i.ordinal DESC LIMIT 1))
"""


def upgrade() -> None:
    """Forward."""
    op.drop_constraint(op.f("ck_price_change_kind"), "price_change")
    op.create_check_constraint(
        op.f("ck_price_change_kind"), "price_change", "kind IN ('price', 'conversion', 'promotion')"
    )
    op.add_column("redemption", sa.Column("ended_by", sa.Uuid(), nullable=True))
    op.add_column("redemption", sa.Column("ended_unasked", sa.Boolean(), server_default="false", nullable=False))
    op.create_foreign_key(op.f("fk_redemption_ended_by"), "redemption", "price_change", ["ended_by"], ["id"])
    op.drop_constraint(op.f("ck_redemption_within_its_periods"), "redemption")
    op.drop_constraint(op.f("ck_redemption_ended_once_it_is_used_up"), "redemption")
    op.execute("UPDATE redemption SET ended_unasked = true WHERE ended_at IS NOT NULL")
    op.execute(_GOES_ON)
    for name, rule in (
        ("used_from_nothing", "used >= 0"),
        ("ended_once_it_is_used_up", "ended_at IS NULL OR coalesce(used >= periods, false)"),
        ("ended_by_a_decision", "(ended_at IS NOT NULL) = (ended_by IS NOT NULL OR ended_unasked)"),
    ):
        op.create_check_constraint(op.f(f"ck_redemption_{name}"), "redemption", rule)
