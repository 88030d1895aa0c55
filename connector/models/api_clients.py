"""API clients: the systems that may call the connector API, and their secrets."""

import hmac
import secrets
from collections.abc import Iterable
from datetime import timedelta
from ipaddress import ip_network
from typing import Any, Self

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from processes.models import Application, ProcessModel, Worker
from processes.models.trails import Trail
from scheduler.addresses import parse_network, show_network

SECRET_BYTES = 32

# RFC 7617: a colon ends the user name in a Basic header, control characters are not allowed.
user_name = RegexValidator(
    r"^[^:\x00-\x1f\x7f]+\Z", _("Use printable characters only, and no colon.")
)


def read_networks(texts: Iterable[Any]) -> list[str]:
    """Return addresses and networks in their usual form. Raise ValidationError for what is none."""
    networks, errors = [], []
    for text in texts:
        try:
            networks.append(show_network(parse_network(text)))
        except ValueError:
            errors.append(_describe_network(text))
    if errors:
        raise ValidationError(errors)
    return networks


def _describe_network(text: Any) -> ValidationError:
    try:
        whole = ip_network(str(text), strict=False)
    except ValueError:
        return ValidationError(
            _("%(text)s is no address or network."), params={"text": str(text)[:40]}
        )
    return ValidationError(
        _("%(text)s is an address within a network; write %(network)s for all of it."),
        params={"text": text, "network": whole},
    )


def require_networks(networks: Any) -> None:
    """Raise ValidationError unless it is a list of addresses and networks, as text."""
    if not isinstance(networks, list):
        raise ValidationError(_("A list of addresses and networks is needed."))
    read_networks(networks)


class ApiClient(models.Model):
    """A system that may call the connector API with a user name and a generated secret."""

    name = models.CharField(_("user name"), max_length=100, unique=True, validators=[user_name])
    description = models.TextField(_("description"), blank=True)
    enabled = models.BooleanField(_("enabled"), default=True)
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    # Beside the lists: one that the last row was deleted from must not mean "all" from then on.
    only_listed_process_models = models.BooleanField(
        _("only these applications and process models"), default=False, db_default=False
    )
    applications = models.ManyToManyField(
        Application, verbose_name=_("applications"), blank=True, related_name="+"
    )
    process_models = models.ManyToManyField(
        ProcessModel, verbose_name=_("process models"), blank=True, related_name="+"
    )
    only_listed_workers = models.BooleanField(
        _("only these workers"), default=False, db_default=False
    )
    workers = models.ManyToManyField(
        Worker, verbose_name=_("workers"), blank=True, related_name="+"
    )
    allowed_networks = models.JSONField(
        _("allowed networks"),
        default=list,
        blank=True,
        validators=[require_networks],
        help_text=_(
            "Addresses and networks that it may call from, one a line, such as 192.0.2.17 or"
            " 2001:db8::/32. Calls from elsewhere are refused as if the password were wrong."
            " Empty: any."
        ),
    )
    rate_limit = models.PositiveIntegerField(
        _("requests a minute"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_(
            "So many starts and status calls together are answered in a minute, which begins with"
            " the first one; what is more is refused with 429 until it is over. Empty: no limit."
        ),
    )
    created_at = models.DateTimeField(_("created at"), db_default=Now())
    last_used_at = models.DateTimeField(_("last used at"), null=True, editable=False)

    history = Trail(
        excluded=["created_at", "last_used_at"],
        relations=["applications", "process_models", "workers"],
    )

    class Meta:
        verbose_name = _("API client")
        verbose_name_plural = _("API clients")
        ordering = ["name"]
        permissions = [("use_connector_api", "Can use the connector API")]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse a name that a user already goes by: the API could not tell them apart."""
        if get_user_model().objects.filter(username=self.name).exists():
            raise ValidationError({"name": _("A user of this name exists; choose another one.")})

    def add_secret(self, *, valid_for: timedelta | None = None) -> str:
        """Store the digest of a new secret and return the secret: nothing shows it again."""
        secret = secrets.token_urlsafe(SECRET_BYTES)
        expires_at = None if valid_for is None else Now() + valid_for
        self.secrets.create(digest=digest_secret(secret), expires_at=expires_at)
        return secret


def require_no_client(name: str) -> None:
    """Raise ValidationError if an API client goes by `name`: no user may then."""
    if ApiClient.objects.filter(name=name).exists():
        raise ValidationError(_("An API client of this name exists; choose another one."))


def digest_secret(secret: str, key: str | None = None) -> bytes:
    """Return the keyed digest of an API secret.

    The secrets are 32 random bytes, which nobody can guess, so a fast digest is safe where a
    password needs a slow one. `key` defaults to SECRET_KEY.
    """
    return salted_hmac("arabica.api-secret", secret, secret=key, algorithm="sha256").digest()


class ApiSecretQuerySet(models.QuerySet["ApiSecret"]):
    """Secrets by whether they still open the door."""

    def live(self) -> Self:
        """Return the secrets that have not expired, by the database's clock."""
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=Now()))


class ApiSecret(models.Model):
    """A secret of an API client, as a digest; two may be live at once, for rotation."""

    client = models.ForeignKey(ApiClient, on_delete=models.CASCADE, related_name="secrets")
    digest = models.BinaryField(max_length=32, unique=True)
    created_at = models.DateTimeField(_("created at"), db_default=Now())
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    last_used_at = models.DateTimeField(_("last used at"), null=True, editable=False)

    objects = ApiSecretQuerySet.as_manager()
    history = Trail(excluded=["digest", "created_at", "last_used_at"], parent="client")

    class Meta:
        verbose_name = _("API secret")
        verbose_name_plural = _("API secrets")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.client} {self.created_at:%Y-%m-%d}"

    def matches(self, digest: bytes) -> bool:
        """Tell in constant time whether `digest` is this secret's."""
        return hmac.compare_digest(bytes(self.digest), digest)
