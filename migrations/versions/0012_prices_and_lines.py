"""prices with tax parts and instalments, quantities, and what invoices consist of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_PARTS_WITHIN = "tax_free >= 0 AND coalesce(vat_amount, 0) >= 0 AND tax_free + coalesce(vat_amount, 0) <= amount"

# What was owed so far was one unit of its plan, and no tax part was sent with it.
_BASE_LINES = """
INSERT INTO invoice_line (invoice_id, line_no, kind, description, quantity, unit_amount, amount, tax_free, vat_amount)
SELECT i.id, 1, 'base', p.name, 1, i.amount, i.amount, i.tax_free, i.vat_amount
  FROM invoice i JOIN subscription s ON s.id = i.subscription_id JOIN plan p ON p.id = s.plan_id
"""

# The lines of an invoice come in one statement: its first line's key keeps a second one out. One look-up by key for
# each invoice, whatever plan the server would make for all of them while the tables are small, and then keep.
_ADD_UP = """
CREATE FUNCTION refuse_lines_that_do_not_add_up() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    told record;
    owed record;
BEGIN
    FOR told IN
        SELECT invoice_id, sum(amount)::bigint AS amount, sum(tax_free)::bigint AS tax_free,
               sum(vat_amount)::bigint AS vat_amount, min(line_no) AS first, max(line_no) AS last,
               count(*) AS lines, count(vat_amount) AS with_vat
          FROM added GROUP BY invoice_id
    LOOP
        SELECT amount, tax_free, vat_amount INTO owed FROM invoice WHERE id = told.invoice_id;
        IF FOUND AND ((told.amount, told.tax_free, told.vat_amount)
                      IS DISTINCT FROM (owed.amount, owed.tax_free, owed.vat_amount)
           OR told.with_vat NOT IN (0, told.lines) OR (told.first, told.last) IS DISTINCT FROM (1, told.lines)) THEN
            RAISE EXCEPTION 'the lines of invoice % do not add up to it', told.invoice_id
                USING ERRCODE = 'check_violation', CONSTRAINT = 'invoice_line_adds_up';
        END IF;
    END LOOP;
    RETURN NULL;
END $$;
CREATE TRIGGER invoice_line_adds_up AFTER INSERT ON invoice_line
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION refuse_lines_that_do_not_add_up();
CREATE TRIGGER invoice_line_is_append_only BEFORE UPDATE OR DELETE ON invoice_line
    FOR EACH ROW EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER invoice_line_is_never_emptied BEFORE TRUNCATE ON invoice_line
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();
"""


def upgrade() -> None:
    """Forward."""
    _prices()
    _quantities()
    _invoices()
    _lines()
    op.execute(_BASE_LINES)
    op.execute(_ADD_UP)


def _prices() -> None:
    op.add_column("plan_price", sa.Column("tax_free", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("plan_price", sa.Column("vat", sa.Text(), server_default="gateway", nullable=False))
    op.add_column("plan_price", sa.Column("card_quota", sa.Integer(), server_default="0", nullable=False))
    op.create_check_constraint(
        op.f("ck_plan_price_tax_free_within_amount"), "plan_price", "0 <= tax_free AND tax_free <= amount"
    )
    op.create_check_constraint(op.f("ck_plan_price_vat"), "plan_price", "vat IN ('gateway', 'included')")
    op.create_check_constraint(
        op.f("ck_plan_price_card_quota_from_two"), "plan_price", "card_quota = 0 OR card_quota BETWEEN 2 AND 12"
    )


def _quantities() -> None:
    op.add_column("subscription", sa.Column("quantity", sa.Integer(), server_default="1", nullable=False))
    op.create_check_constraint(op.f("ck_subscription_quantity_from_one"), "subscription", "quantity >= 1")


def _invoices() -> None:
    op.add_column("invoice", sa.Column("tax_free", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("invoice", sa.Column("vat_amount", sa.BigInteger(), nullable=True))
    op.add_column("invoice", sa.Column("card_quota", sa.Integer(), server_default="0", nullable=False))
    op.create_check_constraint(op.f("ck_invoice_tax_parts_within_amount"), "invoice", _PARTS_WITHIN)
    op.create_check_constraint(
        op.f("ck_invoice_instalments_are_open"),
        "invoice",
        "card_quota = 0 OR (card_quota BETWEEN 2 AND 12 AND amount >= 50000)",
    )


def _lines() -> None:
    op.create_table(
        "invoice_line",
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("line_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("unit_amount", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("tax_free", sa.BigInteger(), nullable=False),
        sa.Column("vat_amount", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("kind IN ('base')", name=op.f("ck_invoice_line_kind")),
        sa.CheckConstraint(
            f"quantity >= 1 AND amount = quantity * unit_amount AND {_PARTS_WITHIN}",
            name=op.f("ck_invoice_line_adds_up"),
        ),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoice.id"], name=op.f("fk_invoice_line_invoice_id")),
        sa.PrimaryKeyConstraint("invoice_id", "line_no", name=op.f("pk_invoice_line")),
    )
