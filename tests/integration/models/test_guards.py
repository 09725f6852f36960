"""Does every guard of the schema refuse what it is there for? One forbidden row for each, by the constraint's name."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import CheckConstraint, ForeignKeyConstraint, UniqueConstraint

from models.every_table import Base
from tests.support.brake_rows import FORBIDDEN_BRAKE
from tests.support.consent_rows import FORBIDDEN_CONSENT
from tests.support.databases import fresh_database
from tests.support.forecast_rows import FORBIDDEN_FORECAST
from tests.support.foreign_rows import FORBIDDEN_FOREIGN
from tests.support.plan_rows import FORBIDDEN_PLAN
from tests.support.price_rows import FORBIDDEN_PRICE
from tests.support.proration_rows import FORBIDDEN_PRORATION
from tests.support.refund_rows import BEYOND_PAYMENT, FORBIDDEN_REFUND, REFUND
from tests.support.rows import (
    AT,
    ATTEMPT,
    CUSTOMER,
    INVOICE,
    KEY,
    OTHER_INVOICE,
    PAYMENT,
    PLAN,
    SUBSCRIPTION,
    furnish,
    insert,
    row,
)
from tests.support.stop_rows import FORBIDDEN_STOP
from tests.support.told_rows import FORBIDDEN_TOLD
from tests.support.usage_rows import FORBIDDEN_USAGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.embedded.state_dir import ServerUrls

NOBODY = UUID(int=99)


@dataclass(frozen=True, slots=True)
class Forbidden:
    """A row that is valid but for these values."""

    guard: str
    table: str
    values: dict[str, Any] = field(default_factory=dict)


FORBIDDEN = [
    # One of a closed set.
    Forbidden("ck_subscription_state", "subscription", {"state": "sleeping"}),
    Forbidden(
        "ck_subscription_ended_reason",
        "subscription",
        {"state": "ended", "next_billing_at": None, "ended_reason": "bored"},
    ),
    Forbidden("ck_subscription_requested_change", "subscription", {"requested_change": "upgrade"}),
    Forbidden("ck_skipped_period_reason", "skipped_period", {"reason": "holiday"}),
    Forbidden("ck_invoice_purpose", "invoice", {"purpose": "gift"}),
    Forbidden("ck_invoice_state", "invoice", {"state": "lost", "next_attempt_at": None}),
    Forbidden("ck_invoice_next_trigger", "invoice", {"next_trigger": "whim"}),
    Forbidden("ck_charge_attempt_state", "charge_attempt", {"state": "lost"}),
    Forbidden("ck_charge_attempt_trigger", "charge_attempt", {"trigger": "whim"}),
    Forbidden("ck_charge_attempt_decline_code", "charge_attempt", {"decline_code": "mood"}),
    Forbidden("ck_charge_attempt_unknown_reason", "charge_attempt", {"unknown_reason": "mood"}),
    Forbidden("ck_evidence_said", "evidence", {"said": "perhaps"}),
    Forbidden("ck_evidence_source", "evidence", {"source": "rumour"}),
    # Numbers and spans.
    Forbidden("ck_invoice_amount_chargeable", "invoice", {"amount": 99}),
    Forbidden("ck_payment_amount_positive", "payment", {"amount": 0}),
    Forbidden("ck_payment_cancelled_within_amount", "payment", {"cancelled_amount": 9_901}),
    Forbidden("ck_payment_cancelled_within_amount", "payment", {"cancelled_amount": -1}),
    Forbidden("ck_subscription_ordinal_from_minus_one", "subscription", {"ordinal": -2}),
    Forbidden("ck_invoice_ordinal_from_zero", "invoice", {"ordinal": -1}),
    Forbidden("ck_invoice_counts_not_negative", "invoice", {"ladder_step": -1}),
    Forbidden("ck_invoice_counts_not_negative", "invoice", {"attempt_count": -1}),
    Forbidden("ck_charge_attempt_attempt_no_from_one", "charge_attempt", {"attempt_no": 0}),
    Forbidden("ck_send_send_no_from_one", "send", {"send_no": 0}),
    Forbidden("ck_invoice_period_is_a_span", "invoice", {"period_end": AT}),
    Forbidden("ck_skipped_period_a_span", "skipped_period", {"first_ordinal": -1}),
    Forbidden("ck_skipped_period_a_span", "skipped_period", {"first_ordinal": 5, "last_ordinal": 4}),
    Forbidden("ck_billing_clock_one_row", "billing_clock", {"id": 2}),
    Forbidden("ck_billing_clock_rate_not_negative", "billing_clock", {"rate": -1}),
    Forbidden("ck_installation_one_row", "installation", {"id": 2}),
    # Forms.
    Forbidden("ck_billing_key_customer_uid_length", "billing_key", {"customer_uid": ""}),
    Forbidden("ck_billing_key_customer_uid_length", "billing_key", {"customer_uid": "c" * 81}),
    Forbidden("ck_charge_attempt_merchant_uid_form", "charge_attempt", {"merchant_uid": "a" * 41}),
    Forbidden("ck_charge_attempt_merchant_uid_form", "charge_attempt", {"merchant_uid": "a_b"}),
    Forbidden("ck_charge_attempt_merchant_uid_form", "charge_attempt", {"merchant_uid": "ab\n"}),
    # What goes together.
    Forbidden("ck_channel_state_halt_has_a_reason", "channel_state", {"halted_at": AT}),
    Forbidden("ck_channel_state_halt_has_a_reason", "channel_state", {"halt_reason": "told"}),
    Forbidden("ck_subscription_billed_by_a_card", "subscription", {"billing_key_id": None}),
    Forbidden("ck_subscription_ended_bills_never", "subscription", {"state": "ended", "ended_reason": "cancelled"}),
    Forbidden("ck_subscription_ended_bills_never", "subscription", {"next_billing_at": None}),
    Forbidden("ck_subscription_ended_has_a_reason", "subscription", {"ended_reason": "cancelled"}),
    Forbidden("ck_subscription_ended_has_a_reason", "subscription", {"state": "ended", "next_billing_at": None}),
    Forbidden(
        "ck_subscription_requested_key_goes_with_the_change", "subscription", {"requested_change": "change_card"}
    ),
    Forbidden(
        "ck_subscription_requested_key_goes_with_the_change",
        "subscription",
        {"requested_change": "pause", "requested_key_id": KEY},
    ),
    Forbidden("ck_subscription_requested_key_goes_with_the_change", "subscription", {"requested_key_id": KEY}),
    *(
        Forbidden("ck_invoice_settled_is_never_attempted", "invoice", {"state": state})
        for state in ("paid", "void", "uncollectible")
    ),
    Forbidden("ck_charge_attempt_declined_has_a_code", "charge_attempt", {"state": "declined"}),
    Forbidden(
        "ck_charge_attempt_unknown_is_never_forgotten",
        "charge_attempt",
        {"state": "unknown", "invoice_id": OTHER_INVOICE},
    ),
    # Once and no more.
    Forbidden("uq_plan_price_plan_id_effective_from", "plan_price", {"effective_from": AT}),
    Forbidden("uq_customer_customer_ref", "customer", {"customer_ref": "c1"}),
    Forbidden("uq_billing_key_customer_uid_channel", "billing_key", {"customer_uid": "card-1"}),
    Forbidden("uq_subscription_customer_id_plan_id_started_on", "subscription", {"started_on": date(2026, 1, 31)}),
    Forbidden("uq_invoice_subscription_id_ordinal_purpose", "invoice", {"ordinal": 0}),
    Forbidden("uq_charge_attempt_invoice_id_attempt_no", "charge_attempt", {"attempt_no": 1}),
    Forbidden("uq_charge_attempt_merchant_uid", "charge_attempt", {"merchant_uid": "uid1"}),
    *(
        Forbidden("uq_charge_attempt_open", "charge_attempt", {"state": state, "next_look_up_at": AT})
        for state in ("in_flight", "unknown", "not_executed")
    ),
    Forbidden("uq_payment_imp_uid", "payment", {"imp_uid": "imp_1"}),
    Forbidden("uq_payment_counts", "payment", {"counts": True}),
    # What hangs on what.
    Forbidden("fk_billing_key_customer_id", "billing_key", {"customer_id": NOBODY}),
    Forbidden("fk_billing_key_channel", "billing_key", {"channel": "nobodys"}),
    Forbidden("fk_subscription_customer_id", "subscription", {"customer_id": NOBODY}),
    Forbidden("fk_subscription_plan_id", "subscription", {"plan_id": NOBODY}),
    Forbidden("fk_subscription_plan_price_id", "subscription", {"plan_price_id": NOBODY}),
    Forbidden("fk_subscription_billing_key_id", "subscription", {"billing_key_id": NOBODY}),
    Forbidden(
        "fk_subscription_requested_key_id",
        "subscription",
        {"requested_change": "change_card", "requested_key_id": NOBODY},
    ),
    Forbidden("fk_skipped_period_subscription_id", "skipped_period", {"subscription_id": NOBODY}),
    Forbidden("fk_invoice_subscription_id", "invoice", {"subscription_id": NOBODY}),
    Forbidden("fk_charge_attempt_invoice_id", "charge_attempt", {"invoice_id": NOBODY}),
    Forbidden("fk_send_attempt_id", "send", {"attempt_id": NOBODY}),
    Forbidden("fk_send_billing_key_id", "send", {"billing_key_id": NOBODY}),
    Forbidden("fk_payment_invoice_id", "payment", {"invoice_id": NOBODY}),
    Forbidden("fk_payment_channel", "payment", {"channel": "nobodys"}),
    Forbidden("fk_payment_attempt_id", "payment", {"attempt_id": NOBODY}),
    Forbidden("fk_evidence_attempt_id_send_no", "evidence", {"send_no": 2}),
    *(
        Forbidden(guard, table, values)
        for rows in (
            FORBIDDEN_FOREIGN,
            FORBIDDEN_REFUND,
            FORBIDDEN_BRAKE,
            FORBIDDEN_CONSENT,
            FORBIDDEN_FORECAST,
            FORBIDDEN_STOP,
            FORBIDDEN_TOLD,
            FORBIDDEN_PRICE,
            FORBIDDEN_PRORATION,
            (*FORBIDDEN_USAGE, *FORBIDDEN_PLAN),
        )
        for guard, table, values in rows
    ),
]
APPEND_ONLY = (
    "audit_entry", "consent", "credit_entry", "decline_rule", "evidence", "invoice_line", "notice",
    "payment_cancellation", "proration", "refund_evidence", "skipped_period",
)  # fmt: skip
ONE_ROW = ("billing_clock", "installation")  # which stands already


@pytest.fixture(scope="module")
def furnished_url(server_urls: ServerUrls) -> Iterator[str]:
    with fresh_database(server_urls.database_url) as url:
        with psycopg.connect(url) as connection:
            furnish(connection)
        yield url


@pytest.fixture
def connection(furnished_url: str) -> Iterator[psycopg.Connection]:
    """Whatever a test does here is rolled back."""
    with psycopg.connect(furnished_url) as opened:
        yield opened
        opened.rollback()


def drop_guard(connection: psycopg.Connection, forbidden: Forbidden) -> None:
    """Until the test's transaction is rolled back. A unique index without a constraint is dropped as such."""
    guard, table = sql.Identifier(forbidden.guard), sql.Identifier(forbidden.table)
    if connection.execute("SELECT FROM pg_constraint WHERE conname = %s", (forbidden.guard,)).rowcount:
        connection.execute(sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(table, guard))
    else:
        connection.execute(sql.SQL("DROP INDEX {}").format(guard))


