"""The methods that pages of the admin are asked by; others would be taken for GET."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponseBase, HttpResponseNotAllowed
from django.urls import reverse

METHODS = ("GET", "HEAD", "POST")


class AdminMethodsMiddleware:
    """Refuse every other method below the admin, so that no page is left to guess what was meant."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request."""
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Any, args: Any, kwargs: Any
    ) -> HttpResponseNotAllowed | None:
        """Answer 405 in place of the view."""
        if request.method in METHODS or not request.path.startswith(reverse("admin:index")):
            return None
        return HttpResponseNotAllowed(METHODS)
