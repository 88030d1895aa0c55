"""Answers outside the API's own views: JSON for its callers, pages for people."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults

from connector.exceptions import error_body, internal_error_body

API_PREFIX = "/scheduler/"


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that Django itself refuses, such as one for a host not allowed."""
    if _is_for_api(request):
        return JsonResponse(
            error_body("The request is refused: check host and headers.", "bad_request"), status=400
        )
    return defaults.bad_request(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer for an address that does not exist."""
    if _is_for_api(request):
        return JsonResponse(
            error_body("There is nothing at this address.", "not_found"), status=404
        )
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer for a fault of ours outside the API's views."""
    if _is_for_api(request):
        return JsonResponse(
            internal_error_body(request.META.get("ARABICA_REQUEST_ID", "")), status=500
        )
    return defaults.server_error(request)


def _is_for_api(request: HttpRequest) -> bool:
    return request.path_info.startswith(API_PREFIX)
