"""Redis as the broker: kombu's transport without its care for messages that were not acknowledged.

Messages are doorbells, and the beat rings again for what was lost. Kombu keeps each unacknowledged
message in Redis a second time, and gives it back when the connection closes. If Redis has just died
that raises what Celery does not expect, and the worker ends for good.
"""

from kombu.transport import TRANSPORT_ALIASES, redis


class Channel(redis.Channel):
    """Forget what was delivered."""

    ack_emulation = False
    do_restore = False


class Transport(redis.Transport):
    """The transport of `redis:` and `rediss:` URLs."""

    Channel = Channel


def register() -> None:
    """Have kombu and Celery use it."""
    TRANSPORT_ALIASES["redis"] = TRANSPORT_ALIASES["rediss"] = f"{__name__}:Transport"
