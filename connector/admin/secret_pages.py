"""The passwords of an API client: which are live, a new one, and an end to one."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.cache import add_never_cache_headers
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action
from unfold.widgets import UnfoldAdminSelectWidget

from connector.models import ApiClient, ApiSecret
from connector.rotation import find_live_secrets, revoke_secret, rotate_secret
from processes.admin.confirmation import ask_first, is_confirmed
from processes.admin.widgets import CodeInput
from processes.admin.wording import show_time

MAX_DAYS = 3650
KEEP_CHOICES = [
    ("0", _("at once")),
    ("1", _("in an hour")),
    ("24", _("in 24 hours")),
    ("168", _("in 7 days")),
]
TEMPLATE = "admin/connector/apiclient/new_secret.html"


class NewSecretForm(forms.Form):
    """How long the present password lives on, and the new one."""

    keep = forms.ChoiceField(
        label=_("The present password stops working"),
        choices=KEEP_CHOICES,
        initial="24",
        widget=UnfoldAdminSelectWidget,
    )
    days = forms.IntegerField(
        label=_("Days until the new password expires"),
        required=False,
        min_value=1,
        max_value=MAX_DAYS,
        widget=CodeInput({"inputmode": "numeric"}),
        help_text=_("Empty: never."),
    )
    # A form that is sent twice makes one password: the second time another one is the newest.
    newest = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, data: Any, *, newest: str) -> None:
        super().__init__(data, initial={"newest": newest})
        if not newest:
            del self.fields["keep"]

    @property
    def kept_for(self) -> timedelta:
        """Return how long the present password lives on."""
        return timedelta(hours=int(self.cleaned_data.get("keep") or 0))

    @property
    def valid_for(self) -> timedelta | None:
        """Return how long the new password lives, None for ever."""
        days = self.cleaned_data["days"]
        return timedelta(days=days) if days else None


class SecretPages:
    """The pages that make and revoke passwords, for the admin of API clients."""

    @admin.display(description=_("passwords"))
    def shown_secrets(self: Any, client: ApiClient) -> SafeString:
        """Return the live ones, newest first; none of them can be read."""
        context = {"secrets": find_live_secrets(client), "may_revoke": client.may_be_changed}  # type: ignore[attr-defined]
        return render_to_string("admin/connector/apiclient/secrets.html", context)

    def get_object(self: Any, request: HttpRequest, *arguments: Any, **options: Any) -> Any:
        """Return the client, which knows whether the reader may change it."""
        client = super().get_object(request, *arguments, **options)  # type: ignore[misc]
        if client is not None:
            client.may_be_changed = self.has_change_permission(request, client)
        return client

    def get_urls(self: Any) -> list[URLPattern]:
        """Add the page that revokes one."""
        view = self.admin_site.admin_view(self.revoke_view)
        own = path(
            "<int:client_id>/passwords/<int:secret_id>/revoke/",
            view,
            name="connector_apisecret_revoke",
        )
        return [own, *super().get_urls()]  # type: ignore[misc]  # of the admin it is mixed into

    @action(
        description=_("New password"),
        icon="lock_reset",
        url_path="new-password",
        permissions=["change"],
    )
    def new_password(self: Any, request: HttpRequest, object_id: str) -> HttpResponse:
        """Add a password and let the present one live on for a while, once confirmed."""
        client = self._find(request, object_id)
        live = find_live_secrets(client)
        newest = str(live[0].pk) if live else ""
        form = NewSecretForm(request.POST if is_confirmed(request) else None, newest=newest)
        if not form.is_bound or not form.is_valid():
            return _ask_for_new_password(self, request, client, live, form)
        if form.cleaned_data["newest"] != newest:
            self.message_user(request, _now("A new password was made already."), messages.WARNING)
            return HttpResponseRedirect(_page_of(client))
        secret = rotate_secret(client, keep=form.kept_for, valid_for=form.valid_for)
        self.log_change(request, client, _now("New password."))
        answer: HttpResponse = self.show_once(request, client, secret)
        return answer

    def show_once(self: Any, request: HttpRequest, client: ApiClient, secret: str) -> HttpResponse:
        """Return the page that shows a new password; it is stored nowhere, by no browser either."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _now("Password of %(name)s") % {"name": client.name},
            "client": client,
            "secret": secret,
            "live": find_live_secrets(client),
            "back": _page_of(client),
        }
        response = TemplateResponse(request, TEMPLATE, context)
        add_never_cache_headers(response)
        return response

    def revoke_view(
        self: Any, request: HttpRequest, client_id: int, secret_id: int
    ) -> HttpResponse:
        """End one password, once confirmed."""
        client = self._find(request, str(client_id))
        live = find_live_secrets(client)
        secret = next((each for each in live if each.pk == secret_id), None)
        if secret is None:
            raise Http404
        if not is_confirmed(request):
            return ask_first(
                request,
                self,
                title=_now("Revoke a password"),
                consequence=tell_revocation(len(live) - 1),
                button=_now("Revoke"),
                objects=[describe_secret(secret)],
                cancel_url=_page_of(client),
            )
        revoke_secret(secret)
        self.log_change(request, client, _now("Password revoked."))
        self.message_user(request, _now("The password was revoked."), messages.SUCCESS)
        return HttpResponseRedirect(_page_of(client))

    def _find(self: Any, request: HttpRequest, object_id: str) -> ApiClient:
        """Return the client. Raise Http404 for none, PermissionDenied if it may not be changed."""
        client: ApiClient | None = self.get_object(request, object_id)
        if client is None:
            raise Http404
        if not self.has_change_permission(request, client):
            raise PermissionDenied
        return client


def _ask_for_new_password(
    model_admin: Any,
    request: HttpRequest,
    client: ApiClient,
    live: list[ApiSecret],
    form: NewSecretForm,
) -> HttpResponse:
    return ask_first(
        request,
        model_admin,
        title=_now("New password"),
        consequence=tell_rotation(live),
        button=_now("Make a new password"),
        objects=[client],
        form=form,
        cancel_url=_page_of(client),
    )


def tell_rotation(live: list[ApiSecret]) -> str:
    """Return what a new password means for those that are live."""
    shown_once = _now("The new password is shown once, on the next page.")
    if not live:
        return shown_once
    kept = _now(
        "The present password, made at %(made)s, goes on working until the time that you choose;"
        " at once means within five seconds."
    ) % {"made": show_time(live[0].created_at)}
    ended = [
        _now(
            "Two at most are live: the older one, made at %(made)s and last used at %(used)s,"
            " stops working within five seconds."
        )
        % {
            "made": show_time(secret.created_at),
            "used": show_time(secret.last_used_at) or _now("no time"),
        }
        for secret in live[1:]
    ]
    return " ".join([shown_once, kept, *ended])


def tell_revocation(others: int) -> str:
    """Return what follows when a password is revoked and so many are left."""
    if others:
        return _now(
            "Calls with this password are refused within five seconds. The other one goes on."
        )
    return _now(
        "Calls with this password are refused within five seconds. It is the only one: the client"
        " cannot call until a new one is made."
    )


def describe_secret(secret: ApiSecret) -> str:
    """Return a password by when it was made and used."""
    return _now("Password of %(name)s, made at %(made)s, last used: %(used)s") % {
        "name": secret.client,
        "made": show_time(secret.created_at),
        "used": show_time(secret.last_used_at) or _now("never"),
    }


def _page_of(client: ApiClient) -> str:
    return reverse("admin:connector_apiclient_change", args=[client.pk])
