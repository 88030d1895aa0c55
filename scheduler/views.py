"""Health addresses for monitors and load balancers."""

from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from scheduler.health import check_readiness


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Answer 200 as soon as this process serves."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Answer 200 once database, broker, beat and worker do their work, else 503 with the reason."""
    checks = check_readiness()
    ready = all(check.ok for check in checks)
    body = {
        "status": "ready" if ready else "not ready",
        "checks": {check.name: {"ok": check.ok, "message": check.message} for check in checks},
    }
    return JsonResponse(body, status=200 if ready else 503)
