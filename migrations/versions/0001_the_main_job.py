"""the tables of the main job."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _tables_1() -> None:
    op.create_table(
        "audit_entry",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "recorded_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entry")),
    )
    op.create_index(op.f("ix_audit_entry_subject_id"), "audit_entry", ["subject_id"], unique=False)
    op.create_table(
        "billing_clock",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("origin", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rate", sa.Integer(), nullable=False),
        sa.Column("anchor", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stops_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_seen", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_billing_clock_one_row")),
        sa.CheckConstraint("rate >= 0", name=op.f("ck_billing_clock_rate_not_negative")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_billing_clock")),
    )
    op.create_table(
        "channel_state",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("halted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("halt_reason", sa.Text(), nullable=True),
        sa.Column("rate_used_until", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(halted_at IS NULL) = (halt_reason IS NULL)", name=op.f("ck_channel_state_halt_has_a_reason")
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_channel_state")),
    )
    op.create_table(
        "customer",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_ref", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("tel", sa.Text(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer")),
        sa.UniqueConstraint("customer_ref", name=op.f("uq_customer_customer_ref")),
    )
    op.create_table(
        "installation",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("namespace", sa.Text(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("id = 1", name=op.f("ck_installation_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation")),
    )


def _tables_2() -> None:
    op.create_table(
        "outbox_event",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "recorded_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=True),
        sa.Column("attempt_id", sa.Uuid(), nullable=True),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("is_incident", sa.Boolean(), server_default="false", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox_event")),
    )
    op.create_index(op.f("ix_outbox_event_invoice_id"), "outbox_event", ["invoice_id"], unique=False)
    op.create_index(op.f("ix_outbox_event_subscription_id"), "outbox_event", ["subscription_id"], unique=False)
    op.create_table(
        "plan",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("every", sa.Text(), nullable=True),
        sa.Column("cron", sa.Text(), nullable=True),
        sa.Column("catch_up", sa.Text(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("catch_up IN ('all', 'latest', 'none')", name=op.f("ck_plan_catch_up")),
        sa.CheckConstraint("(every IS NULL) <> (cron IS NULL)", name=op.f("ck_plan_one_schedule")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan")),
        sa.UniqueConstraint("code", name=op.f("uq_plan_code")),
    )
    op.create_table(
        "seen_token",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("dies_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_seen_token")),
    )
    op.create_table(
        "billing_key",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("customer_uid", sa.Text(), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("length(customer_uid) BETWEEN 1 AND 80", name=op.f("ck_billing_key_customer_uid_length")),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name=op.f("fk_billing_key_customer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_billing_key")),
        sa.UniqueConstraint("customer_uid", name=op.f("uq_billing_key_customer_uid")),
    )
    op.create_index(op.f("ix_billing_key_customer_id"), "billing_key", ["customer_id"], unique=False)


def _tables_3() -> None:
    op.create_table(
        "plan_price",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("effective_from", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount >= 100", name=op.f("ck_plan_price_amount_chargeable")),
        sa.ForeignKeyConstraint(["plan_id"], ["plan.id"], name=op.f("fk_plan_price_plan_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_price")),
        sa.UniqueConstraint("plan_id", "effective_from", name=op.f("uq_plan_price_plan_id_effective_from")),
    )
    op.create_table(
        "subscription",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("plan_price_id", sa.Uuid(), nullable=False),
        sa.Column("billing_key_id", sa.Uuid(), nullable=True),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("started_on", sa.Date(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("ended_reason", sa.Text(), nullable=True),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("next_billing_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("catch_up_below", sa.Integer(), nullable=False),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("requested_change", sa.Text(), nullable=True),
        sa.Column("requested_key_id", sa.Uuid(), nullable=True),
        sa.Column("requested_by", sa.Text(), nullable=True),
        sa.Column("set_aside_reason", sa.Text(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint(
            "(requested_change IS NOT DISTINCT FROM 'change_card') = (requested_key_id IS NOT NULL)",
            name=op.f("ck_subscription_requested_key_goes_with_the_change"),
        ),
        sa.CheckConstraint(
            "(state = 'ended') = (ended_reason IS NOT NULL)", name=op.f("ck_subscription_ended_has_a_reason")
        ),
        sa.CheckConstraint(
            "(state = 'ended') = (next_billing_at IS NULL)", name=op.f("ck_subscription_ended_bills_never")
        ),
        sa.CheckConstraint(
            "ended_reason IN ('cancelled', 'dunning', 'no_consent', 'completed')",
            name=op.f("ck_subscription_ended_reason"),
        ),
        sa.CheckConstraint(
            "requested_change IN ('pause', 'cancel', 'change_card')", name=op.f("ck_subscription_requested_change")
        ),
        sa.CheckConstraint(
            "state IN ('pending', 'ended') OR billing_key_id IS NOT NULL", name=op.f("ck_subscription_billed_by_a_card")
        ),
        sa.CheckConstraint(
            "state IN ('pending', 'trialing', 'active', 'past_due', 'paused', 'ended')",
            name=op.f("ck_subscription_state"),
        ),
        sa.CheckConstraint("ordinal >= -1", name=op.f("ck_subscription_ordinal_from_minus_one")),
        sa.ForeignKeyConstraint(["billing_key_id"], ["billing_key.id"], name=op.f("fk_subscription_billing_key_id")),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name=op.f("fk_subscription_customer_id")),
        sa.ForeignKeyConstraint(["plan_id"], ["plan.id"], name=op.f("fk_subscription_plan_id")),
        sa.ForeignKeyConstraint(["plan_price_id"], ["plan_price.id"], name=op.f("fk_subscription_plan_price_id")),
        sa.ForeignKeyConstraint(
            ["requested_key_id"], ["billing_key.id"], name=op.f("fk_subscription_requested_key_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscription")),
        sa.UniqueConstraint(
            "customer_id", "plan_id", "started_on", name=op.f("uq_subscription_customer_id_plan_id_started_on")
        ),
    )
    op.create_index(op.f("ix_subscription_billing_key_id"), "subscription", ["billing_key_id"], unique=False)
    op.create_index(
        "ix_subscription_due",
        "subscription",
        ["next_billing_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('active', 'past_due') AND set_aside_reason IS NULL"),
    )


def _tables_4() -> None:
    op.create_table(
        "invoice",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("period_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("is_catch_up", sa.Boolean(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_trigger", sa.Text(), nullable=False),
        sa.Column("ladder_step", sa.Integer(), nullable=False),
        sa.Column("ladder_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempt_count", sa.Integer(), nullable=False),
        sa.Column("cleared_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("set_aside_reason", sa.Text(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "next_attempt_at IS NULL OR state IN ('open', 'past_due')",
            name=op.f("ck_invoice_settled_is_never_attempted"),
        ),
        sa.CheckConstraint("next_trigger IN ('schedule', 'dunning', 'admin')", name=op.f("ck_invoice_next_trigger")),
        sa.CheckConstraint("purpose IN ('period')", name=op.f("ck_invoice_purpose")),
        sa.CheckConstraint(
            "state IN ('open', 'past_due', 'paid', 'void', 'uncollectible')", name=op.f("ck_invoice_state")
        ),
        sa.CheckConstraint("amount >= 100", name=op.f("ck_invoice_amount_chargeable")),
        sa.CheckConstraint("ladder_step >= 0 AND attempt_count >= 0", name=op.f("ck_invoice_counts_not_negative")),
        sa.CheckConstraint("ordinal >= 0", name=op.f("ck_invoice_ordinal_from_zero")),
        sa.CheckConstraint("period_start < period_end", name=op.f("ck_invoice_period_is_a_span")),
        sa.ForeignKeyConstraint(["subscription_id"], ["subscription.id"], name=op.f("fk_invoice_subscription_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoice")),
        sa.UniqueConstraint(
            "subscription_id", "ordinal", "purpose", name=op.f("uq_invoice_subscription_id_ordinal_purpose")
        ),
    )
    op.create_index(
        "ix_invoice_due",
        "invoice",
        ["next_attempt_at"],
        unique=False,
        postgresql_where=sa.text("next_attempt_at IS NOT NULL AND set_aside_reason IS NULL"),
    )
    op.create_index(
        "ix_invoice_past_due",
        "invoice",
        ["subscription_id"],
        unique=False,
        postgresql_where=sa.text("state = 'past_due'"),
    )
    op.create_table(
        "skipped_period",
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("first_ordinal", sa.Integer(), nullable=False),
        sa.Column("last_ordinal", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("reason IN ('paid_elsewhere', 'catch_up', 'paused')", name=op.f("ck_skipped_period_reason")),
        sa.CheckConstraint(
            "0 <= first_ordinal AND first_ordinal <= last_ordinal", name=op.f("ck_skipped_period_a_span")
        ),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscription.id"], name=op.f("fk_skipped_period_subscription_id")
        ),
        sa.PrimaryKeyConstraint("subscription_id", "first_ordinal", name=op.f("pk_skipped_period")),
    )


def _tables_5() -> None:
    op.create_table(
        "charge_attempt",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("attempt_no", sa.Integer(), nullable=False),
        sa.Column("merchant_uid", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("send_no", sa.Integer(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("absent_count", sa.Integer(), nullable=False),
        sa.Column("decline_code", sa.Text(), nullable=True),
        sa.Column("unknown_reason", sa.Text(), nullable=True),
        sa.Column("raw_reason", sa.Text(), nullable=True),
        sa.Column("next_look_up_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("first_sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("operator_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("operator_reason", sa.Text(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "decline_code IN ('limit_or_balance', 'card_dead', 'identity', 'issuer_block', 'call_issuer', 'system', 'merchant', 'request_bug', 'unclassified', 'ambiguous')",
            name=op.f("ck_charge_attempt_decline_code"),
        ),
        sa.CheckConstraint("merchant_uid ~ '^[A-Za-z0-9]{1,40}$'", name=op.f("ck_charge_attempt_merchant_uid_form")),
        sa.CheckConstraint(
            "state <> 'declined' OR decline_code IS NOT NULL", name=op.f("ck_charge_attempt_declined_has_a_code")
        ),
        sa.CheckConstraint(
            "state <> 'unknown' OR next_look_up_at IS NOT NULL OR operator_since IS NOT NULL",
            name=op.f("ck_charge_attempt_unknown_is_never_forgotten"),
        ),
        sa.CheckConstraint(
            "state IN ('in_flight', 'unknown', 'not_executed', 'approved', 'declined', 'abandoned')",
            name=op.f("ck_charge_attempt_state"),
        ),
        sa.CheckConstraint("trigger IN ('schedule', 'dunning', 'admin')", name=op.f("ck_charge_attempt_trigger")),
        sa.CheckConstraint(
            "unknown_reason IN ('no_answer', 'server_error', 'slow_down', 'unreadable', 'duplicate', 'refused_request', 'not_final', 'ambiguous_decline', 'mismatch', 'lease_expired')",
            name=op.f("ck_charge_attempt_unknown_reason"),
        ),
        sa.CheckConstraint("attempt_no >= 1", name=op.f("ck_charge_attempt_attempt_no_from_one")),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoice.id"], name=op.f("fk_charge_attempt_invoice_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_charge_attempt")),
        sa.UniqueConstraint("invoice_id", "attempt_no", name=op.f("uq_charge_attempt_invoice_id_attempt_no")),
        sa.UniqueConstraint("merchant_uid", name=op.f("uq_charge_attempt_merchant_uid")),
    )
    op.create_index(
        "ix_charge_attempt_look_up",
        "charge_attempt",
        ["next_look_up_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('in_flight', 'unknown')"),
    )
    op.create_index(
        "ix_charge_attempt_operator",
        "charge_attempt",
        ["operator_since"],
        unique=False,
        postgresql_where=sa.text("operator_since IS NOT NULL"),
    )
    op.create_index(
        "uq_charge_attempt_open",
        "charge_attempt",
        ["invoice_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('in_flight', 'unknown', 'not_executed')"),
    )


def _tables_6() -> None:
    op.create_table(
        "payment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("attempt_id", sa.Uuid(), nullable=False),
        sa.Column("imp_uid", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("cancelled_amount", sa.BigInteger(), nullable=False),
        sa.Column("counts", sa.Boolean(), nullable=False),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "0 <= cancelled_amount AND cancelled_amount <= amount", name=op.f("ck_payment_cancelled_within_amount")
        ),
        sa.CheckConstraint("amount > 0", name=op.f("ck_payment_amount_positive")),
        sa.ForeignKeyConstraint(["attempt_id"], ["charge_attempt.id"], name=op.f("fk_payment_attempt_id")),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoice.id"], name=op.f("fk_payment_invoice_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment")),
        sa.UniqueConstraint("imp_uid", name=op.f("uq_payment_imp_uid")),
    )
    op.create_index(op.f("ix_payment_attempt_id"), "payment", ["attempt_id"], unique=False)
    op.create_index(
        "ix_payment_surplus", "payment", ["recorded_at"], unique=False, postgresql_where=sa.text("NOT counts")
    )
    op.create_index("uq_payment_counts", "payment", ["invoice_id"], unique=True, postgresql_where=sa.text("counts"))
    op.create_table(
        "send",
        sa.Column("attempt_id", sa.Uuid(), nullable=False),
        sa.Column("send_no", sa.Integer(), nullable=False),
        sa.Column("billing_key_id", sa.Uuid(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("token_digest", sa.Text(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("committed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("send_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.CheckConstraint("send_no >= 1", name=op.f("ck_send_send_no_from_one")),
        sa.ForeignKeyConstraint(["attempt_id"], ["charge_attempt.id"], name=op.f("fk_send_attempt_id")),
        sa.ForeignKeyConstraint(["billing_key_id"], ["billing_key.id"], name=op.f("fk_send_billing_key_id")),
        sa.PrimaryKeyConstraint("attempt_id", "send_no", name=op.f("pk_send")),
    )
    op.create_table(
        "evidence",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("attempt_id", sa.Uuid(), nullable=False),
        sa.Column("send_no", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("token_digest", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "recorded_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("said IN ('absent', 'paid', 'cancelled', 'failed', 'other')", name=op.f("ck_evidence_said")),
        sa.CheckConstraint(
            "source IN ('again', 'find_all', 'card_payments', 'day_list')", name=op.f("ck_evidence_source")
        ),
        sa.ForeignKeyConstraint(
            ["attempt_id", "send_no"], ["send.attempt_id", "send.send_no"], name=op.f("fk_evidence_attempt_id_send_no")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evidence")),
    )
    op.create_index(op.f("ix_evidence_attempt_id_send_no"), "evidence", ["attempt_id", "send_no"], unique=False)


_ONE_ROWS = """
INSERT INTO billing_clock (id, origin, rate, anchor, last_seen) VALUES (1, now(), 1, now(), now());
INSERT INTO channel_state (name, rate_used_until) VALUES ('default', now());
"""

# The one clock. Billing time and real time are read together, so that neither is ahead of the other.
_BILLING_NOW = """
CREATE FUNCTION billing_now(OUT billing_at timestamptz, OUT real_at timestamptz, OUT rate integer)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    real_at := clock_timestamp();
    SELECT least(c.origin + (real_at - c.anchor) * c.rate, c.stops_at), c.rate INTO billing_at, rate FROM billing_clock c;
END $$;

CREATE FUNCTION refuse_clock_going_back() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.last_seen < OLD.last_seen
       OR least(NEW.origin + (clock_timestamp() - NEW.anchor) * NEW.rate, NEW.stops_at) < OLD.last_seen THEN
        RAISE EXCEPTION 'billing time may not go back: it has been %', OLD.last_seen
            USING ERRCODE = 'check_violation', CONSTRAINT = 'billing_clock_is_monotone';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER billing_clock_is_monotone BEFORE UPDATE ON billing_clock
    FOR EACH ROW EXECUTE FUNCTION refuse_clock_going_back();
"""

_APPEND_ONLY = """
CREATE FUNCTION refuse_rewriting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME
        USING ERRCODE = 'check_violation', CONSTRAINT = TG_TABLE_NAME || '_is_append_only';
END $$;
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
    _tables_1()
    _tables_2()
    _tables_3()
    _tables_4()
    _tables_5()
    _tables_6()
    op.execute(_ONE_ROWS)
    op.execute(_BILLING_NOW)
    op.execute(_APPEND_ONLY)
    for table in ("audit_entry", "evidence", "skipped_period"):
        op.execute(_append_only(table))
