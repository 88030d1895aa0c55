"""Addresses of the connector API, in the spellings that clients of the published text use."""

from django.urls import path, re_path
from drf_spectacular.views import SpectacularAPIView

from connector.documentation_page import show_documentation
from connector.parameters import show_parameters
from connector.views import ProcessViewSet

start = ProcessViewSet.as_view({"post": "start"})
status = ProcessViewSet.as_view({"get": "status"})

# The published text writes the path in two ways, and a redirect would drop the POST's body: so
# every spelling is an address of its own. Classes of two letters, since Django cannot reverse any
# address of the project once one pattern has an inline flag.
ANY_CASE = (
    "^scheduler/"
    + "".join(f"[{letter}{letter.upper()}]" for letter in "connector")
    + "-[aA][pP][iI]/process/"
)

app_name = "connector"
urlpatterns = [
    path("scheduler/connector-api/process/start", start, name="start"),
    path("scheduler/connector-api/process/status/<str:robusta_spid>", status, name="status"),
    re_path(ANY_CASE + r"start/?$", start),
    re_path(ANY_CASE + r"status/(?P<robusta_spid>[^/]+)/?$", status),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", show_documentation, name="docs"),
    path("admin/parameters/", show_parameters, name="parameters"),
    path("admin/parameters/<int:process_model_id>/", show_parameters, name="parameters"),
]
