"""API clients: who may call the connector API, and with what password."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import Count, F, Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import display

from connector.admin.client_export import ApiClientExport
from connector.admin.client_filters import UseFilter
from connector.admin.client_form import ApiClientForm
from connector.admin.refusals import show_refusals
from connector.admin.secret_pages import SecretPages
from connector.models import ApiClient
from processes.admin.audited import AuditedPages
from processes.admin.export import CsvExport
from processes.admin.wording import coloured, show_time


@admin.register(ApiClient)
class ApiClientAdmin(CsvExport, AuditedPages, SecretPages, ModelAdmin):
    """The systems that may call the connector API. Their passwords are never stored."""

    form = ApiClientForm
    list_display = [
        "name_and_description",
        "shown_state",
        "shown_limits",
        "shown_use",
        "shown_expiry",
    ]
    list_filter = ["enabled", UseFilter, "applications"]
    search_fields = ["name", "description"]
    ordering = ["name"]  # Django leaves out the model's where rows are counted
    actions = ["save_as_csv"]
    csv_resource = ApiClientExport
    actions_detail = ["new_password"]
    autocomplete_fields = ["applications", "process_models", "workers"]
    fieldsets = [
        (None, {"fields": ["name", "description", "enabled", "expires_at"]}),
        (
            _("May use"),
            {
                "fields": [
                    ("only_listed_process_models", "only_listed_workers"),
                    "applications",
                    "process_models",
                    "workers",
                ],
                "description": _(
                    "Everything, unless it is limited. A limit stays when what is listed is"
                    " deleted: with nothing left in the list, nothing may be used."
                ),
            },
        ),
        (_("From where, and how often"), {"fields": ["allowed_networks", "rate_limit"]}),
        (_("Passwords and calls"), {"fields": ["shown_secrets", "shown_use", "shown_refusals"]}),
    ]
    readonly_fields = ["shown_secrets", "shown_use", "shown_refusals"]

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
        limits: list[tuple[str, Any]] = [
            (_now("applications"), client.application_count),
            (_now("process models"), client.process_model_count),
            (_now("workers"), client.worker_count),
            (_now("networks"), len(client.allowed_networks)),
            (_now("requests a minute"), client.rate_limit),
        ]
        named = [f"{name}: {count}" for name, count in limits if count]
        if client.only_listed_process_models and not (
            client.application_count or client.process_model_count
        ):
            named.insert(0, _now("no process model"))
        if client.only_listed_workers and not client.worker_count:
            named.append(_now("no worker"))
        return ", ".join(named) or _now("everything")

    @admin.display(description=_("last used at"), ordering=F("last_used_at").desc(nulls_last=True))
    def shown_use(self, client: ApiClient) -> str:
        """Return when it last called with a right password, to the minute."""
        return show_time(client.last_used_at) or _now("never")

    @admin.display(description=_("refused"))
    def shown_refusals(self, client: ApiClient) -> SafeString:
        """Return from where it was refused in the last day, why, and whether it still is."""
        return show_refusals(client)

    @admin.display(description=_("expires at"), ordering="expires_at")
    def shown_expiry(self, client: ApiClient) -> str:
        """Return when it ends."""
        return show_time(client.expires_at) or _now("never")

    def save_model(self, request: HttpRequest, obj: ApiClient, form: Any, change: bool) -> None:
        """Give a new client its password, which is shown once."""
        super().save_model(request, obj, form, change)
        if not change:
            # It goes from here to `response_add` with the object, which is not stored again.
            obj.new_secret = obj.add_secret()  # type: ignore[attr-defined]

    def response_add(
        self, request: HttpRequest, obj: ApiClient, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the password of a new client, in the answer itself: no message keeps it."""
        return self.show_once(request, obj, obj.new_secret)  # type: ignore[attr-defined]

    def get_form(self, request: HttpRequest, obj: ApiClient | None = None, **kwargs: Any) -> Any:
        """Name the zone that a time is read in."""
        zone = _now("In %(zone)s. Empty: never.") % {"zone": settings.TIME_ZONE}
        kwargs["help_texts"] = {"expires_at": zone}
        return super().get_form(request, obj, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: ApiClient | None = None) -> Any:
        """Leave out passwords and calls of a client that is still to be made."""
        fieldsets = super().get_fieldsets(request, obj)
        return fieldsets if obj else fieldsets[:-1]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiClient]:
        """Return the clients with their limits and passwords counted."""
        clients: QuerySet[ApiClient] = super().get_queryset(request)
        return clients.annotate(
            application_count=Count("applications", distinct=True),
            process_model_count=Count("process_models", distinct=True),
            worker_count=Count("workers", distinct=True),
            secret_count=Count(
                "secrets",
                filter=Q(secrets__expires_at=None) | Q(secrets__expires_at__gt=Now()),
                distinct=True,
            ),
        )
