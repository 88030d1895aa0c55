"""Processes that do with a secret what careless ones do; the canary test has them run."""

import logging
import os
import signal
import sys
import warnings
from typing import TypedDict

from processes.executors.context import RunContext
from processes.registry import process
from processes.secrets import Secret


class Length(TypedDict):
    length: int


class Leak(TypedDict):
    leak: str


@process(name="Quiet")
def keep_quiet(password: Secret) -> Length:
    """Take a secret, and keep it."""
    return {"length": len(password)}


@process(name="Careless")
def shout(context: RunContext, password: Secret, user: str = "ada") -> None:
    """Say a secret in every way there is, then raise it."""
    context.log(f"password {password}, {[password]}, {password!s}")
    print("printed", password)  # noqa: T201 - what is tested
    for character in password:
        print(character, end="", flush=True)  # noqa: T201
    sys.stderr.write(f"complained {password}\n")
    for level in (logging.DEBUG, logging.INFO, logging.ERROR):
        logging.getLogger("careless").log(level, "logged %s", password)
    warnings.warn(f"warned {password}", stacklevel=1)
    try:
        raise KeyError(str(password))
    except KeyError as error:
        logging.getLogger("careless").exception("caught")
        raise ConnectionError(f"https://{user}:{password}@example.com is away") from error


@process(name="Quitter")
def quit_with_it(password: Secret) -> None:
    """End with a secret as the reason."""
    sys.exit(f"no access with {password}")


@process(name="Dying")
def die(password: Secret) -> None:
    """Die with a secret in memory."""
    os.kill(os.getpid(), signal.SIGKILL)


@process(name="Leaking")
def leak(password: Secret) -> Leak:
    """Answer a secret as an output, which nothing hides: the search has to find it."""
    return {"leak": str(password)}
