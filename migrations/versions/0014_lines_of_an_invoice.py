"""what stands beside a price: setup fees, add-ons, one-off items, credit, coupons; invoices that owe nothing, and what is carried."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_LEDGER = """
CREATE TRIGGER credit_entry_is_append_only BEFORE UPDATE OR DELETE ON credit_entry
    FOR EACH ROW EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER credit_entry_is_never_emptied BEFORE TRUNCATE ON credit_entry
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();
"""


def upgrade() -> None:
    """Forward."""
    _price()
    _subscription()
    _invoice()
    _line()
    _add_on()
    _item()
    _credit()
    _coupon()
    op.execute(_LEDGER)


def _price() -> None:
    op.add_column("plan_price", sa.Column("setup_fee", sa.BigInteger(), server_default="0", nullable=False))
    op.create_check_constraint(op.f("ck_plan_price_setup_fee_not_negative"), "plan_price", "setup_fee >= 0")


def _subscription() -> None:
    for name in ("carried", "carried_tax_free"):
        op.add_column("subscription", sa.Column(name, sa.BigInteger(), server_default="0", nullable=False))
    op.create_check_constraint(
        op.f("ck_subscription_carried_has_its_parts"),
        "subscription",
        "0 <= carried_tax_free AND carried_tax_free <= carried",
    )


def _invoice() -> None:
    op.drop_constraint(op.f("ck_invoice_amount_chargeable"), "invoice", type_="check")
    op.create_check_constraint(
        op.f("ck_invoice_amount_chargeable"), "invoice", "amount >= 100 OR (amount = 0 AND state = 'paid')"
    )


def _line() -> None:
    for name, rule in (
        ("kind", "kind IN ('base', 'setup', 'add_on', 'item', 'coupon', 'credit', 'carried')"),
        ("adds_up", "quantity >= 1 AND amount = quantity * unit_amount AND sign(amount) * tax_free >= 0 AND sign(amount) * coalesce(vat_amount, 0) >= 0 AND abs(tax_free) + abs(coalesce(vat_amount, 0)) <= abs(amount)"),
    ):  # fmt: skip
        op.drop_constraint(op.f(f"ck_invoice_line_{name}"), "invoice_line", type_="check")
        op.create_check_constraint(op.f(f"ck_invoice_line_{name}"), "invoice_line", rule)
    op.create_check_constraint(
        op.f("ck_invoice_line_sign_is_its_kinds"),
        "invoice_line",
        "kind = 'carried' OR (amount < 0) = (kind IN ('coupon', 'credit'))",
    )


def _add_on() -> None:
    op.create_table(
        "add_on",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("unit_amount", sa.BigInteger(), nullable=False),
        sa.Column("unit_tax_free", sa.BigInteger(), nullable=False),
        sa.Column("first_ordinal", sa.Integer(), nullable=False),
        sa.Column("until_ordinal", sa.Integer(), nullable=True),
        sa.Column("added_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("quantity >= 1 AND unit_amount >= 1", name=op.f("ck_add_on_costs_something")),
        sa.CheckConstraint(
            "0 <= unit_tax_free AND unit_tax_free <= unit_amount", name=op.f("ck_add_on_tax_free_within_amount")
        ),
        sa.CheckConstraint("0 <= first_ordinal AND first_ordinal <= until_ordinal", name=op.f("ck_add_on_a_span")),
        sa.ForeignKeyConstraint(["subscription_id"], ["subscription.id"], name=op.f("fk_add_on_subscription_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_add_on")),
    )
    op.create_index(op.f("ix_add_on_subscription_id"), "add_on", ["subscription_id"], unique=False)


def _item() -> None:
    op.create_table(
        "invoice_item",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("unit_amount", sa.BigInteger(), nullable=False),
        sa.Column("unit_tax_free", sa.BigInteger(), nullable=False),
        sa.Column("added_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=True),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("quantity >= 1 AND unit_amount >= 1", name=op.f("ck_invoice_item_costs_something")),
        sa.CheckConstraint(
            "0 <= unit_tax_free AND unit_tax_free <= unit_amount", name=op.f("ck_invoice_item_tax_free_within_amount")
        ),
        sa.CheckConstraint(
            "invoice_id IS NULL OR removed_at IS NULL", name=op.f("ck_invoice_item_not_removed_once_it_is_owed")
        ),
        sa.ForeignKeyConstraint(["subscription_id"], ["subscription.id"], name=op.f("fk_invoice_item_subscription_id")),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoice.id"], name=op.f("fk_invoice_item_invoice_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoice_item")),
    )
    for name, column, where in (
        ("ix_invoice_item_waiting", "subscription_id", "invoice_id IS NULL AND removed_at IS NULL"),
        ("ix_invoice_item_invoice", "invoice_id", "invoice_id IS NOT NULL"),
    ):
        op.create_index(name, "invoice_item", [column], unique=False, postgresql_where=sa.text(where))


def _credit() -> None:
    op.create_table(
        "credit_account",
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("balance", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("balance >= 0", name=op.f("ck_credit_account_never_below_nothing")),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name=op.f("fk_credit_account_customer_id")),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("pk_credit_account")),
    )
    op.create_table(
        "credit_entry",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('granted', 'withdrawn', 'used', 'returned')", name=op.f("ck_credit_entry_kind")),
        sa.CheckConstraint(
            "amount <> 0 AND (amount < 0) = (kind IN ('used', 'withdrawn'))",
            name=op.f("ck_credit_entry_sign_is_its_kinds"),
        ),
        sa.CheckConstraint(
            "(invoice_id IS NULL) = (kind IN ('granted', 'withdrawn'))",
            name=op.f("ck_credit_entry_an_invoices_or_a_persons"),
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["credit_account.customer_id"], name=op.f("fk_credit_entry_customer_id")
        ),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoice.id"], name=op.f("fk_credit_entry_invoice_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit_entry")),
    )
    op.create_index(op.f("ix_credit_entry_customer_id_id"), "credit_entry", ["customer_id", "id"], unique=False)
    op.create_index(
        "uq_credit_entry_invoice",
        "credit_entry",
        ["invoice_id", "kind"],
        unique=True,
        postgresql_where=sa.text("invoice_id IS NOT NULL"),
    )


def _coupon() -> None:
    op.create_table(
        "coupon",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("percent", sa.Integer(), nullable=True),
        sa.Column("won", sa.BigInteger(), nullable=True),
        sa.Column("periods", sa.Integer(), nullable=True),
        sa.Column("redeem_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("redemption_limit", sa.Integer(), nullable=True),
        sa.Column("redeemed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("(percent IS NULL) <> (won IS NULL)", name=op.f("ck_coupon_percent_or_won")),
        sa.CheckConstraint("coalesce(percent BETWEEN 1 AND 100, won >= 1)", name=op.f("ck_coupon_takes_something_off")),
        sa.CheckConstraint("periods >= 1", name=op.f("ck_coupon_periods_from_one")),
        sa.CheckConstraint("0 <= redeemed AND redeemed <= redemption_limit", name=op.f("ck_coupon_within_its_limit")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coupon")),
        sa.UniqueConstraint("code", name=op.f("uq_coupon_code")),
    )
    op.create_table(
        "coupon_plan",
        sa.Column("coupon_id", sa.Uuid(), nullable=False),
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["coupon_id"], ["coupon.id"], name=op.f("fk_coupon_plan_coupon_id")),
        sa.ForeignKeyConstraint(["plan_id"], ["plan.id"], name=op.f("fk_coupon_plan_plan_id")),
        sa.PrimaryKeyConstraint("coupon_id", "plan_id", name=op.f("pk_coupon_plan")),
    )
    op.create_table(
        "redemption",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("coupon_id", sa.Uuid(), nullable=False),
        sa.Column("percent", sa.Integer(), nullable=True),
        sa.Column("won", sa.BigInteger(), nullable=True),
        sa.Column("periods", sa.Integer(), nullable=True),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.Column("redeemed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(percent IS NULL) <> (won IS NULL)", name=op.f("ck_redemption_percent_or_won")),
        sa.CheckConstraint("0 <= used AND used <= periods", name=op.f("ck_redemption_within_its_periods")),
        sa.CheckConstraint(
            "(ended_at IS NOT NULL) = (used = coalesce(periods, -1))",
            name=op.f("ck_redemption_ended_once_it_is_used_up"),
        ),
        sa.ForeignKeyConstraint(["subscription_id"], ["subscription.id"], name=op.f("fk_redemption_subscription_id")),
        sa.ForeignKeyConstraint(["coupon_id"], ["coupon.id"], name=op.f("fk_redemption_coupon_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_redemption")),
        sa.UniqueConstraint("subscription_id", "coupon_id", name=op.f("uq_redemption_subscription_id_coupon_id")),
    )
    op.create_index(op.f("ix_redemption_coupon_id"), "redemption", ["coupon_id"], unique=False)
    op.create_index(
        "uq_redemption_running",
        "redemption",
        ["subscription_id"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
