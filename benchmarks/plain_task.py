"""What ours is measured against: one Celery task a charge, with the same bookkeeping in the same tables.

As fast as it can be made without batches: one statement and one commit before the call, one of each after it, through
a connection to PostgreSQL and a kept-alive ``http.client`` connection of every slot's own. Early acknowledgement, no
results, no events, no rate limits. It has none of the rest: no lease, no rate of the channel, no resolver, no halt.
"""

from __future__ import annotations

import http.client
import json
import os
import threading
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

import psycopg
from celery import Celery

from domain.identity import merchant_uid
from domain.invoice import Purpose
from models.ids import new_id

QUEUE: Final = "plain"
TASK: Final = "plain.charge"
NAMESPACE: Final = "bench"

#: Lock and check what is due, write down what will be asked, and give what the request needs.
_CLAIM: Final = """
WITH due AS MATERIALIZED (
  SELECT i.id, i.amount, s.billing_key_id, k.customer_uid, p.name AS plan_name, c.name, c.email, c.tel
  FROM invoice i JOIN subscription s ON s.id = i.subscription_id JOIN billing_key k ON k.id = s.billing_key_id
  JOIN customer c ON c.id = s.customer_id JOIN plan p ON p.id = s.plan_id
  WHERE i.id = %(invoice)s AND i.next_attempt_at <= now() AND s.state IN ('active', 'past_due')
  AND k.revoked_at IS NULL FOR UPDATE OF s, i),
attempt AS (
  INSERT INTO charge_attempt (id, invoice_id, attempt_no, merchant_uid, amount, trigger, state, send_no, fence,
    absent_count, next_look_up_at, first_sent_at, started_at)
  SELECT %(attempt)s, id, 1, %(uid)s, amount, 'schedule', 'in_flight', 1, 1, 0, now() + interval '150 s', now(), now()
  FROM due),
sent AS (
  INSERT INTO send (attempt_id, send_no, billing_key_id, amount, token_digest, fence, committed_at, send_before,
    lease_until)
  SELECT %(attempt)s, 1, billing_key_id, amount, '', 1, now(), now() + interval '10 s', now() + interval '150 s'
  FROM due),
moved AS (UPDATE invoice i SET attempt_count = 1, next_attempt_at = NULL FROM due WHERE i.id = due.id)
SELECT amount, customer_uid, plan_name, name, email, tel FROM due
"""
_RECORD: Final = """
WITH attempt AS (
  UPDATE charge_attempt SET state = 'approved', next_look_up_at = NULL, ended_at = now()
  WHERE id = %(attempt)s AND state = 'in_flight' RETURNING invoice_id, amount),
sent AS (UPDATE send SET answered_at = now(), result = 'approved' WHERE attempt_id = %(attempt)s AND send_no = 1),
paid AS (
  INSERT INTO payment (id, invoice_id, attempt_id, channel, imp_uid, amount, cancelled_amount, counts, paid_at,
    recorded_at)
  SELECT %(payment)s, invoice_id, %(attempt)s, 'default', %(imp_uid)s, amount, 0, true, to_timestamp(%(paid_at)s), now()
  FROM attempt),
settled AS (
  UPDATE invoice i SET state = 'paid' FROM attempt WHERE i.id = attempt.invoice_id RETURNING i.id, i.subscription_id)
INSERT INTO outbox_event (occurred_at, kind, subscription_id, invoice_id, attempt_id, data, is_incident)
SELECT now(), 'invoice.paid', subscription_id, id, %(attempt)s,
  jsonb_build_object('attempt_no', 1, 'imp_uid', %(imp_uid)s::text, 'amount', %(amount)s::bigint), false FROM settled
"""

app: Final = Celery("plain", set_as_current=False)
app.conf.update(
    broker_url=os.environ.get("PLAIN_BROKER_URL"),
    # The default of ten connections stops a pool of a hundred slots from acknowledging.
    broker_transport_options={"max_connections": 1_000},
    broker_connection_retry_on_startup=True,
    result_backend=None,
    task_ignore_result=True,
    task_acks_late=False,
    worker_prefetch_multiplier=int(os.environ.get("PLAIN_PREFETCH", "4")),
    worker_send_task_events=False,
    worker_disable_rate_limits=True,
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    task_default_queue=QUEUE,
    task_routes={TASK: {"queue": QUEUE}},
)


class _Slot(threading.local):
    """What one slot of the pool holds open: made at its first charge, kept for its life."""

    def __init__(self) -> None:
        self.database = psycopg.connect(os.environ["PLAIN_DATABASE_URL"], autocommit=True)
        self.database.prepare_threshold = 0
        address = urlsplit(os.environ["PLAIN_GATEWAY_URL"])
        self.gateway = http.client.HTTPConnection(address.hostname or "", address.port, timeout=70)
        self.gateway.request("POST", "/users/getToken", b"{}", {"Content-Type": "application/json"})
        token = json.loads(self.gateway.getresponse().read())["response"]["access_token"]
        self.headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}


_slots: Final[dict[int, _Slot]] = {}


def _slot() -> _Slot:
    """This process's; never the parent's, whose connections a fork would share."""
    slot = _slots.get(os.getpid())
    if slot is None:
        slot = _slots.setdefault(os.getpid(), _Slot())
    return slot


@app.task(name=TASK)  # type: ignore[untyped-decorator]  # Celery's
def charge(invoice: str, subscription: str, ordinal: int) -> None:
    """Charge one invoice: commit, call, commit."""
    slot = _slot()
    uid = merchant_uid(
        namespace=NAMESPACE,
        subscription_id=UUID(subscription),
        purpose=Purpose.PERIOD,
        ordinal=ordinal,
        attempt_no=1,
    )
    now = datetime.now(UTC)
    attempt_id = new_id(now)
    found = slot.database.execute(_CLAIM, {"invoice": invoice, "attempt": attempt_id, "uid": uid}).fetchone()
    if found is None:
        return
    amount, customer_uid, plan_name, name, email, tel = found
    asked = {
        "customer_uid": customer_uid,
        "merchant_uid": uid,
        "amount": amount,
        "name": plan_name,
        "buyer_name": name,
        "buyer_email": email,
        "buyer_tel": tel,
    }
    paid = _ask(slot, asked)
    if paid["status"] != "paid" or paid["merchant_uid"] != uid or paid["amount"] != amount:
        raise ValueError("the stand-in approves every charge")
    slot.database.execute(
        _RECORD,
        {
            "attempt": attempt_id,
            "payment": new_id(now),
            "imp_uid": paid["imp_uid"],
            "paid_at": paid["paid_at"],
            "amount": amount,
        },
    )


def _ask(slot: _Slot, asked: dict[str, Any]) -> dict[str, Any]:
    body = json.dumps(asked, ensure_ascii=False).encode()
    slot.gateway.request("POST", "/subscribe/payments/again", body, slot.headers)
    paid: dict[str, Any] = json.loads(slot.gateway.getresponse().read())["response"]
    return paid
