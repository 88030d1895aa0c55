"""Brings registered python processes into the database, where people and clients see them."""

from dataclasses import dataclass, field

from django.conf import settings
from django.db import transaction

from processes import registry
from processes.executors.command_configuration import WrongConfiguration, find_program
from processes.models import Output, Parameter, ProcessModel
from processes.registry import RegisteredProcess

HELLO_COMMAND, HELLO_PROGRAM = "HelloCommand", "hello.py"


@dataclass
class SyncReport:
    """What a synchronisation changed, by process model name."""

    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    unregistered: list[str] = field(default_factory=list)


def sync_processes() -> SyncReport:
    """Store every registered process with its parameters and outputs, and the example of a command.

    The code owns title, description, parameters and outputs; what admins set (enabled, limits,
    defaults) is left as it is. A process model whose function is gone is left too, and reported:
    its runs are history. The command is stored once, and everything of it is the admins' then.
    """
    report = SyncReport()
    for process in registry.registered().values():
        with transaction.atomic():
            created = _store(process)
        (report.created if created else report.updated).append(process.name)
    if _store_hello_command():
        report.created.append(HELLO_COMMAND)
    report.unregistered = list(
        ProcessModel.objects.filter(executor=ProcessModel.Executor.PYTHON)
        .exclude(name__in=registry.registered())
        .values_list("name", flat=True)
    )
    return report


def _store_hello_command() -> bool:
    """Store the example of a command where its program is; return whether it is new."""
    try:
        find_program(HELLO_PROGRAM, settings.COMMANDS_DIR)
    except WrongConfiguration:
        return False
    with transaction.atomic():
        model, created = ProcessModel.objects.get_or_create(
            name=HELLO_COMMAND,
            defaults={
                "title": "Greet somebody by a program",
                "description": "Run a program with a value, and read the output it writes.",
                "executor": ProcessModel.Executor.COMMAND,
                "configuration": {"argv": [HELLO_PROGRAM]},
            },
        )
        if created:
            Parameter.objects.create(process_model=model, name="name", help_text="Whom to greet.")
            Output.objects.create(
                process_model=model, name="greeting", help_text="What is said to them."
            )
    return created


def _store(process: RegisteredProcess) -> bool:
    model, created = ProcessModel.objects.update_or_create(
        name=process.name,
        defaults={
            "title": process.title,
            "description": process.description or process.signature.description,
            "executor": ProcessModel.Executor.PYTHON,
            "configuration": {"process": process.name},
        },
    )
    _store_parameters(model, process)
    _store_outputs(model, process)
    return created


def _store_parameters(model: ProcessModel, process: RegisteredProcess) -> None:
    specs = process.signature.parameters
    model.parameters.exclude(name__in=[spec.name for spec in specs]).delete()
    for spec in specs:
        Parameter.objects.update_or_create(
            process_model=model,
            name=spec.name,
            defaults={
                "value_type": spec.value_type,
                "required": spec.required,
                "default": spec.default,
                "choices": list(spec.choices),
                "help_text": spec.help_text,
                "position": spec.position,
            },
        )


def _store_outputs(model: ProcessModel, process: RegisteredProcess) -> None:
    specs = process.signature.outputs
    model.outputs.exclude(name__in=[spec.name for spec in specs]).delete()
    for position, spec in enumerate(specs):
        Output.objects.update_or_create(
            process_model=model,
            name=spec.name,
            defaults={
                "value_type": spec.value_type,
                "help_text": spec.help_text,
                "position": position,
            },
        )
