"""refunds as durable operations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def _tax_parts() -> None:
    op.add_column("payment", sa.Column("tax_free", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("payment", sa.Column("vat_amount", sa.BigInteger(), nullable=True))
    op.create_check_constraint(
        op.f("ck_payment_tax_parts_within_amount"),
        "payment",
        "tax_free >= 0 AND coalesce(vat_amount, 0) >= 0 AND tax_free + coalesce(vat_amount, 0) <= amount",
    )


def _refund() -> None:
    op.create_table(
        "refund",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("tax_free", sa.BigInteger(), nullable=False),
        sa.Column("vat_amount", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("mark", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("send_no", sa.Integer(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("absent_count", sa.Integer(), nullable=False),
        sa.Column("checksum", sa.BigInteger(), nullable=True),
        sa.Column("token_digest", sa.Text(), nullable=True),
        sa.Column("first_sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("send_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("unknown_reason", sa.Text(), nullable=True),
        sa.Column("raw_reason", sa.Text(), nullable=True),
        sa.Column("overtaken_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("operator_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("operator_reason", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('proposed', 'requested', 'in_flight', 'unknown', 'not_executed', 'succeeded', 'refused', 'rejected')",
            name=op.f("ck_refund_state"),
        ),
        sa.CheckConstraint(
            "state NOT IN ('in_flight', 'unknown') OR next_at IS NOT NULL OR operator_since IS NOT NULL",
            name=op.f("ck_refund_unknown_is_never_forgotten"),
        ),
        sa.CheckConstraint(
            "state NOT IN ('in_flight', 'unknown', 'not_executed') OR (checksum IS NOT NULL AND token_digest IS NOT NULL AND sent_at IS NOT NULL AND first_sent_at IS NOT NULL AND send_before IS NOT NULL AND lease_until IS NOT NULL AND send_no >= 1)",
            name=op.f("ck_refund_sent_says_what"),
        ),
        sa.CheckConstraint(
            "unknown_reason IN ('no_answer', 'refused', 'not_shown', 'odd', 'lease_expired')",
            name=op.f("ck_refund_unknown_reason"),
        ),
        sa.CheckConstraint("amount <= checksum", name=op.f("ck_refund_amount_within_checksum")),
        sa.CheckConstraint("amount > 0", name=op.f("ck_refund_amount_positive")),
        sa.CheckConstraint(
            "tax_free >= 0 AND coalesce(vat_amount, 0) >= 0 AND tax_free + coalesce(vat_amount, 0) <= amount",
            name=op.f("ck_refund_tax_parts_within_amount"),
        ),
        sa.ForeignKeyConstraint(["channel"], ["channel_state.name"], name=op.f("fk_refund_channel")),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name=op.f("fk_refund_payment_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refund")),
        sa.UniqueConstraint("mark", name=op.f("uq_refund_mark")),
    )
    op.create_index(
        "ix_refund_next",
        "refund",
        ["channel", "next_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('requested', 'in_flight', 'unknown', 'not_executed')"),
    )
    op.create_index(
        "ix_refund_operator",
        "refund",
        ["id"],
        unique=False,
        postgresql_where=sa.text("state = 'proposed' OR operator_since IS NOT NULL"),
    )
    op.create_index(op.f("ix_refund_payment_id"), "refund", ["payment_id"], unique=False)
    op.create_index(
        "uq_refund_out",
        "refund",
        ["payment_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('in_flight', 'unknown', 'not_executed')"),
    )


def _cancellation() -> None:
    op.create_table(
        "payment_cancellation",
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("entry", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("refund_id", sa.Uuid(), nullable=True),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount > 0", name=op.f("ck_payment_cancellation_amount_positive")),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name=op.f("fk_payment_cancellation_payment_id")),
        sa.ForeignKeyConstraint(["refund_id"], ["refund.id"], name=op.f("fk_payment_cancellation_refund_id")),
        sa.PrimaryKeyConstraint("payment_id", "entry", name=op.f("pk_payment_cancellation")),
        sa.UniqueConstraint("refund_id", name=op.f("uq_payment_cancellation_refund_id")),
    )


def _evidence() -> None:
    op.create_table(
        "refund_evidence",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("refund_id", sa.Uuid(), nullable=False),
        sa.Column("send_no", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("trace", sa.Text(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("token_digest", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "recorded_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("source IN ('answer', 'payment', 'find_all')", name=op.f("ck_refund_evidence_source")),
        sa.CheckConstraint(
            "trace IN ('done', 'none', 'overtaken', 'behind', 'odd', 'missing')", name=op.f("ck_refund_evidence_trace")
        ),
        sa.ForeignKeyConstraint(["refund_id"], ["refund.id"], name=op.f("fk_refund_evidence_refund_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refund_evidence")),
    )
    op.create_index(
        op.f("ix_refund_evidence_refund_id_send_no"), "refund_evidence", ["refund_id", "send_no"], unique=False
    )


# What is open is kept: with what is cancelled it never exceeds what was paid. The payment's lock makes rows that are
# written at once wait for one another, whoever writes them.
_WITHIN_PAYMENT = """
CREATE FUNCTION refuse_refund_beyond_payment() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    paid payment%ROWTYPE;
    open_amount bigint;
    kept_tax_free bigint;
    kept_vat bigint;