@pytest.mark.parametrize("forbidden", FORBIDDEN, ids=lambda forbidden: f"{forbidden.guard}-{list(forbidden.values)}")
def test_a_forbidden_row_is_refused_by_its_guard_alone(connection: psycopg.Connection, forbidden: Forbidden) -> None:
    forbidden_row = row(forbidden.table) | forbidden.values
    if forbidden.table in ONE_ROW:
        connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(forbidden.table)))

    with pytest.raises(psycopg.IntegrityError) as refused, connection.transaction():
        insert(connection, forbidden.table, forbidden_row)
    assert refused.value.diag.constraint_name == forbidden.guard

    drop_guard(connection, forbidden)
    insert(connection, forbidden.table, forbidden_row)


@pytest.mark.parametrize("table", sorted({forbidden.table for forbidden in FORBIDDEN}))
def test_the_same_row_without_the_forbidden_value_is_taken(connection: psycopg.Connection, table: str) -> None:
    if table in ONE_ROW:
        connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))

    insert(connection, table, row(table))


def test_every_guard_of_the_tables_has_its_forbidden_row() -> None:
    guards = {
        str(constraint.name)
        for table in Base.metadata.tables.values()
        for constraint in table.constraints
        if isinstance(constraint, CheckConstraint | UniqueConstraint | ForeignKeyConstraint)
    } | {str(index.name) for table in Base.metadata.tables.values() for index in table.indexes if index.unique}

    assert {forbidden.guard for forbidden in FORBIDDEN} == guards


