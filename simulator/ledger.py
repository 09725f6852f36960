"""What was really charged? The ledger: one SQLite file that outlives a killed process, and the oracle of every test.

One connection on the event loop's thread. All writes of one turn of the loop share one commit; an answer leaves only
after ``durable`` returned, so nobody was ever told of a payment that a SIGKILL could still take back (the journal is a
WAL: what is committed is with the operating system; a power cut may take the last moments, a killed process none).
"""

import asyncio
import json
import secrets
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from simulator.accounts import Mid
from simulator.cards import Card
from simulator.schema import INSERT_PAYMENT, SHOWN, bring_up_to_date


class Done(StrEnum):
    """What became of one request to charge or to cancel."""

    RECEIVED = "received"
    HELD = "held"
    ABANDONED = "abandoned"  # held until the simulator stopped
    UNAUTHORIZED = "unauthorized"
    INVALID = "invalid"
    UNKNOWN_CUSTOMER = "unknown_customer"
    DUPLICATE = "duplicate"
    NOT_CHARGED = "not_charged"  # a fault came before the charge
    STORED = "stored"  # a card was stored, nothing was to be charged
    CHARGED = "charged"
    DECLINED = "declined"
    READY = "ready"
    CANCELLED = "cancelled"
    REFUSED = "refused"  # a cancellation that must not be
    NOT_DONE = "not_done"  # a fault came before the cancellation


class Via(StrEnum):
    """Which way a charge came."""

    AGAIN = "again"
    ONETIME = "onetime"
    SCHEDULE = "schedule"
    SCHEDULE_AGAIN = "schedule_again"
    CHECKING = "checking"  # of a card that is to be scheduled; cancelled at once


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPayment:
    """A record to be written; instants are unix seconds, money is won."""

    account: str
    mid: Mid
    via: Via
    merchant_uid: str
    customer_uid: str
    amount: int
    status: str
    started_at: float
    now: float
    token_digest: str
    request_id: int
    details: Mapping[str, object]
    fault: str | None = None
    fail_reason: str | None = None
    visible_at: float = 0.0
    turns_at: float | None = None
    turns_to: str | None = None


_FILTERS = ("merchant_uid", "customer_uid", "imp_uid")


def mid_of(row: sqlite3.Row) -> Mid:
    """Return the MID of a payment, a card or a schedule."""
    return Mid(pg_provider=row["pg_provider"], pg_id=row["pg_id"], is_sandbox=bool(row["sandbox"]))


def open_database(path: Path, *, is_read_only: bool = False) -> sqlite3.Connection:
    """Open the ledger's file; a reader never waits for the writer nor stops it."""
    uri = f"{path.resolve().as_uri()}?mode={'ro' if is_read_only else 'rwc'}"
    db = sqlite3.connect(uri, uri=True, isolation_level=None)
    db.row_factory = sqlite3.Row
    db.execute("PRAGMA busy_timeout = 5000")
    return db


def read_rows(path: Path, *, table: str, where: Mapping[str, str] | None = None) -> Iterator[dict[str, Any]]:
    """Yield what is shown of one table in the order of its writing, from one snapshot."""
    wanted = {name: value for name, value in (where or {}).items() if name in _FILTERS}
    condition = " AND ".join(["1 = 1", *(f"{name} = :{name}" for name in wanted)])
    db = open_database(path, is_read_only=True)
    try:
        shown = f"SELECT {SHOWN[table]}, rowid AS written FROM {table}"  # noqa: S608 - constants
        sql = f"SELECT * FROM ({shown}) WHERE {condition} ORDER BY written"  # noqa: S608 - constants
        for row in db.execute(sql, wanted):
            yield {name: row[name] for name in row.keys() if name != "written"}  # noqa: SIM118 - a Row is no dict
    finally:
        db.close()


