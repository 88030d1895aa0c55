"""The admin's pages of the connector: who may call it, and who was refused."""

from connector.admin import api_clients

__all__ = ["api_clients"]
