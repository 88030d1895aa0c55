"""The Parameters page: for each process model, the request to copy and the answer to expect."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from connector.documentation import EXAMPLE_ID
from connector.identities import Identity
from connector.known_clients import clients
from connector.models import ApiClient
from connector.samples import Addresses, Sample, build_sample, show_default
from processes.models import Parameter, ProcessModel, Worker

MAX_ID = 2**63 - 1
MAX_SECTIONS = 100
NO_CLIENT = "$ARABICA_USER"


@dataclass(frozen=True)
class Section:
    """What the page shows of one process model."""

    process_model: ProcessModel
    parameters: list[tuple[Parameter, str]]
    sample: Sample
    warnings: list[str]


# `admin_view` asks for any member of the staff; the permission is asked for here.
@admin.site.admin_view
@require_safe
@permission_required("processes.view_processmodel", raise_exception=True)
def show_parameters(request: HttpRequest, process_model_id: int | None = None) -> HttpResponse:
    """Show one section for each process model asked for, by the address or as `?id=1&id=2`."""
    process_models = _find_process_models(request, process_model_id)
    clients = list(_usable_clients())
    client = _choose_client(request, clients, process_models)
    addresses = _addresses(request)
    context = {
        **admin.site.each_context(request),
        "title": _("Parameters"),
        "sections": _build_sections(process_models, addresses, client),
        "addresses": addresses,
        "clients": clients,
        "client": client,
        "ids": request.GET.getlist("id"),
    }
    return render(request, "connector/parameters.html", context)


def _find_process_models(request: HttpRequest, process_model_id: int | None) -> list[ProcessModel]:
    """Return the process models asked for by name. Raise Http404 if there is none of them."""
    ids = _read_ids(request.GET.getlist("id"))
    if process_model_id is not None:
        ids.append(process_model_id)
    found = list(
        ProcessModel.objects.filter(pk__in=[pk for pk in ids if pk <= MAX_ID])
        .select_related("default_worker")
        .prefetch_related("parameters", "outputs")[:MAX_SECTIONS]
    )
    if not found:
        raise Http404(_("No process model of this id exists."))
    return found


def _read_ids(texts: Sequence[str]) -> list[int]:
    return [int(text) for text in texts if text.isascii() and text.isdigit() and len(text) < 20]


def _usable_clients() -> QuerySet[ApiClient]:
    return ApiClient.objects.filter(enabled=True).filter(
        Q(expires_at=None) | Q(expires_at__gt=Now())
    )


def _choose_client(
    request: HttpRequest, clients: Sequence[ApiClient], process_models: Sequence[ProcessModel]
) -> ApiClient | None:
    """Return the client that the reader chose, else the first that may start all of them."""
    chosen = request.GET.get("client")
    fitting = (client for client in clients if _may_run_all(client, process_models))
    by_id = {str(client.pk): client for client in clients}
    return by_id.get(chosen or "") or next(fitting, None) or next(iter(clients), None)


def _may_run_all(client: ApiClient, process_models: Sequence[ProcessModel]) -> bool:
    identity = _identify(client)
    return identity is not None and all(map(identity.may_run, process_models))


def _identify(client: ApiClient) -> Identity | None:
    """Return what the API would make of the client."""
    known = clients.get(client.name)
    return known.identity if known and known.enabled else None


def _addresses(request: HttpRequest) -> Addresses:
    status = request.build_absolute_uri(reverse("connector:status", args=[EXAMPLE_ID]))
    return Addresses(
        start=request.build_absolute_uri(reverse("connector:start")),
        status_prefix=status.removesuffix(EXAMPLE_ID),
    )


def _build_sections(
    process_models: Sequence[ProcessModel], addresses: Addresses, client: ApiClient | None
) -> list[Section]:
    workers = list(Worker.objects.filter(enabled=True))
    identity = _identify(client) if client else None
    return [
        Section(
            process_model,
            [(each, show_default(each)) for each in process_model.parameters.all()],
            build_sample(
                process_model,
                addresses=addresses,
                user=client.name if client else NO_CLIENT,
                worker_id=_choose_worker(process_model, workers, identity),
            ),
            _warn(process_model, identity),
        )
        for process_model in process_models
    ]


def _choose_worker(
    process_model: ProcessModel, workers: Sequence[Worker], identity: Identity | None
) -> int | None:
    """Return the default worker, else the first one that may be named; None if none may."""
    usable = [worker.pk for worker in workers if identity is None or identity.may_use(worker.pk)]
    if process_model.default_worker_id in usable:
        return process_model.default_worker_id
    return next(iter(usable), None)


def _warn(process_model: ProcessModel, identity: Identity | None) -> list[str]:
    """Return why the request as shown would be refused."""
    warnings = []
    if not process_model.enabled:
        warnings.append(_("This process model is disabled: a start is refused."))
    if identity is None:
        warnings.append(_("No API client can be used yet; an administrator adds one."))
    elif not identity.may_run(process_model):
        warnings.append(
            _("The API client %(name)s may not start this process model.") % {"name": identity.name}
        )
    return warnings
