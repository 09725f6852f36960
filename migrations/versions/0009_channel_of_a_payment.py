"""payments carry their channel."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# Where its attempt was sent last. Of one that went through several channels: whose token saw the payment in a look-up,
# else which of its sends was answered as approved; where neither is known the last send's stays.
_FILL = """
UPDATE payment p SET channel = CASE
    WHEN (SELECT count(DISTINCT k.channel) FROM send s JOIN billing_key k ON k.id = s.billing_key_id
           WHERE s.attempt_id = p.attempt_id) = 1 THEN latest.channel
    ELSE coalesce(
        (SELECT t.channel FROM evidence e JOIN seen_token t ON t.digest = e.token_digest
          WHERE e.attempt_id = p.attempt_id AND position('"' || p.imp_uid || '"' IN e.body::text) > 0
          ORDER BY t.channel = latest.channel DESC, e.id LIMIT 1),
        (SELECT k.channel FROM send s JOIN billing_key k ON k.id = s.billing_key_id
          WHERE s.attempt_id = p.attempt_id AND s.result = 'approved' ORDER BY s.send_no DESC LIMIT 1),
        latest.channel)
    END
  FROM charge_attempt a JOIN send s ON s.attempt_id = a.id AND s.send_no = a.send_no
       JOIN billing_key latest ON latest.id = s.billing_key_id
 WHERE a.id = p.attempt_id
"""

# What is not out goes where its payment is. What is out was sent to that account, and is proven by that one's tokens.
_REFUNDS = """
UPDATE refund r SET channel = p.channel FROM payment p
 WHERE p.id = r.payment_id AND r.channel <> p.channel AND r.state IN ('proposed', 'requested', 'not_executed')
"""


def upgrade() -> None:
    """Forward."""
    op.add_column("payment", sa.Column("channel", sa.Text(), nullable=True))
    op.execute(_FILL)
    op.execute(_REFUNDS)
    op.alter_column("payment", "channel", nullable=False)
    op.create_foreign_key(op.f("fk_payment_channel"), "payment", "channel_state", ["channel"], ["name"])
