"""Who may call the connector API, and what they have already been answered."""

from connector.models.api_clients import ApiClient, ApiSecret
from connector.models.idempotency import IdempotencyRecord

__all__ = ["ApiClient", "ApiSecret", "IdempotencyRecord"]
