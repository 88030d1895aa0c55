"""Every address of the installation."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from scheduler import views as health

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    # Before the admin, which answers for every address below its own.
    path("", include("connector.urls")),
    path("admin/audit/", include("config.audit_page")),
    path("admin/", admin.site.urls),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
]

handler400 = "connector.fallbacks.bad_request"
handler404 = "connector.fallbacks.not_found"
handler500 = "connector.fallbacks.server_error"
