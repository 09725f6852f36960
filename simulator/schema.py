"""Which tables does the ledger have, and what of them is shown?"""

import sqlite3

SCHEMA = """
CREATE TABLE IF NOT EXISTS payment (
    seq INTEGER PRIMARY KEY,
    imp_uid TEXT NOT NULL UNIQUE,
    account TEXT NOT NULL DEFAULT '',
    merchant_uid TEXT NOT NULL,
    customer_uid TEXT NOT NULL,
    via TEXT NOT NULL DEFAULT 'again',
    pg_provider TEXT NOT NULL DEFAULT 'html5_inicis',
    pg_id TEXT NOT NULL DEFAULT 'INIBillTst',
    sandbox INTEGER NOT NULL DEFAULT 1,
    amount INTEGER NOT NULL CHECK (amount > 0),
    cancel_amount INTEGER NOT NULL DEFAULT 0 CHECK (cancel_amount BETWEEN 0 AND amount),
    status TEXT NOT NULL CHECK (status IN ('ready', 'paid', 'cancelled', 'failed')),
    started_at REAL NOT NULL,
    paid_at REAL NOT NULL DEFAULT 0,
    failed_at REAL NOT NULL DEFAULT 0,
    cancelled_at REAL NOT NULL DEFAULT 0,
    status_at REAL NOT NULL,
    updated_at REAL NOT NULL,
    visible_at REAL NOT NULL DEFAULT 0,
    turns_at REAL,
    turns_to TEXT CHECK (turns_to IN ('paid', 'failed')),
    fail_reason TEXT,
    pg_tid TEXT NOT NULL,
    apply_num TEXT NOT NULL,
    fault TEXT,
    token_digest TEXT NOT NULL,
    request_id INTEGER NOT NULL,
    details TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS payment_merchant_uid ON payment (merchant_uid);
CREATE INDEX IF NOT EXISTS payment_customer_uid ON payment (customer_uid);
CREATE INDEX IF NOT EXISTS payment_status_at ON payment (status_at);
CREATE INDEX IF NOT EXISTS payment_turns_at ON payment (turns_at) WHERE turns_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS cancellation (
    cancellation_id TEXT PRIMARY KEY,
    imp_uid TEXT NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0),
    tax_free INTEGER NOT NULL DEFAULT 0,
    vat_amount INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL,
    cancelled_at REAL NOT NULL,
    request_id INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS cancellation_imp_uid ON cancellation (imp_uid);
CREATE TABLE IF NOT EXISTS cancel_request (
    id INTEGER PRIMARY KEY,
    received_at REAL NOT NULL,
    decided_at REAL,
    token_digest TEXT NOT NULL,
    imp_uid TEXT,
    merchant_uid TEXT,
    customer_uid TEXT,
    amount INTEGER,
    checksum INTEGER,
    done TEXT NOT NULL,
    fault TEXT,
    had_turn INTEGER NOT NULL DEFAULT 0,
    cancellation_id TEXT
);
CREATE INDEX IF NOT EXISTS cancel_request_customer_uid ON cancel_request (customer_uid);
CREATE INDEX IF NOT EXISTS cancel_request_merchant_uid ON cancel_request (merchant_uid);
CREATE TABLE IF NOT EXISTS schedule (
    seq INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    customer_uid TEXT NOT NULL,
    merchant_uid TEXT NOT NULL,
    pg_provider TEXT NOT NULL,
    pg_id TEXT NOT NULL,
    imp_uid TEXT,
    amount INTEGER NOT NULL CHECK (amount > 0),
    status TEXT NOT NULL CHECK (status IN ('scheduled', 'executed', 'revoked')),
    schedule_at REAL NOT NULL,
    executed_at REAL NOT NULL DEFAULT 0,
    revoked_at REAL NOT NULL DEFAULT 0,
    details TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS schedule_merchant_uid ON schedule (merchant_uid);
CREATE INDEX IF NOT EXISTS schedule_customer_uid ON schedule (customer_uid);
CREATE INDEX IF NOT EXISTS schedule_at ON schedule (schedule_at);
CREATE INDEX IF NOT EXISTS schedule_due ON schedule (schedule_at) WHERE status = 'scheduled';
CREATE TABLE IF NOT EXISTS prepared (
    account TEXT NOT NULL,
    merchant_uid TEXT NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0),
    PRIMARY KEY (account, merchant_uid)
);
CREATE TABLE IF NOT EXISTS customer (
    account TEXT NOT NULL DEFAULT '',
    customer_uid TEXT NOT NULL,
    pg_provider TEXT NOT NULL DEFAULT 'html5_inicis',
    pg_id TEXT NOT NULL DEFAULT 'INIBillTst',
    sandbox INTEGER NOT NULL DEFAULT 1,
    card_code TEXT NOT NULL,
    card_name TEXT NOT NULL,
    card_number TEXT NOT NULL,
    inserted_at REAL NOT NULL,
    updated_at REAL NOT NULL,
    deleted_at REAL,
    details TEXT NOT NULL,
    PRIMARY KEY (account, customer_uid)
);
CREATE TABLE IF NOT EXISTS request (
    id INTEGER PRIMARY KEY,
    received_at REAL NOT NULL,
    decided_at REAL,
    token_digest TEXT NOT NULL,
    merchant_uid TEXT,
    customer_uid TEXT,
    amount INTEGER,
    via TEXT NOT NULL DEFAULT 'again',
    done TEXT NOT NULL,
    fault TEXT,
    had_turn INTEGER NOT NULL DEFAULT 0,
    imp_uid TEXT
);
CREATE INDEX IF NOT EXISTS request_merchant_uid ON request (merchant_uid);
CREATE INDEX IF NOT EXISTS request_customer_uid ON request (customer_uid);
CREATE TABLE IF NOT EXISTS token (imp_key TEXT PRIMARY KEY, access_token TEXT NOT NULL, expires_at REAL NOT NULL);
"""

