"""What Celery starts: ``celery -A worker beat``, ``celery -A worker worker``, ``celery -A worker flower``."""

from worker.celery_app import app

__all__ = ["app"]
