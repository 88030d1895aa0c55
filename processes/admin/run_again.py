"""Running a run again: the same values, each of which may be changed before."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core import signing
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action

from processes import queueing
from processes.admin.run_form import OTHER_VALUES, RunForm
from processes.models import Run
from processes.models.runs import new_run_id

START_PERMISSION = "processes.start_run"
# The id of a run says when it was made: one that a form has kept for longer would be misplaced.
FORM_LASTS = 3600  # seconds
TOKEN = "token"  # noqa: S105 - the name of an input
SALT = "processes.run_again"


class AgainForm(RunForm):
    """The options and values of a run, to make another one of them."""

    def __init__(self, data: Any = None, *, run: Run) -> None:
        self.process_model = run.process_model
        initial = {
            "worker": run.worker_id,
            "priority": run.priority,
            "retry_count": run.retry_count,
            "retry_delay": run.retry_delay,
        }
        super().__init__(data, initial=initial)
        self.add_values(run.values)
        if OTHER_VALUES in self.fields and not self.process_model.takes_any_value():
            self.fields[OTHER_VALUES].label = _("Values it no longer takes")
            self.fields[OTHER_VALUES].help_text = _(
                "The process model no longer declares them; take them out to run it."
            )

    def clean(self) -> dict[str, Any]:
        """Refuse what could not begin."""
        if not self.process_model.enabled:
            self.add_error(
                None,
                ValidationError(
                    _now("The process model %(name)s is disabled; enable it, then run again.")
                    % {"name": self.process_model}
                ),
            )
        return super().clean()


class RunAgain:
    """The button on the page of a run, and the form it leads to."""

    @action(
        description=_("Run again"),
        icon="replay",
        url_path="again",
        permissions=["view", "start"],
    )
    def run_again(self: Any, request: HttpRequest, object_id: str) -> HttpResponse:
        """Make another run of the values in the form; a form that is sent twice makes one."""
        run = self.get_object(request, object_id)
        if run is None:
            raise Http404
        form = AgainForm(request.POST if request.method == "POST" else None, run=run)
        if form.is_bound:
            new_id = _read_token(request, run)
            if new_id is None:
                form.add_error(
                    None, _now("This form is over an hour old; look at it, send it again.")
                )
            if form.is_valid() and new_id:
                return _start(self, request, run, form, new_id)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": run,
            "title": _now("Run again"),
            "form": form,
            "token_name": TOKEN,
            "token": _make_token(request, run),
        }
        return TemplateResponse(request, "admin/processes/run/again.html", context)

    def has_start_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Offer the button to those who may start runs."""
        return request.user.has_perm(START_PERMISSION)


def _start(
    page: Any, request: HttpRequest, run: Run, form: AgainForm, new_id: UUID
) -> HttpResponse:
    address = reverse("admin:processes_run_change", args=[new_id])
    options = {
        name: form.cleaned_data[name]
        for name in ("worker", "priority", "retry_count", "retry_delay")
    }
    try:
        with transaction.atomic():
            new = queueing.queue_run(
                run.process_model,
                form.checked_values or {},
                run_id=new_id,
                requested_by=f"{request.user}, again of {run.pk}",
                **options,
            )
            page.log_addition(request, new, _now("Again of %(run)s.") % {"run": run.pk})
    except IntegrityError:  # sent before, and perhaps at the same moment
        if not Run.objects.filter(pk=new_id).exists():
            raise
        told = _now("This form was sent before: this is its run. No other one was started.")
        page.message_user(request, told, messages.WARNING)
    else:
        told = format_html(
            _now('This is the new run. It was made from the run <a href="{address}">{run}</a>.'),
            address=reverse("admin:processes_run_change", args=[run.pk]),
            run=run.pk,
        )
        page.message_user(request, told, messages.SUCCESS)
    return HttpResponseRedirect(address)


def _make_token(request: HttpRequest, run: Run) -> str:
    """Return the id of the run that the form will make, so that sending it twice makes one."""
    said = {"id": str(new_run_id()), "of": str(run.pk), "user": request.user.pk}
    return signing.dumps(said, salt=SALT)


def _read_token(request: HttpRequest, run: Run) -> UUID | None:
    """Return the id in the form; None when it is too old, or was not made for this reader and run."""
    try:
        said = signing.loads(request.POST.get(TOKEN, ""), salt=SALT, max_age=FORM_LASTS)
    except signing.BadSignature:
        return None
    is_meant = (said["of"], said["user"]) == (str(run.pk), request.user.pk)
    return UUID(said["id"]) if is_meant else None
