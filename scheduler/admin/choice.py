"""The first step of a new schedule: what it is to run."""

from typing import Any

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from processes.models import ProcessModel

PROCESS_MODEL = "process_model"
MAX_OFFERED = 100


def find_process_model(request: HttpRequest) -> ProcessModel | None:
    """Return the process model that the address names, None when it names none that exists."""
    chosen = request.GET.get(PROCESS_MODEL, "")
    if not (chosen.isascii() and chosen.isdigit() and len(chosen) < 19):
        return None
    return ProcessModel.objects.prefetch_related("parameters").filter(pk=chosen).first()


def choose_process_model(request: HttpRequest, model_admin: Any) -> HttpResponse:
    """Return the page that offers the process models, narrowed by what is searched for."""
    wanted = request.GET.get("q", "").replace("\0", "").strip()
    found = ProcessModel.objects.filter(Q(name__icontains=wanted) | Q(title__icontains=wanted))
    offered = list(found[: MAX_OFFERED + 1])
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": _("What shall it run?"),
        "wanted": wanted,
        "offered": offered[:MAX_OFFERED],
        "is_cut": len(offered) > MAX_OFFERED,
    }
    return TemplateResponse(request, "admin/scheduler/schedule/choose.html", context)