BEGIN
    IF NEW.overtaken_at IS NOT NULL
       OR NEW.state NOT IN ('proposed', 'requested', 'in_flight', 'unknown', 'not_executed') THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.overtaken_at IS NULL
       AND OLD.state IN ('proposed', 'requested', 'in_flight', 'unknown', 'not_executed')
       AND (NEW.payment_id, NEW.amount, NEW.tax_free, NEW.vat_amount)
           IS NOT DISTINCT FROM (OLD.payment_id, OLD.amount, OLD.tax_free, OLD.vat_amount) THEN
        RETURN NEW;
    END IF;
    SELECT * INTO paid FROM payment WHERE id = NEW.payment_id FOR NO KEY UPDATE;
    SELECT coalesce(sum(amount) FILTER (WHERE state <> 'succeeded'), 0), coalesce(sum(tax_free), 0),
           coalesce(sum(vat_amount), 0)
      INTO open_amount, kept_tax_free, kept_vat FROM refund
     WHERE payment_id = NEW.payment_id AND id <> NEW.id AND (state = 'succeeded' OR (overtaken_at IS NULL
       AND state IN ('proposed', 'requested', 'in_flight', 'unknown', 'not_executed')));
    IF open_amount + NEW.amount + paid.cancelled_amount > paid.amount
       OR kept_tax_free + NEW.tax_free > paid.tax_free
       OR kept_vat + coalesce(NEW.vat_amount, 0) > coalesce(paid.vat_amount, 0)
       OR (NEW.vat_amount IS NULL) <> (paid.vat_amount IS NULL) THEN
        RAISE EXCEPTION 'a refund of % won is more than is left of its payment', NEW.amount
            USING ERRCODE = 'check_violation', CONSTRAINT = 'refund_within_payment';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refund_within_payment BEFORE INSERT OR UPDATE ON refund
    FOR EACH ROW EXECUTE FUNCTION refuse_refund_beyond_payment();
"""

# What was cancelled elsewhere before there was a place for it.
_BOOK_WHAT_STANDS = """
INSERT INTO payment_cancellation (payment_id, entry, amount, recorded_at)
SELECT id, 'untold:' || cancelled_amount, cancelled_amount, recorded_at FROM payment WHERE cancelled_amount > 0
"""


def _append_only(table: str) -> str:
    return f"""
CREATE TRIGGER {table}_is_append_only BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER {table}_is_never_emptied BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();
"""


def upgrade() -> None:
    """Forward."""
    _tax_parts()
    _refund()
    _cancellation()
    _evidence()
    op.execute(_WITHIN_PAYMENT)
    op.execute(_BOOK_WHAT_STANDS)
    for table in ("payment_cancellation", "refund_evidence"):
        op.execute(_append_only(table))
