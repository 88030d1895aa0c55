"""Headers that tell a browser what it may do with an answer: as little as the page needs."""

from collections.abc import Callable

from csp.constants import NONE
from csp.middleware import CSPMiddleware
from csp.utils import build_policy
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

POLICY = "Content-Security-Policy"

# JSON, text, scripts and images load nothing; nobody may show them in a frame either.
POLICY_OF_DATA = build_policy(
    {name: [NONE] for name in ("default-src", "base-uri", "form-action", "frame-ancestors")}
)
UNUSED_FEATURES = (
    "accelerometer",
    "camera",
    "display-capture",
    "geolocation",
    "gyroscope",
    "magnetometer",
    "microphone",
    "midi",
    "payment",
    "usb",
)


class ProtectiveHeaders(CSPMiddleware):
    """Add to every answer the headers that it has not set itself.

    It stands outside the middleware that may answer in place of a view (a redirect to https, a host
    not allowed, an outage), since those pass by the headers of what stands further inside. Pages
    get the policy of the settings, which a view may replace by django-csp's decorators; building it
    takes a tenth of a millisecond, so everything else gets one that was built at the start.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        super().__init__(get_response)
        self._answer = get_response
        self._for_all = {
            "Cache-Control": "no-store",  # static files say how long they may be kept
            "Cross-Origin-Resource-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
        }
        self._for_pages = {
            "Cross-Origin-Opener-Policy": settings.SECURE_CROSS_ORIGIN_OPENER_POLICY,
            "Permissions-Policy": ", ".join(f"{feature}=()" for feature in UNUSED_FEATURES),
            "Referrer-Policy": settings.SECURE_REFERRER_POLICY,
            "X-Frame-Options": settings.X_FRAME_OPTIONS,
        }

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request with all headers."""
        response = self._answer(request)
        _add(response, self._for_all)
        if settings.SECURE_HSTS_SECONDS and request.is_secure():
            _add(response, {"Strict-Transport-Security": _strict_transport_security()})
        if response.headers.get("Content-Type", "").startswith("text/html"):
            _add(response, self._for_pages)
            return self.process_response(request, response)
        _add(response, {POLICY: POLICY_OF_DATA})
        return response


def _add(response: HttpResponseBase, headers: dict[str, str]) -> None:
    for name, value in headers.items():
        response.headers.setdefault(name, value)


def _strict_transport_security() -> str:
    """Return the header as Django's SecurityMiddleware writes it."""
    parts = [f"max-age={settings.SECURE_HSTS_SECONDS}"]
    if settings.SECURE_HSTS_INCLUDE_SUBDOMAINS:
        parts.append("includeSubDomains")
    if settings.SECURE_HSTS_PRELOAD:
        parts.append("preload")
    return "; ".join(parts)
