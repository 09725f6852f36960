"""Which doorbells are there, and how often does the tick come? Data; ``worker`` hands it to beat."""

from __future__ import annotations

from enum import StrEnum


class Bell(StrEnum):
    """A doorbell: a message that says "there may be work", at most for which channel, and carries nothing else."""

    TICK = "scheduler.tick"
    CHARGE = "worker.charge_due"
    RESOLVE = "worker.resolve_unknown"
    FOLLOW = "worker.follow_hints"
    COMPARE = "worker.compare_gateway"
    REFUND = "worker.refund_due"
    FORECAST = "worker.keep_forecast"


class Queue(StrEnum):
    """Where bells wait. Charges have a queue of their own: a gateway that hangs must not hold up the tick."""

    PACE = "pace"
    CHARGE = "charge"


QUEUE_OF = {
    Bell.TICK: Queue.PACE,
    Bell.RESOLVE: Queue.PACE,
    Bell.FOLLOW: Queue.PACE,
    Bell.COMPARE: Queue.PACE,
    Bell.REFUND: Queue.PACE,
    Bell.FORECAST: Queue.PACE,
    Bell.CHARGE: Queue.CHARGE,
}

#: Charge runs that one tick asks for at most, for a channel; more would only find the claims of the others.
CHARGE_RUNS = 4

#: Seconds of real time between two looks whether a day's forecast is to be kept, or compared.
FORECAST_SECONDS = 600
