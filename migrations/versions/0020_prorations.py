"""changes within opened periods: invoices of their own, the terms that invoices were opened by, and what a change came to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_LEDGER = """
CREATE TRIGGER proration_is_append_only BEFORE UPDATE OR DELETE ON proration
    FOR EACH ROW EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER proration_is_never_emptied BEFORE TRUNCATE ON proration
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();
"""
#: What an older invoice was opened by is known where its base line says the quantity and the price is still the one.
_TERMS = """
UPDATE invoice i SET quantity = l.quantity, plan_price_id = s.plan_price_id
    FROM invoice_line l, subscription s, plan_price pp
    WHERE l.invoice_id = i.id AND l.kind = 'base' AND s.id = i.subscription_id AND pp.id = s.plan_price_id
    AND pp.amount = l.unit_amount
"""


def upgrade() -> None:
    """Forward."""
    for table, name, rule in (
        ("invoice", "purpose", "purpose IN ('period', 'change')"),
        ("invoice_line", "kind", "kind IN ('base', 'setup', 'add_on', 'item', 'proration', 'coupon', 'credit', 'carried')"),
    ):  # fmt: skip
        op.drop_constraint(op.f(f"ck_{table}_{name}"), table, type_="check")
        op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, rule)
    op.add_column("invoice", sa.Column("quantity", sa.Integer(), nullable=True))
    op.add_column("invoice", sa.Column("plan_price_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(op.f("fk_invoice_plan_price_id"), "invoice", "plan_price", ["plan_price_id"], ["id"])
    op.execute(_TERMS)
    _proration()
    op.execute(_LEDGER)


def _proration() -> None:
    numbers = [sa.Column(name, sa.BigInteger(), nullable=False) for name in ("old_won", "new_won", "won", "all_won")]
    keys = [
        (name, f"{table}.id")
        for name, table in (
            ("subscription_id", "subscription"),
            ("plan_price_id", "plan_price"),
            ("invoice_id", "invoice"),
            ("item_id", "invoice_item"),
            ("credit_entry_id", "credit_entry"),
        )
    ]
    op.create_table(
        "proration",
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("ordinal", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("changed_on", sa.Date(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("of_days", sa.Integer(), nullable=False),
        *numbers,
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("plan_price_id", sa.Uuid(), nullable=False),
        sa.Column("is_cut", sa.Boolean(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=True),
        sa.Column("item_id", sa.Uuid(), nullable=True),
        sa.Column("credit_entry_id", sa.BigInteger(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("number >= 0", name=op.f("ck_proration_number_from_zero")),
        sa.CheckConstraint(
            "0 <= days AND days <= of_days AND of_days >= 1", name=op.f("ck_proration_days_of_the_period")
        ),
        sa.CheckConstraint(
            "won = floor((new_won - old_won)::numeric * days / of_days)",
            name=op.f("ck_proration_a_share_of_the_difference"),
        ),
        sa.CheckConstraint("quantity >= 1", name=op.f("ck_proration_quantity_from_one")),
        sa.CheckConstraint("NOT is_cut OR new_won = 0", name=op.f("ck_proration_cut_is_worth_nothing")),
        sa.CheckConstraint(
            "num_nonnulls(invoice_id, item_id, credit_entry_id) = (all_won <> 0)::integer"
            " AND (invoice_id IS NOT NULL) = (all_won >= 100)"
            " AND (credit_entry_id IS NOT NULL) = (all_won < 0)",
            name=op.f("ck_proration_settled_one_way"),
        ),
        *(sa.ForeignKeyConstraint([name], [to], name=op.f(f"fk_proration_{name}")) for name, to in keys),
        sa.PrimaryKeyConstraint("subscription_id", "number", "ordinal", name=op.f("pk_proration")),
    )
