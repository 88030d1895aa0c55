"""What can go wrong with a plan, named for whoever can act on it."""


class SchedulerError(Exception):
    """Base of this app's errors; the text is a sentence for people."""


class InvalidPlan(SchedulerError):
    """A part of a plan cannot be taken; `field` is its name in ScheduleDraft."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class UnusableCrontab(SchedulerError):
    """A crontab says what no Quartz expression can."""


class NothingToSkip(SchedulerError):
    """The schedule waits for no fire time."""


class CannotRun(SchedulerError):
    """The schedule's process model cannot be started."""
