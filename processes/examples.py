"""The processes that come with Arabica, to try it with."""

import time
from typing import TypedDict

from processes.executors.base import ProcessFailed
from processes.executors.context import RunContext
from processes.registry import process


class FullName(TypedDict):
    """What a full name is answered as.

    Attributes:
        x: The name and the surname.
    """

    x: str


class Count(TypedDict):
    """How far it was counted.

    Attributes:
        counted: The seconds that were counted.
    """

    counted: int


class Attempts(TypedDict):
    """How long it took to succeed.

    Attributes:
        attempts: The number of the attempt that succeeded.
    """

    attempts: int


@process(name="OneStepNotepadRunner", title="Full name from name and surname")
def full_name(username: str, usersurname: str = "") -> FullName:
    """Join a name and a surname by one blank.

    Args:
        username: The name.
        usersurname: The surname; may be left out.
    """
    return {"x": " ".join(part for part in (username, usersurname) if part)}


@process(name="CountDown", title="Count some seconds")
def count_down(context: RunContext, seconds: int = 10) -> Count:
    """Report progress once a second, to watch a run while it lasts.

    Args:
        seconds: How long the run lasts.
    """
    counted = 0
    while counted < seconds:
        time.sleep(1)
        counted += 1
        context.progress(counted, seconds)
        context.log(f"{counted} of {seconds} seconds")
    return {"counted": counted}


@process(name="FailNTimes", title="Fail, then succeed")
def fail_n_times(
    context: RunContext, times: int = 1, text: str = "This run was asked to fail."
) -> Attempts:
    """Fail in the first attempts, to see how a run is retried.

    Args:
        times: How many attempts fail.
        text: What a failed attempt says.
    """
    if context.attempt <= times:
        raise ProcessFailed(text)
    return {"attempts": context.attempt}
