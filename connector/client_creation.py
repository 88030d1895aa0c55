"""Makes API clients with a generated secret."""

from django.core.exceptions import ValidationError
from django.db import transaction

from connector.models import ApiClient


@transaction.atomic
def create_api_client(name: str, *, description: str = "") -> tuple[ApiClient, str]:
    """Store an API client and return it with its secret, which nothing shows again.

    Raise ValidationError if the name is taken, by a client or a user, or cannot stand in a header.
    """
    client = ApiClient(name=name, description=description)
    client.full_clean()
    client.save()
    return client, client.add_secret()


def describe_refusal(error: ValidationError) -> str:
    """Return the texts of a refusal as one line."""
    return " ".join(error.messages)
