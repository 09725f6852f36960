"""Which tables does the ledger have, and what of them is shown?"""

SCHEMA = """
CREATE TABLE IF NOT EXISTS payment (
    seq INTEGER PRIMARY KEY,
    imp_uid TEXT NOT NULL UNIQUE,
    merchant_uid TEXT NOT NULL,
    customer_uid TEXT NOT NULL,
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
    imp_uid TEXT NOT NULL REFERENCES payment (imp_uid),
    amount INTEGER NOT NULL CHECK (amount > 0),
    reason TEXT NOT NULL,
    cancelled_at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS cancellation_imp_uid ON cancellation (imp_uid);
CREATE TABLE IF NOT EXISTS customer (
    customer_uid TEXT PRIMARY KEY,
    card_code TEXT NOT NULL,
    card_name TEXT NOT NULL,
    card_number TEXT NOT NULL,
    inserted_at REAL NOT NULL,
    updated_at REAL NOT NULL,
    deleted_at REAL,
    details TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS request (
    id INTEGER PRIMARY KEY,
    received_at REAL NOT NULL,
    decided_at REAL,
    token_digest TEXT NOT NULL,
    merchant_uid TEXT,
    customer_uid TEXT,
    amount INTEGER,
    done TEXT NOT NULL,
    fault TEXT,
    had_turn INTEGER NOT NULL DEFAULT 0,
    imp_uid TEXT
);
CREATE INDEX IF NOT EXISTS request_merchant_uid ON request (merchant_uid);
CREATE INDEX IF NOT EXISTS request_customer_uid ON request (customer_uid);
CREATE TABLE IF NOT EXISTS token (imp_key TEXT PRIMARY KEY, access_token TEXT NOT NULL, expires_at REAL NOT NULL);
"""

# Only what a test asks about; the same list is printed by the command line and served by the control port.
PAYMENT_COLUMNS = (
    "imp_uid, merchant_uid, customer_uid, amount, cancel_amount, status, started_at, paid_at, failed_at, cancelled_at,"
    " fail_reason, fault, token_digest, request_id"
)
REQUEST_COLUMNS = (
    "id, received_at, decided_at, token_digest, merchant_uid, customer_uid, amount, done, fault, had_turn, imp_uid"
)

PAYMENT_VALUES = (
    "imp_uid, merchant_uid, customer_uid, amount, status, started_at, paid_at, failed_at, status_at, updated_at,"
    " visible_at, turns_at, turns_to, fail_reason, pg_tid, apply_num, fault, token_digest, request_id, details"
)
INSERT_PAYMENT = (
    f"INSERT INTO payment ({PAYMENT_VALUES})"  # noqa: S608 - constants of this file
    f" VALUES ({', '.join(':' + name.strip() for name in PAYMENT_VALUES.split(','))})"
)
