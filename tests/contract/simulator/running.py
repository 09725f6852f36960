"""One simulator process, started on free ports and asked over HTTP like a stranger's gateway."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[3]
DEADLINE_SECONDS = 30.0


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)


class RunningSimulator:
    def __init__(self, ledger: Path, *flags: str) -> None:
        self.ledger_path = ledger
        command = [sys.executable, "-m", "simulator", "--port", "0", "--control-port", "0", "--ledger", str(ledger)]
        self.process = subprocess.Popen([*command, *flags], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        told = json.loads(self.process.stdout.readline())
        assert told["event"] == "listening"
        assert told["pid"] == self.process.pid
        self.port: int = told["port"]
        self.public = httpx.Client(base_url=f"http://127.0.0.1:{told['port']}", timeout=DEADLINE_SECONDS)
        self.control = httpx.Client(base_url=f"http://127.0.0.1:{told['control_port']}", timeout=DEADLINE_SECONDS)
        self._token: str | None = None

    def close(self) -> int:
        self.public.close()
        self.control.close()
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(DEADLINE_SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(DEADLINE_SECONDS)

    # -- the public port

    def issue_token(self, key: str = "key") -> dict[str, Any]:
        answer = self.public.post("/users/getToken", json={"imp_key": key, "imp_secret": "secret"})
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()["response"]
        return told

    @property
    def headers(self) -> dict[str, str]:
        if self._token is None:
            self._token = self.issue_token()["access_token"]
        return {"Authorization": f"Bearer {self._token}"}

    def get(self, path: str, **query: str | int) -> httpx.Response:
        return self.public.get(path, params=query, headers=self.headers)

    def post(self, path: str, **fields: object) -> httpx.Response:
        return self.public.post(path, json=fields, headers=self.headers)

    def charge(self, customer_uid: str, merchant_uid: str, amount: int = 9900, **more: object) -> httpx.Response:
        fields = {"customer_uid": customer_uid, "merchant_uid": merchant_uid, "amount": amount, "name": "월 구독"}
        return self.post("/subscribe/payments/again", **{**fields, **more})

    def paid(self, customer_uid: str, merchant_uid: str, amount: int = 9900, **more: object) -> dict[str, Any]:
        answer = self.charge(customer_uid, merchant_uid, amount, **more)
        assert answer.status_code == 200, answer.text
        assert answer.json()["code"] == 0, answer.text
        payment: dict[str, Any] = answer.json()["response"]
        return payment

    def charge_and_leave(self, customer_uid: str, merchant_uid: str, *, once: Callable[[], bool]) -> None:
        """Charge, and hang up without having seen an answer once the condition is true."""
        headers = self.headers
        fields = {"customer_uid": customer_uid, "merchant_uid": merchant_uid, "amount": 100, "name": "x"}

        async def hang_up() -> None:
            async with httpx.AsyncClient(base_url=self.public.base_url, timeout=DEADLINE_SECONDS) as client:
                call = asyncio.create_task(client.post("/subscribe/payments/again", json=fields, headers=headers))
                await asyncio.to_thread(wait_until, once)
                assert not call.done()
                call.cancel()

        asyncio.run(hang_up())

    # -- the control port

    def order(self, customer_uid: str, *steps: object) -> None:
        answer = self.control.post("/faults", json={"customer_uid": customer_uid, "sequence": steps})
        assert answer.status_code == 200, answer.text

    def payments(self, **where: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.control.get("/ledger", params=where).json()
        return rows

    def requests(self, **where: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.control.get("/requests", params=where).json()
        return rows

    def schedules(self, **where: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.control.get("/schedules", params=where).json()
        return rows

    def counters(self) -> dict[str, Any]:
        counts: dict[str, Any] = self.control.get("/counters").json()
        return counts

    def printed_ledger(self, *flags: str) -> list[dict[str, Any]]:
        command = [sys.executable, "-m", "simulator", "ledger", "--ledger", str(self.ledger_path), "--json"]
        printed = subprocess.run([*command, *flags], cwd=ROOT, capture_output=True, text=True, check=True)
        rows: list[dict[str, Any]] = json.loads(printed.stdout)
        return rows
