"""What the doctor says of the programs that commands run."""

import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.conf import settings

from processes.executors.command_configuration import WrongConfiguration, read_configuration
from processes.models import ProcessModel
from scheduler.health import Check, Level

Commands = list[tuple[str, Any]]


def list_commands() -> Commands:
    """Return name and configuration of the commands that can be started."""
    commands = ProcessModel.objects.filter(executor=ProcessModel.Executor.COMMAND, enabled=True)
    return list(commands.order_by("name").values_list("name", "configuration"))


def check_commands(commands: Commands) -> Check:
    """Tell whether the commands can be run on this host, and who can change their programs."""
    folder = settings.COMMANDS_DIR
    faults: list[str] = []
    paths = {folder}
    for name, configuration in commands:
        try:
            paths.add(read_configuration(configuration, folder).program)
        except WrongConfiguration as error:
            faults.append(f"{name}: {str(error).rstrip('.')}")
    if faults:
        more = f"; {len(faults) - 1} more" if len(faults) > 1 else ""
        remedy = "Correct the process model, the program or COMMANDS_DIR; its runs fail until then."
        return Check("commands", Level.ERROR, f"{faults[0]}{more}", remedy)
    if path := _find_open(paths):
        message = f"everybody on this host can change {path}, and a worker runs what is there"
        return Check("commands", Level.WARNING, message, f"Run `chmod o-w {path}`.")
    return Check("commands", Level.OK, f"{len(commands)} can be run, from {folder}")


def _find_open(paths: Iterable[Path]) -> Path | None:
    return next((path for path in sorted(paths) if path.stat().st_mode & stat.S_IWOTH), None)
