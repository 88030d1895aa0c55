"""Pages whose changes are told by the audit, each as one entry, and which lead to it."""

from contextlib import nullcontext
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode

from processes.models.trails import recording

AUDIT_PERMISSION = "config.view_audit"
READING = ("GET", "HEAD", "OPTIONS", "TRACE")


def may_view_audit(request: HttpRequest) -> bool:
    """Tell whether the reader may see who changed what."""
    return request.user.has_perm(AUDIT_PERMISSION)


def audit_of(model: Any, key: Any) -> str:
    """Return the address of the entries of one object."""
    return f"{reverse('audit')}?{urlencode({'object': f'{model._meta.label_lower}:{key}'})}"


class AuditedPages:
    """The form's fields and relations are one entry of the object; the history is the audit's.

    Mix it in before the admin class.
    """

    def changeform_view(
        self: Any,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> HttpResponse:
        """Store what the form says as one entry; offer the history to those who may read it."""
        context = {"show_history": may_view_audit(request), **(extra_context or {})}
        view = super().changeform_view  # type: ignore[misc]  # of the admin it is mixed into
        scope = nullcontext() if request.method in READING else recording()
        with scope:
            answer: HttpResponse = view(request, object_id, form_url, context)
        return answer

    def history_view(
        self: Any, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """Lead to the entries of the object."""
        if not may_view_audit(request):
            raise PermissionDenied
        return HttpResponseRedirect(audit_of(self.model, object_id))
