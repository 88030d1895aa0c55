"""Who may call the connector API, how often, and what they have already been answered."""

from connector.models.api_clients import ApiClient, ApiSecret
from connector.models.attempts import WrongAttempt
from connector.models.idempotency import IdempotencyRecord
from connector.models.request_windows import RequestWindow

__all__ = ["ApiClient", "ApiSecret", "IdempotencyRecord", "RequestWindow", "WrongAttempt"]
