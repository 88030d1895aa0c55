"""API clients: who may call the connector API, and with what password."""

from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

from connector.client_creation import replace_secrets
from connector.models import ApiClient
from processes.admin.audited import AuditedPages
from processes.admin.confirmation import ask_first, is_confirmed
from processes.admin.wording import coloured, show_time


@admin.register(ApiClient)
class ApiClientAdmin(AuditedPages, ModelAdmin):
    """The systems that may call the connector API. Their passwords are never stored."""

    list_display = ["name_and_description", "shown_state", "shown_limits", "shown_expiry"]
    list_filter = ["enabled"]
    search_fields = ["name", "description"]
    actions_detail = ["new_password"]
    autocomplete_fields = ["applications", "process_models", "workers"]
    fieldsets = [
        (None, {"fields": ["name", "description", "enabled", "expires_at"]}),
        (_("May use"), {"fields": ["applications", "process_models", "workers"]}),
    ]

    @display(description=_("user name"), ordering="name", header=True)
    def name_and_description(self, client: ApiClient) -> tuple[str, str]:
        """Return the user name over what people say of it."""
        return client.name, client.description

    @admin.display(description=_("state"))
    def shown_state(self, client: Any) -> SafeString:
        """Return whether its calls are answered, and if not, why."""
        if not client.enabled:
            return coloured(_now("disabled"))
        if client.expires_at and client.expires_at <= timezone.now():
            return coloured(_now("expired"), "danger")
        if not client.secret_count:
            return coloured(_now("no password"), "warning")
        return coloured(_now("enabled"), "success")

    @admin.display(description=_("may use"))
    def shown_limits(self, client: Any) -> str:
        """Return what it is limited to."""
        limits = [
            (_now("applications"), client.application_count),
            (_now("process models"), client.process_model_count),
            (_now("workers"), client.worker_count),
        ]
        named = [f"{name}: {count}" for name, count in limits if count]
        return ", ".join(named) or _now("everything")

    @admin.display(description=_("expires at"), ordering="expires_at")
    def shown_expiry(self, client: ApiClient) -> str:
        """Return when it ends."""
        return show_time(client.expires_at) or _now("never")

    @action(
        description=_("New password"),
        icon="lock_reset",
        url_path="new-password",
        permissions=["change"],
    )
    def new_password(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Replace every password of the client by a new one, once confirmed."""
        client: ApiClient | None = self.get_object(request, object_id)
        if client is None:
            raise Http404
        if not is_confirmed(request):
            return self._ask_for_new_password(request, client)
        self._show_once(request, client, replace_secrets(client))
        self.log_change(request, client, _now("New password."))
        return HttpResponseRedirect(reverse("admin:connector_apiclient_change", args=[client.pk]))

    def _ask_for_new_password(self, request: HttpRequest, client: ApiClient) -> HttpResponse:
        return ask_first(
            request,
            self,
            title=_now("New password"),
            consequence=_now(
                "The present password stops working within five seconds: calls with it are"
                " refused. The new one is shown once, on the next page."
            ),
            button=_now("Make a new password"),
            objects=[client],
        )

    def _show_once(self, request: HttpRequest, client: ApiClient, secret: str) -> None:
        text = render_to_string(
            "admin/connector/apiclient/secret.html", {"client": client, "secret": secret}
        )
        self.message_user(request, text, messages.WARNING)

    def save_model(self, request: HttpRequest, obj: ApiClient, form: Any, change: bool) -> None:
        """Give a new client its password, which is shown once."""
        super().save_model(request, obj, form, change)
        if not change:
            self._show_once(request, obj, obj.add_secret())

    def get_form(self, request: HttpRequest, obj: ApiClient | None = None, **kwargs: Any) -> Any:
        """Name the zone that a time is read in."""
        zone = _now("In %(zone)s. Empty: never.") % {"zone": settings.TIME_ZONE}
        kwargs["help_texts"] = {"expires_at": zone}
        return super().get_form(request, obj, **kwargs)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiClient]:
        """Return the clients with their limits and passwords counted."""
        clients: QuerySet[ApiClient] = super().get_queryset(request)
        return clients.annotate(
            application_count=Count("applications", distinct=True),
            process_model_count=Count("process_models", distinct=True),
            worker_count=Count("workers", distinct=True),
            secret_count=Count("secrets", distinct=True),
        )
