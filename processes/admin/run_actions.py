"""What people can do to a run: asked first, then done by POST."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action

from processes import queueing
from processes.admin.confirmation import ask_first, is_confirmed

CANCEL_PERMISSION = "processes.cancel_run"


class RunActions:
    """The buttons on the page of a run."""

    actions_detail = ["run_again", "cancel_one"]

    @action(description=_("Cancel"), icon="cancel", url_path="cancel", permissions=["cancel"])
    def cancel_one(self: Any, request: HttpRequest, object_id: str) -> HttpResponse:
        """Cancel this run, once confirmed."""
        run = self.get_object(request, object_id)
        if run is None:
            raise Http404
        page = reverse("admin:processes_run_change", args=[run.pk])
        if not is_confirmed(request):
            return ask_first(
                request,
                self,
                title=_now("Cancel the run"),
                consequence=_now(
                    "If it waits, it never begins. If it is running, its process is told to end, and"
                    " killed after its grace; what it has done by then is not undone. If it succeeds"
                    " before, it stays succeeded."
                ),
                button=_now("Cancel the run"),
                objects=[f"{run.process_model} {run.pk}"],
                cancel_url=page,
            )
        if queueing.cancel_run(run.pk, requested_by=str(request.user)):
            self.log_change(request, run, _now("Cancelled."))
            self.message_user(request, _now("The run is being cancelled."), messages.SUCCESS)
        else:
            told = _now("There is nothing to cancel: it has ended, or somebody was first.")
            self.message_user(request, told, messages.WARNING)
        return HttpResponseRedirect(page)

    def has_cancel_permission(self: Any, request: HttpRequest, object_id: Any = None) -> bool:
        """Offer the button to those who may cancel, while there is something to cancel."""
        if not request.user.has_perm(CANCEL_PERMISSION):
            return False
        if object_id is None or request.method == "POST":
            return True  # a run that has ended meanwhile is told in words
        run = self.get_object(request, object_id)
        return run is None or not run.is_finished
