"""The Python functions that may be run, by name; nothing else can be."""

import importlib
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

from processes.signatures import Signature, UnusableProcess, describe_function

MAX_NAME_LENGTH = 200

Function = TypeVar("Function", bound=Callable[..., Any])


class NotRegistered(LookupError):
    """No process of that name is registered."""


class DuplicateProcess(ValueError):
    """Two functions want the same name."""


class UnusableModule(ImportError):
    """A module that PROCESS_MODULES names cannot be imported; the message is one sentence."""


@dataclass(frozen=True)
class RegisteredProcess:
    """A function and the name by which it is run."""

    name: str
    title: str
    description: str
    function: Callable[..., Any]
    signature: Signature


_processes: dict[str, RegisteredProcess] = {}


def process(*, name: str, title: str = "", description: str = "") -> Callable[[Function], Function]:
    """Register the decorated function under `name`, which is the API's `name`, matched exactly.

    The description is the docstring's unless given. Raise UnusableProcess for a function whose
    signature cannot be read, DuplicateProcess where another function has the name.
    """

    def register(function: Function) -> Function:
        _check_name(name)
        signature = describe_function(function)
        _check_not_taken(name, function)
        _processes[name] = RegisteredProcess(
            name, title, description or signature.description, function, signature
        )
        return function

    return register


def registered() -> Mapping[str, RegisteredProcess]:
    """Return a read-only view of all registered processes by name."""
    return MappingProxyType(_processes)


def get(name: str) -> RegisteredProcess:
    """Return the process of that name. Raise NotRegistered if there is none."""
    try:
        return _processes[name]
    except KeyError:
        raise NotRegistered(
            f"No Python process is registered as {name!r}; PROCESS_MODULES may lack its module."
        ) from None


def load(modules: Sequence[str]) -> None:
    """Import the modules, which register their processes. Raise UnusableModule at the first fault."""
    for module in modules:
        try:
            importlib.import_module(module)
        except (Exception, SystemExit) as error:  # a module of somebody else may raise anything
            raise UnusableModule(
                f"PROCESS_MODULES: cannot import {module!r}: {_explain(error, module)}"
            ) from error


@contextmanager
def isolated() -> Iterator[None]:
    """Undo at the end what was registered inside; for tests."""
    before = dict(_processes)
    try:
        yield
    finally:
        _processes.clear()
        _processes.update(before)


def _check_name(name: str) -> None:
    usable = 1 <= len(name) <= MAX_NAME_LENGTH
    if not usable or any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        raise UnusableProcess(
            f"{name[:40]!r} cannot be the name of a process; it takes 1 to {MAX_NAME_LENGTH}"
            " characters, none of them a control character."
        )


def _check_not_taken(name: str, function: Callable[..., Any]) -> None:
    taken = _processes.get(name)
    # A module that is imported again brings its functions again.
    if taken and _address(taken.function) != _address(function):
        raise DuplicateProcess(
            f"Two processes are named {name!r}: {_address(taken.function)} and"
            f" {_address(function)}. Rename one."
        )


def _address(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{function.__qualname__}"


def _explain(error: BaseException, module: str) -> str:
    text = " ".join(str(error).split()).rstrip(".")
    if not isinstance(error, ModuleNotFoundError):
        return f"{type(error).__name__}: {text}." if text else f"{type(error).__name__}."
    if f"{module}.".startswith(f"{error.name}."):
        return f"{text}. Put the folder that holds it on PYTHONPATH."
    return f"{text}, which it imports. Install it where Arabica runs."
