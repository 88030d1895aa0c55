"""The wrong log-ins to the admin, for whoever has to let somebody in again."""

from typing import Any

from axes.models import AccessAttempt
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.admin import ModelAdmin

from config.lockouts import NOBODY, find_wait
from processes.admin.confirmation import ask_first, is_confirmed
from processes.admin.wording import coloured, show_duration, show_time


@admin.register(AccessAttempt)
class AccessAttemptAdmin(ModelAdmin):
    """Wrong log-ins of the last minutes, by user name and address."""

    list_display = ["shown_name", "ip_address", "failures_since_start", "shown_time", "shown_lock"]
    list_display_links = None
    search_fields = ["username", "ip_address"]
    actions = ["unlock"]
    ordering = ["-attempt_time", "-pk"]

    @admin.display(description=_("user name"), ordering="username")
    def shown_name(self, attempt: AccessAttempt) -> str:
        """Return the user's name; of others only that there is no such user."""
        if (attempt.username or NOBODY).startswith(NOBODY):
            return _now("a name that no user has")
        return str(attempt.username)

    @admin.display(description=_("last at"), ordering="attempt_time")
    def shown_time(self, attempt: AccessAttempt) -> str:
        """Return when it was last tried."""
        return show_time(attempt.attempt_time)

    @admin.display(description=_("now"))
    def shown_lock(self, attempt: AccessAttempt) -> SafeString:
        """Return for how long its user name is locked out from there."""
        same = AccessAttempt.objects.filter(
            username=attempt.username, ip_address=attempt.ip_address
        )
        wait = find_wait(list(same))
        if not wait:
            return coloured(_now("not locked"))
        return coloured(
            _now("locked for %(duration)s") % {"duration": show_duration(wait)}, "danger"
        )

    @admin.action(description=_("Unlock"), permissions=["delete"])
    def unlock(
        self, request: HttpRequest, queryset: QuerySet[AccessAttempt]
    ) -> HttpResponse | None:
        """Forget the failures of the selected names and addresses, once confirmed."""
        if not is_confirmed(request):
            return self._ask_to_unlock(request, queryset)
        chosen = list(queryset)
        for attempt in chosen:
            AccessAttempt.objects.filter(
                username=attempt.username, ip_address=attempt.ip_address
            ).delete()
        text = ngettext(
            "%(number)d entry was unlocked.", "%(number)d entries were unlocked.", len(chosen)
        )
        self.message_user(request, text % {"number": len(chosen)}, messages.SUCCESS)
        return None

    def _ask_to_unlock(self, request: HttpRequest, attempts: Any) -> HttpResponse:
        return ask_first(
            request,
            self,
            title=_now("Unlock"),
            consequence=_now(
                "Their failures are forgotten: ten more wrong passwords are possible from each of"
                " these addresses, at once."
            ),
            button=_now("Unlock"),
            objects=[f"{self.shown_name(each)}, {each.ip_address or '?'}" for each in attempts],
        )

    def get_actions(self, request: HttpRequest) -> Any:
        """Leave out the deletion, which is what unlocking does."""
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: failures are recorded."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: nothing of a failure can be changed."""
        return False
