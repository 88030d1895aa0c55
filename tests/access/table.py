"""Who may do what: every address of the installation, and every action on a selection.

An address that is not here fails the test, and so does one that is here and no longer exists.
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

# Visitors who are nobody in the admin: they are asked to log in.
ANONYMOUS, NO_STAFF, API_CLIENT = "anonymous", "no staff", "API client"
STRANGERS = (ANONYMOUS, NO_STAFF, API_CLIENT)
# Those who are let in.
NO_ROLE, VIEWER, OPERATOR = "staff without a role", "viewer", "operator"
AUTHOR, ADMINISTRATOR, SUPERUSER = "author", "administrator", "superuser"
STAFF = (NO_ROLE, VIEWER, OPERATOR, AUTHOR, ADMINISTRATOR, SUPERUSER)
VISITORS = (*STRANGERS, *STAFF)

EVERY_ROLE = {VIEWER, OPERATOR, AUTHOR, ADMINISTRATOR, SUPERUSER}
OPERATORS = {OPERATOR, ADMINISTRATOR, SUPERUSER}
AUTHORS = {AUTHOR, ADMINISTRATOR, SUPERUSER}
ADMINISTRATORS = {ADMINISTRATOR, SUPERUSER}
SUPERUSERS = {SUPERUSER}
ALL_STAFF = set(STAFF)
NOBODY: set[str] = set()

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
READING = ("GET", "HEAD")
METHODS_OF_ADMIN = (*READING, "POST")

LOGIN = "asked to log in"
SHOWN, LED_ON, DONE = "shown", "led on", "done"
REFUSED, UNKNOWN, NO_METHOD = "refused", "not found", "method not allowed"
NO_CREDENTIALS = "credentials asked for"
HEALTH = "health told"
STATUSES = {
    LOGIN: {HTTPStatus.FOUND},
    SHOWN: {HTTPStatus.OK},
    LED_ON: {HTTPStatus.FOUND},
    DONE: {HTTPStatus.OK, HTTPStatus.FOUND},
    REFUSED: {HTTPStatus.FORBIDDEN},
    UNKNOWN: {HTTPStatus.NOT_FOUND},
    NO_METHOD: {HTTPStatus.METHOD_NOT_ALLOWED},
    NO_CREDENTIALS: {HTTPStatus.UNAUTHORIZED},
    HEALTH: {HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE},
}


@dataclass(frozen=True)
class Model:
    """Who may see, add, change and delete the rows of a model, and act on a selection of them."""

    see: set[str]
    add: set[str]
    change: set[str]
    delete: set[str]
    actions: dict[str, set[str]]


@dataclass(frozen=True)
class Page:
    """Who sees an address of the admin, and who does something there by POST.

    `do` is None where POST is nothing else than GET; `shows` is what GET does for those who may,
    `otherwise` what the others of the staff are answered.
    """

    see: set[str]
    do: set[str] | None = None
    shows: str = SHOWN
    otherwise: str = REFUSED
    methods: tuple[str, ...] = METHODS_OF_ADMIN

    def outcome(self, visitor: str, method: str) -> str:
        """Return what the visitor is to be answered."""
        if method not in METHODS_OF_ADMIN:
            return NO_METHOD
        if visitor in STRANGERS:
            return LOGIN
        if method not in self.methods:
            return NO_METHOD
        if method == "POST" and self.do is not None:
            return DONE if visitor in self.do else self.otherwise
        return self.shows if visitor in self.see else self.otherwise


@dataclass(frozen=True)
class Open:
    """An address that answers everybody alike, by method; the others are not allowed."""

    answers: dict[str, str]

    def outcome(self, visitor: str, method: str) -> str:
        """Return what everybody is answered."""
        return self.answers.get(method, NO_METHOD)


@dataclass(frozen=True)
class Api:
    """An address of the connector API, which takes one method of those with credentials."""

    method: str
    answer: str

    def outcome(self, visitor: str, method: str) -> str:
        """Return what the visitor is to be answered; a session of the admin is no credential."""
        if visitor != API_CLIENT:
            return NO_CREDENTIALS
        is_taken = method == self.method or (method, self.method) == ("HEAD", "GET")
        return self.answer if is_taken else NO_METHOD


@dataclass(frozen=True)
class Special:
    """An address of its own kind, told visitor by visitor."""

    told: dict[tuple[str, ...], dict[str, str]]

    def outcome(self, visitor: str, method: str) -> str:
        """Return what stands in the table."""
        answers = next(answers for who, answers in self.told.items() if visitor in who)
        return answers.get(method, NO_METHOD)


def _edited(who: set[str], see: set[str] | None = None, **actions: set[str]) -> Model:
    """Return a model whose rows the same people add, change and delete."""
    return Model(see or who, who, who, who, {"delete_selected": who} | actions)


MODELS = {
    "processes/application": _edited(AUTHORS, EVERY_ROLE),
    "processes/processmodel": _edited(
        AUTHORS, EVERY_ROLE, show_parameters_of_selected=EVERY_ROLE, save_as_csv=EVERY_ROLE
    ),
    "processes/worker": Model(
        see=EVERY_ROLE,
        add=ADMINISTRATORS,
        change=OPERATORS,
        delete=ADMINISTRATORS,
        actions={
            "pause": OPERATORS,
            "resume": OPERATORS,
            "save_as_csv": EVERY_ROLE,
            "delete_selected": ADMINISTRATORS,
        },
    ),
    "processes/run": Model(
        see=EVERY_ROLE,
        add=NOBODY,
        change=NOBODY,
        delete=NOBODY,
        actions={"save_as_csv": EVERY_ROLE, "delete_selected": NOBODY},
    ),
    "scheduler/schedule": _edited(
        OPERATORS,
        EVERY_ROLE,
        pause=OPERATORS,
        resume=OPERATORS,
        run_now=OPERATORS,
        skip_next=OPERATORS,
        enable=OPERATORS,
        disable=OPERATORS,
        save_as_csv=EVERY_ROLE,
    ),
    "connector/apiclient": _edited(ADMINISTRATORS, save_as_csv=ADMINISTRATORS),
    "axes/accessattempt": Model(
        see=ADMINISTRATORS,
        add=NOBODY,
        change=NOBODY,
        delete=ADMINISTRATORS,
        actions={"unlock": ADMINISTRATORS, "delete_selected": NOBODY},
    ),
    "auth/user": _edited(ADMINISTRATORS),
    "auth/group": _edited(ADMINISTRATORS),
    "django_celery_beat/periodictask": _edited(
        SUPERUSERS,
        enable_tasks=SUPERUSERS,
        disable_tasks=SUPERUSERS,
        toggle_tasks=SUPERUSERS,
        run_tasks=SUPERUSERS,
    ),
    "django_celery_beat/clockedschedule": _edited(SUPERUSERS),
    "django_celery_beat/crontabschedule": _edited(SUPERUSERS),
    "django_celery_beat/intervalschedule": _edited(SUPERUSERS),
    "django_celery_beat/solarschedule": _edited(SUPERUSERS),
}
# The audit tells the history of these, to those who may read it.
AUDITED = {
    "processes/application",
    "processes/processmodel",
    "processes/worker",
    "scheduler/schedule",
    "connector/apiclient",
    "auth/user",
    "auth/group",
    "django_celery_beat/periodictask",
}
# Actions that change nothing: they lead to a page, or give a file.
READING_ACTIONS = {"save_as_csv", "show_parameters_of_selected"}


def _pages_of(address: str, model: Model) -> dict[str, Page]:
    """Return the six addresses that Django gives to every model."""
    base = f"admin/{address}/"
    return {
        base: Page(model.see),
        f"{base}add/": Page(model.add, model.add),
        f"{base}<id>/change/": Page(model.see, model.change),
        f"{base}<id>/delete/": Page(model.delete, model.delete),
        f"{base}<id>/history/": (
            Page(ADMINISTRATORS, shows=LED_ON) if address in AUDITED else Page(model.see)
        ),
        # The address without a page's name leads to the page, whoever asks.
        f"{base}<id>/": Page(ALL_STAFF, shows=LED_ON),
    }


PAGES_OF_MODELS = {
    address: page
    for name, model in MODELS.items()
    for address, page in _pages_of(name, model).items()
}

OWN_PAGES = {
    "admin/parameters/": Page(EVERY_ROLE, methods=READING),
    "admin/parameters/<id>/": Page(EVERY_ROLE, methods=READING),
    "admin/processes/processmodel/<id>/parameters/": Page(EVERY_ROLE, shows=LED_ON),
    "admin/processes/processmodel/<id>/schedule/": Page(OPERATORS, shows=LED_ON),
    "admin/processes/run/<id>/live/": Page(EVERY_ROLE),
    "admin/processes/run/<id>/log/": Page(EVERY_ROLE),
    "admin/processes/run/<id>/again/": Page(OPERATORS, OPERATORS),
    "admin/processes/run/<id>/cancel/": Page(OPERATORS, OPERATORS),
    "admin/processes/worker/<id>/now/": Page(EVERY_ROLE),
    "admin/processes/worker/<id>/pause/": Page(OPERATORS, OPERATORS),
    "admin/processes/worker/<id>/resume/": Page(OPERATORS, OPERATORS),
    "admin/processes/worker/nodes/<id>/drain/": Page(OPERATORS, OPERATORS),
    "admin/processes/worker/nodes/<id>/resume/": Page(OPERATORS, OPERATORS),
    "admin/scheduler/schedule/preview/": Page(OPERATORS),
    "admin/scheduler/schedule/<id>/ledger/": Page(EVERY_ROLE),
    "admin/scheduler/schedule/<id>/show-ledger/": Page(EVERY_ROLE, shows=LED_ON),
    "admin/scheduler/schedule/<id>/run/": Page(OPERATORS, OPERATORS),
    "admin/scheduler/schedule/<id>/pause/": Page(OPERATORS, OPERATORS),
    "admin/scheduler/schedule/<id>/resume/": Page(OPERATORS, OPERATORS),
    "admin/scheduler/schedule/<id>/skip/": Page(OPERATORS, OPERATORS),
    "admin/scheduler/schedule/<id>/enable/": Page(OPERATORS, OPERATORS),
    "admin/scheduler/schedule/<id>/disable/": Page(OPERATORS, OPERATORS),
    "admin/scheduler/schedule/<id>/duplicate/": Page(OPERATORS, OPERATORS),
    "admin/audit/": Page(ADMINISTRATORS),
    "admin/audit/<id>/<id>/": Page(ADMINISTRATORS),
    "admin/connector/apiclient/<id>/passwords/<id>/revoke/": Page(ADMINISTRATORS, ADMINISTRATORS),
    "admin/connector/apiclient/<id>/new-password/": Page(ADMINISTRATORS, ADMINISTRATORS),
    "admin/auth/user/<id>/password/": Page(ADMINISTRATORS, ADMINISTRATORS),
}

# What the admin offers to whoever is let in; what the pages list is up to the reader's rights.
ADMIN_ITSELF = {
    "admin/": Page(ALL_STAFF),
    "admin/search/": Page(ALL_STAFF),
    "admin/jsi18n/": Page(ALL_STAFF, methods=READING),
    "admin/password_change/": Page(ALL_STAFF, ALL_STAFF),
    "admin/password_change/done/": Page(ALL_STAFF, methods=READING),
    "admin/autocomplete/": Page(EVERY_ROLE, methods=READING),
    # An app of which the reader may see nothing is not there.
    r"admin/^(?P<app_label>processes|django_celery_beat|scheduler|connector|axes|auth)/$": Page(
        EVERY_ROLE, otherwise=UNKNOWN
    ),
    # No row has a page outside the admin.
    "admin/r/<id>/<id>/": Page(NOBODY, otherwise=UNKNOWN),
    r"admin/(?P<url>.*)$": Page(NOBODY, otherwise=UNKNOWN),
    "admin/logout/": Special(
        {STRANGERS: dict.fromkeys(METHODS_OF_ADMIN, LED_ON), STAFF: {"POST": DONE}}
    ),
    "admin/login/": Special(
        {
            STRANGERS: {"GET": SHOWN, "HEAD": SHOWN, "POST": DONE},
            STAFF: {"GET": LED_ON, "HEAD": SHOWN, "POST": DONE},
        }
    ),
}

READ = dict.fromkeys(READING, SHOWN)
ANY_CASE = "^scheduler/[cC][oO][nN][nN][eE][cC][tT][oO][rR]-[aA][pP][iI]/process/"
OUTSIDE = {
    "": Open(dict.fromkeys(METHODS, LED_ON)),
    "scheduler/connector-api/process/start": Api("POST", DONE),
    "scheduler/connector-api/process/status/<id>": Api("GET", SHOWN),
    ANY_CASE + "start/?$": Api("POST", DONE),
    ANY_CASE + "status/(?P<robusta_spid>[^/]+)/?$": Api("GET", SHOWN),
    "api/schema/": Open(READ | {"OPTIONS": SHOWN}),
    "api/docs/": Open(READ | {"OPTIONS": SHOWN}),
    "healthz": Open(READ),
    "readyz": Open(dict.fromkeys(READING, HEALTH)),
    "metrics": Open(READ),
}

ADDRESSES: dict[str, Any] = PAGES_OF_MODELS | OWN_PAGES | ADMIN_ITSELF | OUTSIDE
