"""Django's own report of an error, which DEBUG=1 shows in the browser, without what is secret."""

import re
from typing import Any

from django.http import HttpRequest
from django.views.debug import SafeExceptionReporterFilter


class DiscreetFilter(SafeExceptionReporterFilter):
    """Keeps what was posted, values of variables and keys out of the report, DEBUG or not."""

    hidden_settings = re.compile(
        f"{SafeExceptionReporterFilter.hidden_settings.pattern}|URL|DATABASE", re.IGNORECASE
    )

    def is_active(self, request: HttpRequest | None) -> bool:
        """Hide it in development too: Django would show it then."""
        return True

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, Any]:
        """Return the names of what was posted."""
        return dict.fromkeys(request.POST, self.cleansed_substitute) if request else {}

    def get_traceback_frame_variables(self, request: HttpRequest | None, tb_frame: Any) -> Any:
        """Return the variables with their types: any of them may hold a secret, whatever its name."""
        return [(name, f"<{type(value).__name__}>") for name, value in tb_frame.f_locals.items()]
