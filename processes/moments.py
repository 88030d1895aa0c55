"""Moments in the words of a stored message."""

from datetime import datetime

from django.utils import timezone


def format_moment(moment: datetime) -> str:
    """Return a moment to the second, with the day and the zone: a message is read much later."""
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M:%S %Z}"


def describe_cancel(requested_at: datetime, requested_by: str) -> str:
    """Return who has cancelled a run, and when."""
    if not requested_by:
        return f"Cancelled at {format_moment(requested_at)}."
    return f"Cancelled by {requested_by} at {format_moment(requested_at)}."