class Ledger:
    """Writes and reads of the one file; every instant is a unix time given by the caller."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = open_database(path)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        bring_up_to_date(self._db)
        #: Payments that turned paid or failed by themselves and were not announced yet.
        self.turned: list[str] = []
        self._is_open = False
        self._waiting: list[asyncio.Future[None]] = []
        self._next_turn: float | None = self.scalar("SELECT min(turns_at) FROM payment")

    def close(self) -> None:
        """Commit what is open and give the file back."""
        self.commit()
        self._db.close()

    # -- commits

    def write(self, sql: str, values: Mapping[str, object] | Sequence[object] = ()) -> sqlite3.Cursor:
        """Change something; it is committed with all else of this turn of the loop."""
        if not self._is_open:
            self._db.execute("BEGIN IMMEDIATE")
            self._is_open = True
        return self._db.execute(sql, values)

    def commit(self) -> None:
        """Commit all that was written and wake those who wait for it."""
        waiting, self._waiting = self._waiting, []
        try:
            if self._is_open:
                self._db.execute("COMMIT")
                self._is_open = False
        except sqlite3.Error as trouble:
            for future in waiting:
                if not future.done():
                    future.set_exception(trouble)
            raise
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def durable(self) -> None:
        """Return once all that was written so far is committed, together with the others of this turn of the loop."""
        if not self._is_open:
            return
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self.commit)
        future = loop.create_future()
        self._waiting.append(future)
        await future

    # -- reads

    def rows(self, sql: str, values: Mapping[str, object] | Sequence[object] = ()) -> list[sqlite3.Row]:
        """Return all rows of a query."""
        return self._db.execute(sql, values).fetchall()

    def scalar(self, sql: str, values: Mapping[str, object] | Sequence[object] = ()) -> Any:  # noqa: ANN401 - SQLite's
        """Return the first column of the first row, or None."""
        row = self._db.execute(sql, values).fetchone()
        return None if row is None else row[0]

    def let_turn(self, now: float) -> None:
        """Let the records turn paid or failed whose time has come."""
        if self._next_turn is not None and self._next_turn <= now:
            turned = self.write(
                "UPDATE payment SET status = turns_to, status_at = turns_at, updated_at = turns_at,"
                " paid_at = CASE turns_to WHEN 'paid' THEN turns_at ELSE paid_at END,"
                " failed_at = CASE turns_to WHEN 'failed' THEN turns_at ELSE failed_at END,"
                " turns_at = NULL, turns_to = NULL WHERE turns_at <= ? RETURNING imp_uid",
                (now,),
            )
            self.turned.extend(row["imp_uid"] for row in turned.fetchall())
            self._next_turn = self.scalar("SELECT min(turns_at) FROM payment")

    def settle(self, now: float) -> None:
        """Bring the file up to date before a look-up: what it tells may not be taken back by a SIGKILL."""
        self.let_turn(now)
        if self._is_open:
            self.commit()

    # -- requests

    def record_request(
        self,
        *,
        received_at: float,
        token_digest: str,
        merchant_uid: str | None,
        customer_uid: str | None,
        amount: int | None,
        via: Via = Via.AGAIN,
    ) -> int:
        """Write down that a charge was asked for; return the request's id."""
        cursor = self.write(
            "INSERT INTO request (received_at, token_digest, merchant_uid, customer_uid, amount, via, done)"
            " VALUES (?, ?, ?, ?, ?, ?, 'received')",
            (received_at, token_digest, merchant_uid, customer_uid, amount, via),
        )
        return int(cursor.lastrowid or 0)

    def conclude_request(
        self, request_id: int, done: Done, *, now: float, fault: str | None = None, imp_uid: str | None = None
    ) -> None:
        """Write down what became of a request."""
        self.write(
            "UPDATE request SET done = ?, decided_at = ?, fault = coalesce(?, fault), imp_uid = ? WHERE id = ?",
            (done, None if done is Done.HELD else now, fault, imp_uid, request_id),
        )

    def take_turn(self, request_id: int, fault: str | None, *, customer_uid: str, amount: int) -> None:
        """Write down that a request had its turn at the faults, and what it turned out to be about."""
        self.write(
            "UPDATE request SET had_turn = 1, fault = ?, customer_uid = coalesce(customer_uid, nullif(?, '')),"
            " amount = coalesce(amount, ?) WHERE id = ?",
            (fault, customer_uid, amount, request_id),
        )

    def turns(self, column: str, value: str) -> int:
        """Count the requests of a ``customer_uid`` or ``merchant_uid`` that had their turn."""
        sql = f"SELECT count(*) FROM request WHERE {column} = ? AND had_turn = 1"  # noqa: S608 - a constant
        return int(self.scalar(sql, (value,)))

    # -- payments

    def statuses(self, account: str, merchant_uid: str) -> set[str]:
        """Return the statuses of an account's records with this merchant_uid."""
        sql = "SELECT status FROM payment WHERE merchant_uid = ? AND account = ?"
        return {row["status"] for row in self.rows(sql, (merchant_uid, account))}

    def payment(self, imp_uid: str) -> sqlite3.Row | None:
        """Find one payment."""
        rows = self.rows("SELECT * FROM payment WHERE imp_uid = ?", (imp_uid,))
        return rows[0] if rows else None

    def add_payment(self, new: NewPayment) -> str:
        """Write a payment; return its imp_uid (``imps_`` and twelve digits, as charges of billing keys have)."""
        imp_uid = f"imps_{secrets.randbelow(10**12):012d}"
        while self.payment(imp_uid) is not None:
            imp_uid = f"imps_{secrets.randbelow(10**12):012d}"
        stamp = datetime.fromtimestamp(new.now, UTC).strftime("%Y%m%d%H%M%S")
        values: dict[str, object] = {
            "imp_uid": imp_uid,
            "account": new.account,
            "merchant_uid": new.merchant_uid,
            "customer_uid": new.customer_uid,
            "via": new.via,
            "pg_provider": new.mid.pg_provider,
            "pg_id": new.mid.pg_id,
            "sandbox": new.mid.is_sandbox,
            "amount": new.amount,
            "status": new.status,
            "started_at": new.started_at,
            "paid_at": new.now if new.status == "paid" else 0,
            "failed_at": new.now if new.status == "failed" else 0,
            "status_at": new.started_at if new.status == "ready" else new.now,
            "updated_at": new.now,
            "visible_at": new.visible_at,
            "turns_at": new.turns_at,
            "turns_to": new.turns_to,
            "fail_reason": new.fail_reason,
            "pg_tid": f"INIBillCARD{new.mid.pg_id[:20]}{stamp}{imp_uid[-6:]}",
            "apply_num": imp_uid[-8:],
            "fault": new.fault,
            "token_digest": new.token_digest,
            "request_id": new.request_id,
            "details": json.dumps(new.details, ensure_ascii=False),
        }
        self.write(INSERT_PAYMENT, values)
        if new.turns_at is not None:
            self._next_turn = min(new.turns_at, self._next_turn or new.turns_at)
        return imp_uid

    def cancellations(self, imp_uid: str) -> list[sqlite3.Row]:
        """Return a payment's cancellations, oldest first."""
        return self.rows("SELECT * FROM cancellation WHERE imp_uid = ? ORDER BY rowid", (imp_uid,))

    # -- customers

    def customer(self, account: str, customer_uid: str) -> sqlite3.Row | None:
        """Find a card, deleted ones included."""
        sql = "SELECT * FROM customer WHERE account = ? AND customer_uid = ?"
        rows = self.rows(sql, (account, customer_uid))
        return rows[0] if rows else None

    def issue_customer(
        self, account: str, customer_uid: str, *, mid: Mid, card: Card, now: float, details: Mapping[str, object]
    ) -> None:
        """Issue a billing key, in the place of the card that had the uid."""
        self.write(
            "INSERT INTO customer (account, customer_uid, pg_provider, pg_id, sandbox, card_code, card_name,"
            " card_number, inserted_at, updated_at, details) VALUES (:account, :uid, :pg_provider, :pg_id, :sandbox,"
            " :code, :name, :number, :now, :now, :details) ON CONFLICT (account, customer_uid) DO UPDATE SET"
            " pg_provider = :pg_provider, pg_id = :pg_id, sandbox = :sandbox, card_code = :code, card_name = :name,"
            " card_number = :number, updated_at = :now, details = :details,"
            " inserted_at = CASE WHEN deleted_at IS NULL THEN inserted_at ELSE :now END, deleted_at = NULL",
            {
                "account": account,
                "uid": customer_uid,
                "pg_provider": mid.pg_provider,
                "pg_id": mid.pg_id,
                "sandbox": mid.is_sandbox,
                "code": card.card_code,
                "name": card.card_name,
                "number": card.card_number,
                "now": now,
                "details": json.dumps(details, ensure_ascii=False),
            },
        )

    def delete_customer(self, account: str, customer_uid: str, *, now: float) -> None:
        """Revoke a billing key; its payments stay."""
        self.write(
            "UPDATE customer SET deleted_at = ?, updated_at = ? WHERE account = ? AND customer_uid = ?",
            (now, now, account, customer_uid),
        )

    # -- tokens, and starting over

    def stored_tokens(self) -> list[tuple[str, str, float]]:
        """Return (imp_key, access token, unix time of expiry) of every token kept."""
        return [tuple(row) for row in self.rows("SELECT imp_key, access_token, expires_at FROM token")]

    def store_token(self, *, imp_key: str, access_token: str, expires_at: float) -> None:
        """Keep a key's one token, in the place of the one before."""
        self.write("INSERT OR REPLACE INTO token VALUES (?, ?, ?)", (imp_key, access_token, expires_at))

    def forget_tokens(self) -> None:
        """Drop every token kept."""
        self.write("DELETE FROM token")

    def clear(self) -> None:
        """Forget all that happened; tokens stay."""
        for table in (*SHOWN, "customer", "prepared"):
            self.write(f"DELETE FROM {table}")  # noqa: S608 - constants
        self._next_turn = None
        self.turned.clear()
        self.commit()
