"""Who acts in this thread, and from where: what an entry of the audit says of its origin."""

import getpass
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

MAX_ACTOR = 200
# They act for nobody in particular; whom their requests and messages come from is told by these.
SERVICES = {"beat", "serve", "web", "worker"}


@dataclass(frozen=True)
class Actor:
    """Somebody as entries name them: `user:ada`, `client:acme`, `command:migrate by root`.

    `user_id` is that of a Django user, whose name may change later.
    """

    name: str = "system"
    user_id: int | None = None


@dataclass(frozen=True)
class Origin:
    """Who acts, from which address, in which request. `find_actor` is asked once it matters."""

    find_actor: Callable[[], Actor] = Actor
    address: str = ""
    request_id: str = ""


_origin: ContextVar[Origin] = ContextVar("origin", default=Origin())  # noqa: B039 - it is frozen


def current_origin() -> Origin:
    """Return where what happens now comes from; from the system itself unless somebody said so."""
    return _origin.get()


@contextmanager
def acting(
    find_actor: Callable[[], Actor], *, address: str = "", request_id: str = ""
) -> Iterator[None]:
    """Have what happens within come from there."""
    token = _origin.set(Origin(find_actor, address, request_id))
    try:
        yield
    finally:
        _origin.reset(token)


def name_actor(actor: Actor) -> None:
    """Say who acts, once that is known; address and request stay."""
    _origin.set(replace(_origin.get(), find_actor=lambda: actor))


def name_command(arguments: list[str]) -> None:
    """Say that a management command acts, for whoever started it; services act for themselves."""
    command = arguments[1] if len(arguments) > 1 else ""
    if command and command not in SERVICES:
        name_actor(Actor(f"command:{command} by {_find_user()}"[:MAX_ACTOR]))


def _find_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        return "a user without a name"
