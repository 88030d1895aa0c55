"""Health addresses for monitors and load balancers."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from scheduler.addresses import is_loopback, is_within
from scheduler.health import Check, check_health_soon
from scheduler.metrics import read_metrics

CLOSED = "Metrics are for this machine and METRICS_ALLOWED_NETWORKS.\n"


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Answer 200 as soon as this process serves."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Answer 200 once every part does its work, else 503 with reason and remedy."""
    health = check_health_soon()
    body = {
        "status": "ready" if health.is_ready else "not ready",
        "checks": {check.name: _describe(check) for check in health.checks},
    }
    return JsonResponse(body, status=200 if health.is_ready else 503)


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer what a Prometheus server scrapes, to this machine and the networks allowed to."""
    # Behind a trusted proxy this is the address of its client: connector/proxies.py.
    address = request.META.get("REMOTE_ADDR", "")
    if not (is_loopback(address) or is_within(address, settings.METRICS_ALLOWED_NETWORKS)):
        return HttpResponse(CLOSED, content_type="text/plain; charset=utf-8", status=403)
    return HttpResponse(read_metrics(), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def _describe(check: Check) -> dict[str, object]:
    described: dict[str, object] = {"ok": check.ok, "message": check.message}
    return described | ({"remedy": check.remedy} if check.remedy else {})
