"""The clock of the schedules, which is the one of all the rest."""

from processes.clock import database_now

__all__ = ["database_now"]
