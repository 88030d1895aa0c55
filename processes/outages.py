"""What happened is kept while the database is away."""

import time
from collections.abc import Callable

import structlog
from django.db import InterfaceError, InternalError, OperationalError, connection

logger = structlog.get_logger(__name__)

# A server that restarts, is full, is unreachable or has become a replica; not a wrong statement.
OUTAGES = (OperationalError, InterfaceError, InternalError)
FIRST_WAIT = 0.1  # seconds
LONGEST_WAIT = 2.0  # seconds


def outlast_outage(store: Callable[[], None]) -> None:
    """Call `store`, outside any transaction, until the database takes what it writes.

    There is no time limit: while the database is away nobody else can end the run either, and
    once it is back `store` itself says whether the lease is still held.
    """
    wait = FIRST_WAIT
    while True:
        try:
            return store()
        except OUTAGES as error:
            logger.warning("database away; trying again", seconds=wait, error=str(error))
            connection.close()
        time.sleep(wait)
        wait = min(wait * 2, LONGEST_WAIT)
