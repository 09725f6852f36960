"""A program that charges what is due, once, and may freeze itself between commit 1 and the send."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from billing.charge_due import charge_due
from runtime.settings import load_settings
from runtime.wiring import open_ports

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.port import Answer, Batch, FanOut, Gateway


class FreezingGateway:
    """The real gateway's client, whose process stops itself when it is handed what was claimed."""

    def __init__(self, real: Gateway) -> None:
        self._real = real

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)

    def fan_out(self) -> FanOut:
        return FreezingFanOut(self._real.fan_out())


class FreezingFanOut:
    def __init__(self, real: FanOut) -> None:
        self._real = real

    @property
    def in_flight(self) -> int:
        return self._real.in_flight

    def allow(self, *, until_boottime: float, spacing_seconds: float = 0.0) -> None:
        self._real.allow(until_boottime=until_boottime, spacing_seconds=spacing_seconds)

    def send(self, batch: Batch) -> None:
        os.kill(os.getpid(), signal.SIGSTOP)
        self._real.send(batch)

    def answered(self, *, group_seconds: float, group_size: int) -> Sequence[Answer]:
        return self._real.answered(group_seconds=group_seconds, group_size=group_size)

    def hand_back(self) -> None:
        self._real.hand_back()


def main() -> None:
    ports = open_ports(load_settings())
    if "--freeze-before-send" in sys.argv:
        ports = replace(ports, gateway=FreezingGateway(ports.gateway))  # type: ignore[arg-type]  # by __getattr__
    run = charge_due(ports)
    sys.stdout.write(f"done claimed={run.claimed} {dict(run.outcomes)} {run.stopped_because}\n")


if __name__ == "__main__":
    main()
