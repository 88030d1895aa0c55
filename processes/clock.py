"""The database's clock, by which all times are compared."""

from datetime import datetime

from django.db import connection

NOW = {
    "postgresql": "SELECT statement_timestamp()",
    "sqlite": "SELECT strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')",
}


def database_now() -> datetime:
    """Return the present moment by the database's clock, whatever this host's says."""
    with connection.cursor() as cursor:
        cursor.execute(NOW[connection.vendor])
        (moment,) = cursor.fetchone()
    return moment if isinstance(moment, datetime) else datetime.fromisoformat(moment)
