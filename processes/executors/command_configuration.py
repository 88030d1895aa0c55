"""What the configuration of a command may say, and the program that it names."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

MEGABYTE = 1024 * 1024
OWN_PREFIX = "ARABICA_"
FIXED = ("HOME", "TMPDIR")
CPU_SECONDS_TO_END = 5  # between SIGXCPU, which a program can handle, and SIGKILL


def gettext_noop(text: str) -> str:
    """Mark a text for the translators of the admin, which looks up its translation."""
    return text


class Fault(NamedTuple):
    """One thing that is wrong: a sentence with the facts for its placeholders."""

    sentence: str
    facts: dict[str, object]

    def __str__(self) -> str:
        return self.sentence % self.facts


class WrongConfiguration(ValueError):
    """The configuration cannot be carried out; `faults` are all that is wrong with it."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__(" ".join(map(str, faults)))
        self.faults = faults


@dataclass(frozen=True)
class Limit:
    """A resource limit of one process: its name for `setrlimit`, and what may be asked for."""

    name: str
    unit: int
    default: int
    least: int
    most: int


LIMITS = {
    "memory_mb": Limit("RLIMIT_AS", MEGABYTE, default=4096, least=32, most=1_048_576),
    "cpu_seconds": Limit("RLIMIT_CPU", 1, default=3600, least=1, most=604_800),
    "open_files": Limit("RLIMIT_NOFILE", 1, default=1024, least=16, most=65_536),
    "file_mb": Limit("RLIMIT_FSIZE", MEGABYTE, default=1024, least=1, most=1_048_576),
    # The kernel counts those of the user altogether, and none of root's.
    "processes": Limit("RLIMIT_NPROC", 1, default=1024, least=1, most=32_768),
}


@dataclass(frozen=True)
class Command:
    """A command that can be started: `limits` are name, soft and hard limit."""

    program: Path
    arguments: list[str]
    environment: dict[str, str]
    limits: list[tuple[str, int, int]]


def read_configuration(configuration: Any, programs: Path) -> Command:
    """Return the command that a process model's configuration asks for.

    `argv` is the program, a path inside the folder `programs`, and its arguments; `environment`
    adds variables; `limits` holds whole numbers by the names of LIMITS. Raise WrongConfiguration
    with every fault at once.
    """
    if not isinstance(configuration, Mapping):
        sentence = gettext_noop("It takes a JSON object such as %(example)s.")
        raise WrongConfiguration([Fault(sentence, {"example": '{"argv": ["hello.py"]}'})])
    known = ("argv", "environment", "limits")
    faults = [
        Fault(
            gettext_noop("%(key)r is not known here; what is: %(known)s."),
            {"key": key, "known": ", ".join(known)},
        )
        for key in configuration
        if key not in known
    ]
    argv: Any = configuration.get("argv")
    environment = configuration.get("environment", {})
    limits = configuration.get("limits", {})
    faults += [*_check_argv(argv), *_check_environment(environment), *_check_limits(limits)]
    program = Path()
    try:
        if _is_argv(argv):
            program = find_program(argv[0], programs)
    except WrongConfiguration as error:
        faults += error.faults
    if faults:
        raise WrongConfiguration(faults)
    return Command(program, [str(program), *argv[1:]], dict(environment), _make_limits(limits))


def find_program(name: str, programs: Path) -> Path:
    """Return the file that `name` leads to. Raise WrongConfiguration if it may not be run."""
    facts: dict[str, object] = {"name": name, "folder": str(programs)}
    folder = programs.resolve()
    path = (folder / name).resolve()
    if not folder.is_dir():
        fault = gettext_noop("There is no folder %(folder)s; set COMMANDS_DIR to one.")
    elif name.startswith("/") or not path.is_relative_to(folder):
        fault = gettext_noop(
            "The program %(name)r leads out of the folder COMMANDS_DIR, which is %(folder)s."
        )
    elif not path.exists():
        fault = gettext_noop(
            "There is no program %(name)r in the folder COMMANDS_DIR, which is %(folder)s."
        )
    elif not path.is_file():
        fault = gettext_noop("%(name)r in %(folder)s is no file.")
    elif not os.access(path, os.X_OK):
        fault = gettext_noop(
            "The program %(name)r in %(folder)s is not executable; `chmod +x` makes it so."
        )
    else:
        return path
    raise WrongConfiguration([Fault(fault, facts)])


def _check_argv(argv: object) -> Iterator[Fault]:
    if not _is_argv(argv):
        sentence = gettext_noop(
            "'argv' takes a list of texts, the program first, such as %(example)s."
        )
        yield Fault(sentence, {"example": '["hello.py", "--loud"]'})


def _check_environment(environment: object) -> Iterator[Fault]:
    if not isinstance(environment, Mapping):
        yield Fault(gettext_noop("'environment' takes an object of texts by name."), {})
        return
    for name, text in environment.items():
        if not _is_text(name) or not name or "=" in name or not _is_text(text):
            sentence = gettext_noop(
                "'environment' takes texts by name, and no = in a name; see %(name)r."
            )
            yield Fault(sentence, {"name": name})
        elif name.startswith(OWN_PREFIX) or name in FIXED:
            sentence = gettext_noop("%(name)r in 'environment' is set for each run; leave it out.")
            yield Fault(sentence, {"name": name})


def _check_limits(limits: object) -> Iterator[Fault]:
    if not isinstance(limits, Mapping):
        yield Fault(gettext_noop("'limits' takes an object of whole numbers by name."), {})
        return
    for name, value in limits.items():
        limit = LIMITS.get(name)
        if limit is None:
            sentence = gettext_noop("%(name)r is no limit; those that are: %(known)s.")
            yield Fault(sentence, {"name": name, "known": ", ".join(LIMITS)})
        elif type(value) is not int or not limit.least <= value <= limit.most:
            sentence = gettext_noop(
                "The limit %(name)r takes a whole number from %(least)d to %(most)d."
            )
            yield Fault(sentence, {"name": name, "least": limit.least, "most": limit.most})


def _make_limits(limits: Mapping[str, int]) -> list[tuple[str, int, int]]:
    made = [("RLIMIT_CORE", 0, 0)]
    for name, limit in LIMITS.items():
        value = limits.get(name, limit.default) * limit.unit
        more = CPU_SECONDS_TO_END if limit.name == "RLIMIT_CPU" else 0
        made.append((limit.name, value, value + more))
    return made


def _is_argv(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_text, value))


def _is_text(value: object) -> bool:
    return isinstance(value, str) and "\0" not in value
