"""The four roles that an installation begins with: groups of the admin, and what each may do.

This is the one table of them. The README shows it, and a migration makes the groups from a copy of
its own: what is changed here reaches an installation with another migration.
"""

from dataclasses import dataclass

VIEWER, OPERATOR, AUTHOR, ADMINISTRATOR = "viewer", "operator", "author", "administrator"
ROLES = (VIEWER, OPERATOR, AUTHOR, ADMINISTRATOR)
EVERYBODY = frozenset(ROLES)
OPERATORS = frozenset({OPERATOR, ADMINISTRATOR})
AUTHORS = frozenset({AUTHOR, ADMINISTRATOR})
ADMINISTRATORS = frozenset({ADMINISTRATOR})


def _to(verbs: str, *models: str) -> frozenset[str]:
    """Return the permissions to do each of `verbs` with each of `models` (app label, dot, name)."""
    return frozenset(
        f"{model.replace('.', f'.{verb}_')}" for verb in verbs.split() for model in models
    )


@dataclass(frozen=True)
class Right:
    """Something that people do, the permissions that it takes, and the roles that have it."""

    words: str
    permissions: frozenset[str]
    roles: frozenset[str]


RIGHTS = (
    Right(
        "see process models and their sample queries, schedules and ledgers, runs and logs, workers",
        _to(
            "view",
            "processes.application",
            "processes.processmodel",
            "processes.parameter",
            "processes.output",
            "processes.worker",
            "processes.run",
            "scheduler.schedule",
        ),
        EVERYBODY,
    ),
    Right(
        "add, change, pause, resume, skip, enable, disable and delete schedules",
        _to("add change delete", "scheduler.schedule"),
        OPERATORS,
    ),
    Right(
        "run schedules now, start runs and run them again, cancel runs",
        frozenset({"scheduler.run_schedule", "processes.start_run", "processes.cancel_run"}),
        OPERATORS,
    ),
    Right(
        "pause, drain, resume and change workers",
        _to("change", "processes.worker"),
        OPERATORS,
    ),
    Right(
        "add, change and delete process models, their parameters and outputs, and applications",
        _to(
            "add change delete",
            "processes.application",
            "processes.processmodel",
            "processes.parameter",
            "processes.output",
        ),
        AUTHORS,
    ),
    Right("add and delete workers", _to("add delete", "processes.worker"), ADMINISTRATORS),
    Right(
        "see, add, change and delete API clients, and make their passwords",
        _to("view add change delete", "connector.apiclient", "connector.apisecret"),
        ADMINISTRATORS,
    ),
    Right(
        "see, add, change and delete users and groups that may do no more than oneself",
        _to("view add change delete", "auth.user", "auth.group"),
        ADMINISTRATORS,
    ),
    Right(
        "see wrong log-ins, and let somebody who is locked out in again",
        _to("view delete", "axes.accessattempt"),
        ADMINISTRATORS,
    ),
    Right("read the audit", frozenset({"config.view_audit"}), ADMINISTRATORS),
)


def permissions_of(role: str) -> frozenset[str]:
    """Return every permission of a role, each as app label, dot, code name."""
    return frozenset().union(*(right.permissions for right in RIGHTS if role in right.roles))
