"""The one Celery task: a doorbell, not an order."""

from celery import shared_task

from processes.execution import work_until_idle

# The remote control command by which the beat proves to each node that messages arrive.
LISTEN_COMMAND = "arabica_listen"


@shared_task(name="processes.look", ignore_result=True)
def look(hint: str | None = None) -> None:
    """Look for runs and execute the best ones until none is left.

    Safe to deliver twice, late or never: what is executed is decided by the rows alone. `hint` is
    the run that made somebody ring, for people who read the broker.
    """
    work_until_idle()
