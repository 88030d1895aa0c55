"""What `manage.py serve` becomes once everything is prepared: a small process that supervises.

Preparing loads Django with all its apps, memory that only an end of the program gives back; so the
command replaces itself by this program, with the same process id, environment and folder. It needs
no settings: the plan has all that it has to know.
"""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn


@dataclass(frozen=True)
class Plan:
    """What to keep running and what to say once it is ready.

    `children` are command lines by name; `grace` is in seconds. `client` is the user name and the
    password of the API client that makes the first run over HTTP, None when there is none to make.
    """

    children: dict[str, list[str]]
    grace: float
    address: str
    greeting: str
    client: tuple[str, str] | None


def hand_over(plan: Plan) -> NoReturn:
    """Become the program that carries out `plan`.

    The plan goes through a pipe: it has passwords, which everybody could read in a command line.
    """
    reading, writing = os.pipe()
    os.write(writing, json.dumps(asdict(plan)).encode())  # a pipe takes 64 KiB without a reader
    os.close(writing)
    os.set_inheritable(reading, True)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, __file__, str(reading)])  # noqa: S606 - this program


def read_plan(descriptor: int) -> Plan:
    """Return the plan that was handed over."""
    with open(descriptor) as pipe:
        return Plan(**json.load(pipe))


def main() -> None:
    """Carry out the plan until Ctrl-C or SIGTERM."""
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from config.supervisor import Child, Supervisor
    from processes.privacy import be_private

    be_private()
    plan = read_plan(int(sys.argv[1]))
    supervisor = Supervisor(
        [Child(name, argv) for name, argv in plan.children.items()],
        grace=plan.grace,
        on_started=lambda: greet(plan, supervisor.announce),
    )
    sys.exit(supervisor.run())


def greet(plan: Plan, say: Callable[[str], None]) -> None:
    """Say where everything is, once it is ready, and show the first run."""
    from config import demonstration

    demonstration.wait_until_ready(plan.address)
    say(plan.greeting)
    if plan.client:
        say("The first run, made now over HTTP:")
        demonstration.demonstrate(plan.address, *plan.client, say)


if __name__ == "__main__":
    main()
