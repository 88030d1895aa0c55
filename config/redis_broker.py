"""Redis as the broker: kombu's transport without its care for messages that were not acknowledged.

Messages are doorbells, and the beat rings again for what was lost. Kombu keeps each unacknowledged
message in Redis a second time, and gives it back when the connection closes. If Redis has just died
that raises what Celery does not expect, and the worker ends for good.
"""

import socket

from kombu.transport import redis

# A Redis that vanished without a word, with its host or the network, is missed within 25 seconds;
# a worker only reads, and would wait for ever.
KEEP_ALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}


class Channel(redis.Channel):
    """Forget what was delivered, and notice that nobody is there any more."""

    ack_emulation = False
    do_restore = False
    socket_keepalive = True
    socket_keepalive_options = {
        getattr(socket, name): number
        for name, number in KEEP_ALIVE.items()
        if hasattr(socket, name)  # not every system has all
    }


class Transport(redis.Transport):
    """The transport of `redis:` and `rediss:` URLs."""

    Channel = Channel
