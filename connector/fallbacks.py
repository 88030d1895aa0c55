"""Answers outside the API's own views: JSON for its callers, pages for people."""

import re

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults

from connector.exceptions import NO_ADDRESS, REFUSED_ADDRESS, error_body, internal_error_body

# Mistyped ones too: who meant the API reads JSON.
API_ADDRESS = re.compile(r"/*(scheduler|api)(/|\Z)", re.IGNORECASE)
REFUSED_HOST = (
    "The host name of the address is not one of this service; use the address that its operator"
    " gave you."
)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that Django itself refuses, such as one for a host not allowed."""
    if _is_for_api(request):
        message = REFUSED_HOST if isinstance(exception, DisallowedHost) else REFUSED_ADDRESS
        return JsonResponse(error_body(message, "bad_request"), status=400)
    return defaults.bad_request(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer for an address that does not exist."""
    if _is_for_api(request):
        return JsonResponse(error_body(NO_ADDRESS, "not_found"), status=404)
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer for a fault of ours outside the API's views."""
    if _is_for_api(request):
        return JsonResponse(
            internal_error_body(request.META.get("ARABICA_REQUEST_ID", "")), status=500
        )
    return defaults.server_error(request)


def _is_for_api(request: HttpRequest) -> bool:
    return API_ADDRESS.match(request.path_info) is not None
