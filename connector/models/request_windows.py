"""How many requests of its present minute an API client has made."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from connector.models.api_clients import ApiClient


class RequestWindow(models.Model):
    """The minute that began with a client's first request, and the requests in it so far."""

    client = models.OneToOneField(
        ApiClient, on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    started_at = models.DateTimeField(_("started at"))
    requests = models.PositiveIntegerField(_("requests"))

    class Meta:
        verbose_name = _("request window")
        verbose_name_plural = _("request windows")

    def __str__(self) -> str:
        return f"{self.client_id}: {self.requests}"
