"""The Celery app."""

from celery import Celery, signals

from config import embedded_broker, redis_broker

embedded_broker.register()
redis_broker.register()

app = Celery("arabica")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@signals.setup_logging.connect(weak=False)
def keep_logging(**kwargs: object) -> None:
    """Keep Django's logging: a connected receiver stops Celery from setting up its own."""
