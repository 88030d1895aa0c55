"""The page that says what an action will do before it is done, by POST."""

from collections.abc import Iterable
from typing import Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.http import HttpRequest
from django.template.response import TemplateResponse

CONFIRMED = "confirmed"


def is_confirmed(request: HttpRequest) -> bool:
    """Tell whether the request comes from the confirmation page."""
    return request.method == "POST" and CONFIRMED in request.POST


def ask_first(
    request: HttpRequest,
    model_admin: Any,
    *,
    title: str,
    consequence: str,
    button: str,
    objects: Iterable[Any],
    asks_reason: bool = False,
    form: Any = None,
    cancel_url: str = "",
) -> TemplateResponse:
    """Return the confirmation page; its button posts the same request again, confirmed.

    It serves actions on a selection, whose choice is carried along, and pages of one object. What
    `form` asks is posted with it.
    """
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": title,
        "consequence": consequence,
        "button": button,
        "objects": objects,
        "asks_reason": asks_reason,
        "form": form,
        "cancel_url": cancel_url,
        "action": request.POST.get("action", ""),
        "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
        "selected_name": ACTION_CHECKBOX_NAME,
        # Every row that the list's filters find, not only those of the page.
        "select_across": request.POST.get("select_across", ""),
        "confirmed_name": CONFIRMED,
    }
    return TemplateResponse(request, "admin/confirm_action.html", context)
