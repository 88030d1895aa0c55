"""How the database would carry out a query."""

from typing import Any

from django.db import connection, models


def explain(queryset: "models.QuerySet[Any, Any]") -> str:
    """Return the plan of a query; PostgreSQL is kept from reading its small tables whole."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_sort = off")
    return queryset.explain()
