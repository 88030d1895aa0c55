"""Every answer carries the id by which the logs know its request."""

import uuid
from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse

from processes.origin import Actor, acting

HEADER = "X-Request-ID"


class RequestIdMiddleware:
    """Give each request an id of ours; a client's own is not taken, since it could forge one."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request with the id in its header and in every log line written meanwhile."""
        request_id = uuid.uuid4().hex
        request.META["ARABICA_REQUEST_ID"] = request_id
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = self._get_response(request)
        response[HEADER] = request_id
        return response


class OriginMiddleware:
    """Have the audit know who asks, from where; it comes after what knows the user."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request as its user; a caller of the API is named once it is known."""
        with acting(
            lambda: _find_user(request),
            address=request.META.get("REMOTE_ADDR", ""),
            request_id=request.META.get("ARABICA_REQUEST_ID", ""),
        ):
            return self._get_response(request)


def _find_user(request: HttpRequest) -> Actor:
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return Actor("nobody")
    return Actor(f"user:{user.get_username()}", user.pk)