@pytest.mark.parametrize("state", ["approved", "declined", "abandoned"])
def test_a_new_number_may_follow_an_attempt_that_has_ended(connection: psycopg.Connection, state: str) -> None:
    connection.execute(
        "UPDATE charge_attempt SET state = %s, decline_code = 'issuer_failure' WHERE id = %s", (state, ATTEMPT)
    )

    insert(connection, "charge_attempt", row("charge_attempt") | {"state": "in_flight"})


def test_money_beside_the_payment_that_counts_can_always_be_written_down(connection: psycopg.Connection) -> None:
    for _ in range(3):
        insert(connection, "payment", row("payment") | {"counts": False})


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("statement", ["UPDATE {} SET {} = {}", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
def test_what_was_written_down_is_never_rewritten(connection: psycopg.Connection, table: str, statement: str) -> None:
    column = sql.Identifier(next(iter(row(table))))

    with pytest.raises(psycopg.errors.CheckViolation) as refused:
        connection.execute(sql.SQL(statement).format(sql.Identifier(table), column, column))

    assert refused.value.diag.constraint_name == f"{table}_is_append_only"


def test_every_trigger_is_one_that_is_tried_here(connection: psycopg.Connection) -> None:
    triggers = {
        name for (name,) in connection.execute("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal").fetchall()
    }

    assert triggers == {
        "billing_clock_is_monotone",
        "billing_key_has_one_channel",
        "invoice_line_adds_up",
        "refund_within_payment",
        *(f"{table}_is_append_only" for table in APPEND_ONLY),
        *(f"{table}_is_never_emptied" for table in APPEND_ONLY),
    }


def test_a_card_stays_with_its_channel(connection: psycopg.Connection) -> None:
    insert(connection, "channel_state", row("channel_state") | {"name": "other"})

    with pytest.raises(psycopg.errors.CheckViolation) as refused, connection.transaction():
        connection.execute("UPDATE billing_key SET channel = 'other' WHERE id = %s", (KEY,))

    assert refused.value.diag.constraint_name == "billing_key_has_one_channel"


@pytest.mark.parametrize(
    "lines",
    [
        [{"quantity": 2, "amount": 19_800}],
        [{"tax_free": 1}],
        [{"vat_amount": 900}],
        [{"line_no": 2}],
        [{"unit_amount": 4_950, "amount": 4_950, "line_no": 1}, {"unit_amount": 4_949, "amount": 4_949, "line_no": 2}],
        [{"unit_amount": 4_950, "amount": 4_950, "line_no": 1}],
        [{"invoice_id": INVOICE, "line_no": 2}],  # which has its own already
    ],
    ids=str,
)
def test_lines_that_are_not_their_invoice_are_refused(
    connection: psycopg.Connection, lines: list[dict[str, Any]]
) -> None:
    rows = [row("invoice_line") | values for values in lines]

    with pytest.raises(psycopg.errors.CheckViolation) as refused:
        _insert_at_once(connection, rows)

    assert refused.value.diag.constraint_name == "invoice_line_adds_up"


def test_lines_that_are_their_invoice_are_taken_once(connection: psycopg.Connection) -> None:
    halves = [{"unit_amount": 4_950, "amount": 4_950, "line_no": line_no} for line_no in (1, 2)]

    _insert_at_once(connection, [row("invoice_line") | half for half in halves])

    with pytest.raises(psycopg.errors.UniqueViolation):
        insert(connection, "invoice_line", row("invoice_line"))


def _insert_at_once(connection: psycopg.Connection, rows: list[dict[str, Any]]) -> None:
    names = sql.SQL(", ").join(map(sql.Identifier, rows[0]))
    places = sql.SQL("({})").format(sql.SQL(", ").join(sql.Placeholder() for _ in rows[0]))
    statement = sql.SQL("INSERT INTO invoice_line ({}) VALUES {}").format(
        names, sql.SQL(", ").join(places for _ in rows)
    )
    connection.execute(statement, [value for each in rows for value in each.values()])


@pytest.mark.parametrize("values", BEYOND_PAYMENT, ids=str)
def test_a_refund_stays_within_what_is_left_of_its_payment(
    connection: psycopg.Connection, values: dict[str, Any]
) -> None:
    with pytest.raises(psycopg.errors.CheckViolation) as refused:
        insert(connection, "refund", row("refund") | values)

    assert refused.value.diag.constraint_name == "refund_within_payment"


def test_a_refund_stays_within_its_payment_when_it_is_rewritten(connection: psycopg.Connection) -> None:
    ended = row("refund") | {"payment_id": PAYMENT, "amount": 9_801, "state": "refused", "next_at": None}
    insert(connection, "refund", ended)  # what was refused is left over

    for statement, refund_id in (
        ("UPDATE refund SET amount = checksum + 1, checksum = checksum + 1 WHERE id = %s", REFUND),
        ("UPDATE refund SET state = 'requested' WHERE id = %s", ended["id"]),
    ):
        with pytest.raises(psycopg.errors.CheckViolation) as refused, connection.transaction():
            connection.execute(statement, (refund_id,))
        assert refused.value.diag.constraint_name == "refund_within_payment"

    connection.execute("UPDATE refund SET amount = 9900, checksum = 9900 WHERE id = %s", (REFUND,))


def test_an_open_refund_makes_others_of_its_payment_wait(connection: psycopg.Connection, furnished_url: str) -> None:
    insert(connection, "refund", row("refund") | {"payment_id": PAYMENT})

    with psycopg.connect(furnished_url) as other, pytest.raises(psycopg.errors.LockNotAvailable):
        other.execute("SELECT FROM payment WHERE id = %s FOR NO KEY UPDATE NOWAIT", (PAYMENT,))


def test_billing_time_never_goes_back(connection: psycopg.Connection) -> None:
    connection.execute("UPDATE billing_clock SET last_seen = (SELECT billing_at FROM billing_now())")

    for backwards in (
        "last_seen = last_seen - interval '1 second'",
        "origin = origin - interval '1 hour'",
        "anchor = anchor + interval '1 hour'",
        "rate = 0",
    ):
        with pytest.raises(psycopg.errors.CheckViolation) as refused, connection.transaction():
            connection.execute(sql.SQL("UPDATE billing_clock SET {}").format(sql.SQL(backwards)))
        assert refused.value.diag.constraint_name == "billing_clock_is_monotone"


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("plan", PLAN),
        ("customer", CUSTOMER),
        ("billing_key", KEY),
        ("subscription", SUBSCRIPTION),
        ("invoice", INVOICE),
    ],
)
def test_what_others_hang_on_cannot_be_deleted(connection: psycopg.Connection, table: str, key: UUID) -> None:
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        connection.execute(sql.SQL("DELETE FROM {} WHERE id = %s").format(sql.Identifier(table)), (key,))


def test_a_period_may_not_end_before_it_starts(connection: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        insert(connection, "invoice", row("invoice") | {"period_end": AT - timedelta(days=1)})
