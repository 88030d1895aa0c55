"""The audit in the admin: who did what, when and from where; read only."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _

from config.audit_search import PER_PAGE, SEARCHED, Wanted, find_entries, find_entry, kinds
from config.audit_wording import name_kind, show_entries
from processes.admin.audited import may_view_audit


def list_view(request: HttpRequest) -> HttpResponse:
    """Show the newest entries that are asked for."""
    _check(request)
    wanted = Wanted.of(request.GET)
    found = find_entries(wanted, PER_PAGE + 1)
    entries, has_older = found[:PER_PAGE], len(found) > PER_PAGE
    rows = show_entries(request, entries, wanted)
    context = {
        "title": _("Audit"),
        "wanted": wanted,
        "about": _name_object(wanted, entries),
        "kinds": sorted(((kind, name_kind(kind)) for kind in kinds()), key=lambda each: each[1]),
        "rows": rows,
        "older": wanted.address(before=entries[-1].history_id) if has_older else "",
        "newest": wanted.address() if wanted.before else "",
        "is_narrowed": wanted.address() != "?",
        "looked_back": SEARCHED.days if wanted.looks_back else None,
        "all_objects": wanted.address(object=""),
        "days": settings.AUDIT_RETENTION_DAYS,
    }
    return _answer(request, "admin/audit/list.html", context)


def entry_view(request: HttpRequest, source: str, history_id: UUID) -> HttpResponse:
    """Show one entry whole."""
    _check(request)
    entry = find_entry(source, history_id)
    if entry is None:
        raise Http404
    [row] = show_entries(request, [entry], Wanted(), whole=True)
    title = _("Audit entry")
    return _answer(request, "admin/audit/entry.html", {"title": title, "row": row})


def _check(request: HttpRequest) -> None:
    if not may_view_audit(request):
        raise PermissionDenied


def _name_object(wanted: Wanted, entries: list[Any]) -> str:
    """Return what the object that is asked about was called last."""
    for entry in entries:
        if f"{entry.model}:{entry.key}" == wanted.about:
            return str(entry.object_name)
    return wanted.about


def _answer(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    zone = {"zone": settings.TIME_ZONE}
    return TemplateResponse(request, template, admin.site.each_context(request) | zone | context)


urlpatterns: list[URLPattern] = [
    path("", admin.site.admin_view(list_view), name="audit"),
    path("<str:source>/<uuid:history_id>/", admin.site.admin_view(entry_view), name="audit_entry"),
]
