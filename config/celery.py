"""The Celery app."""

from celery import Celery, signals
from kombu.transport import TRANSPORT_ALIASES

from config import embedded_broker

embedded_broker.register()
# By name: Redis' client is loaded where it is used.
TRANSPORT_ALIASES["redis"] = TRANSPORT_ALIASES["rediss"] = "config.redis_broker:Transport"

app = Celery("arabica")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@signals.setup_logging.connect(weak=False)
def keep_logging(**kwargs: object) -> None:
    """Keep Django's logging: a connected receiver stops Celery from setting up its own."""