# Only what a test asks about; the same lists are printed by the command line and served by the control port.
SHOWN = {
    "payment": (
        "imp_uid, merchant_uid, customer_uid, amount, cancel_amount, status, started_at, paid_at, failed_at,"
        " cancelled_at, fail_reason, fault, token_digest, request_id, account, via, pg_id, sandbox"
    ),
    "request": (
        "id, received_at, decided_at, token_digest, merchant_uid, customer_uid, amount, done, fault, had_turn, imp_uid,"
        " via"
    ),
    "cancellation": (
        "cancellation_id, imp_uid, amount, tax_free, vat_amount, reason, cancelled_at, request_id,"
        " (SELECT merchant_uid FROM payment WHERE payment.imp_uid = cancellation.imp_uid) AS merchant_uid,"
        " (SELECT customer_uid FROM payment WHERE payment.imp_uid = cancellation.imp_uid) AS customer_uid"
    ),
    "cancel_request": (
        "id, received_at, decided_at, token_digest, imp_uid, merchant_uid, customer_uid, amount, checksum, done, fault,"
        " had_turn, cancellation_id"
    ),
    "schedule": (
        "seq, merchant_uid, customer_uid, imp_uid, amount, status, schedule_at, executed_at, revoked_at, account, pg_id"
    ),
}

PAYMENT_VALUES = (
    "imp_uid, account, merchant_uid, customer_uid, via, pg_provider, pg_id, sandbox, amount, status, started_at,"
    " paid_at, failed_at, status_at, updated_at, visible_at, turns_at, turns_to, fail_reason, pg_tid, apply_num, fault,"
    " token_digest, request_id, details"
)
INSERT_PAYMENT = (
    f"INSERT INTO payment ({PAYMENT_VALUES})"  # noqa: S608 - constants of this file
    f" VALUES ({', '.join(':' + name.strip() for name in PAYMENT_VALUES.split(','))})"
)


def bring_up_to_date(db: sqlite3.Connection) -> None:
    """Make the tables; those of an older simulator are made anew with what they held."""
    fresh = sqlite3.connect(":memory:")
    fresh.executescript(SCHEMA)
    old: dict[str, list[str]] = {}
    for (table,) in fresh.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        had, has = _columns(db, table), _columns(fresh, table)
        if had and had != has:
            names = {name for name, _ in has}
            old[table] = [name for name, _ in had if name in names]
    fresh.close()
    db.execute("PRAGMA legacy_alter_table = ON")
    db.execute("BEGIN IMMEDIATE")
    for table in old:
        db.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
    for statement in SCHEMA.split(";"):
        db.execute(statement)
    for table, kept in old.items():
        listed = ", ".join(kept)
        db.execute(f"INSERT INTO {table} ({listed}) SELECT {listed} FROM old_{table}")  # noqa: S608 - the schema's names
        db.execute(f"DROP TABLE old_{table}")
    # The indexes of a renamed table kept their names until it was dropped.
    for statement in SCHEMA.split(";"):
        db.execute(statement)
    db.execute("COMMIT")


def _columns(db: sqlite3.Connection, table: str) -> list[tuple[str, str]]:
    """Return the name of every column, and what it is: type, whether it may be null, its place in the key."""
    return [(row[1], f"{row[2]} {row[3]} {row[5]}") for row in db.execute(f"PRAGMA table_info({table})").fetchall()]
