"""How Celery is set up: every setting that differs from its default, and why.

A message is a doorbell. Recovery belongs to leases and sweeps in the database, so nothing here redelivers, and
nothing waits for a broker that is away.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from celery import Celery, signals
from kombu.entity import Queue as KombuQueue

from domain.errors import BillingError
from runtime.logs import set_up_logs
from runtime.settings import Settings, load_settings
from runtime.wiring import gateway_configs, server_urls
from scheduler.pace import FORECAST_SECONDS, QUEUE_OF, Bell, Queue

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What a broker's message may at most delay a publisher: a lost bell costs a tick, a blocked tick costs more.
_BROKER_SECONDS: Final = 5


def _load() -> tuple[Settings, str]:
    """The settings and the broker, or one sentence and an end: Celery's own reader would print a traceback."""
    try:
        settings = load_settings()
        gateway_configs(settings)
        return settings, server_urls(settings).redis_url
    except BillingError as error:
        sys.exit(f"jeonggi: {error}")


SETTINGS, _BROKER_URL = _load()


def _configuration(settings: Settings) -> Mapping[str, Any]:
    return {
        "broker_url": _BROKER_URL,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,  # the default gives up after a hundred
        "broker_pool_acquire_timeout": _BROKER_SECONDS,
        "broker_connection_timeout": _BROKER_SECONDS,
        "broker_transport_options": {
            # Without it a frozen broker blocks for ever. Above the one second of the transport's own blocking reads.
            "socket_timeout": 15,
            "socket_connect_timeout": 3,
            "socket_keepalive": True,
            "health_check_interval": 25,
            "visibility_timeout": 600,
            "unacked_restore_interval": 10,
            "unacked_restore_throttle": 1,
            "global_keyprefix": "jeonggi:",
            "max_connections": 100,
        },
        "visibility_timeout": 600,
        # No result is stored: outcomes are rows, and a result backend that is away blocks publishers.
        "result_backend": None,
        "task_ignore_result": True,
        "task_store_errors_even_if_ignored": False,
        "task_publish_retry": False,
        # Early acknowledgement: a late one adds doubled runs and no safety, for a killed child is acknowledged too.
        "task_acks_late": False,
        "task_reject_on_worker_lost": False,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_prefetch_multiplier": 1,
        "worker_disable_prefetch": True,
        # No soft limit of Celery's: it would raise in the middle of any statement. A charge run ends itself by then.
        "task_soft_time_limit": None,
        "task_time_limit": settings.hard_limit_seconds,
        "worker_pool": "prefork",
        "worker_max_tasks_per_child": 5000,
        "worker_max_memory_per_child": 500_000,  # kB
        "worker_soft_shutdown_timeout": settings.soft_limit_seconds,
        "task_create_missing_queues": False,
        "task_queues": [KombuQueue(queue, routing_key=queue) for queue in Queue],
        "task_default_queue": Queue.PACE,
        "task_default_exchange": "",
        "task_default_routing_key": Queue.PACE,
        "task_routes": {bell: {"queue": queue} for bell, queue in QUEUE_OF.items()},
        "accept_content": ["json"],
        "task_serializer": "json",
        "result_serializer": "json",
        "event_serializer": "json",
        "worker_send_task_events": True,
        "task_send_sent_event": True,
        "task_remote_tracebacks": False,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "enable_utc": True,
        "timezone": "UTC",
        # Beat keeps nothing: its schedule is an interval, and due times are rows. No file to lose or to lock.
        "beat_scheduler": "celery.beat:Scheduler",
        "beat_max_loop_interval": 5,
        "beat_schedule": _beat(settings),
        "imports": ["worker.tasks"],
    }


def _beat(settings: Settings) -> Mapping[str, Any]:
    """What beat rings by itself; one that is not taken before the next is rung is dropped."""
    every = {Bell.TICK: settings.tick_seconds, Bell.FORECAST: FORECAST_SECONDS}
    return {
        bell.name.lower(): {"task": bell, "schedule": seconds, "options": {"expires": seconds}}
        for bell, seconds in every.items()
    }


app: Final = Celery("jeonggi", set_as_current=False)
app.conf.update(_configuration(SETTINGS))


@signals.setup_logging.connect
def _set_up_logs(**_: object) -> None:
    set_up_logs(SETTINGS)
