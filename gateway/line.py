"""What one process holds open towards the gateway: a loop in a thread, and three sets of connections on it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway.loop_thread import LoopThread
from gateway.transport import GatewayTransport

if TYPE_CHECKING:
    from gateway.config import GatewayConfig


class Line:
    """Opened once per process, after the fork. ``room`` is taken for every charge in flight, on the loop only."""

    def __init__(self, config: GatewayConfig) -> None:
        self._config = config
        self.is_closed = False
        self.thread = LoopThread()
        self.charges, self.questions, self.orders, self.room = self.thread.ask(self._open())

    async def _open(self) -> tuple[GatewayTransport, GatewayTransport, GatewayTransport, asyncio.Semaphore]:
        # Slow charges and slow cancels must never keep the questions about them waiting: each has its own connections.
        config = self._config
        return (
            GatewayTransport(config, connections=config.concurrency),
            GatewayTransport(config, connections=config.lookup_connections),
            GatewayTransport(config, connections=config.lookup_connections),
            asyncio.Semaphore(config.concurrency),
        )

    def close(self) -> None:
        """End every call, each with the outcome that its flag proves, and close the connections."""
        self.is_closed = True
        self.thread.stop(self._close)

    async def _close(self) -> None:
        await self.charges.close()
        await self.questions.close()
        await self.orders.close()
