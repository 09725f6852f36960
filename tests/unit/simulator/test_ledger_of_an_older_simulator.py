import sqlite3
from pathlib import Path

from simulator.ledger import Ledger, read_rows

OLDER = """
CREATE TABLE payment (
    seq INTEGER PRIMARY KEY, imp_uid TEXT NOT NULL UNIQUE, merchant_uid TEXT NOT NULL, customer_uid TEXT NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0), cancel_amount INTEGER NOT NULL DEFAULT 0, status TEXT NOT NULL,
    started_at REAL NOT NULL, paid_at REAL NOT NULL DEFAULT 0, failed_at REAL NOT NULL DEFAULT 0,
    cancelled_at REAL NOT NULL DEFAULT 0, status_at REAL NOT NULL, updated_at REAL NOT NULL,
    visible_at REAL NOT NULL DEFAULT 0, turns_at REAL, turns_to TEXT, fail_reason TEXT, pg_tid TEXT NOT NULL,
    apply_num TEXT NOT NULL, fault TEXT, token_digest TEXT NOT NULL, request_id INTEGER NOT NULL, details TEXT NOT NULL
);
CREATE INDEX payment_merchant_uid ON payment (merchant_uid);
CREATE TABLE customer (
    customer_uid TEXT PRIMARY KEY, card_code TEXT NOT NULL, card_name TEXT NOT NULL, card_number TEXT NOT NULL,
    inserted_at REAL NOT NULL, updated_at REAL NOT NULL, deleted_at REAL, details TEXT NOT NULL
);
INSERT INTO payment (imp_uid, merchant_uid, customer_uid, amount, status, started_at, status_at, updated_at, pg_tid,
    apply_num, token_digest, request_id, details)
    VALUES ('imps_1', 'order', 'card', 9900, 'paid', 1, 1, 1, 't', 'a', 'd', 1, '{}');
INSERT INTO customer VALUES ('card', '361', 'BC카드', '433012******1234', 1, 1, NULL, '{}');
"""


def test_it_is_continued_with_all_that_it_held(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    older = sqlite3.connect(path)
    older.executescript(OLDER)
    older.close()

    for _ in range(2):
        ledger = Ledger(path)
        ledger.close()

    (payment,) = read_rows(path, table="payment")
    assert (payment["imp_uid"], payment["amount"], payment["account"], payment["sandbox"]) == ("imps_1", 9900, "", 1)
    ledger = Ledger(path)
    customer = ledger.customer("", "card")
    assert customer is not None
    assert customer["pg_id"] == "INIBillTst"
    names = {row[0] for row in ledger.rows("SELECT name FROM sqlite_master")}
    assert "payment_merchant_uid" in names
    assert not [name for name in names if name.startswith("old_")]
    ledger.close()
