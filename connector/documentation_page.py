"""The API's documentation for people: Swagger UI, from this host alone."""

from csp.constants import NONE, SELF
from csp.decorators import csp
from drf_spectacular.views import SpectacularSwaggerSplitView

# The script is a file of its own, so that the page needs no inline script.
show_documentation = csp(
    {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "base-uri": [NONE],
        "form-action": [NONE],
        "frame-ancestors": [NONE],
    }
)(SpectacularSwaggerSplitView.as_view(url_name="connector:schema"))
