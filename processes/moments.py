"""Moments and durations in the words of a stored message."""

from datetime import datetime, timedelta

from django.utils import timezone


def format_moment(moment: datetime) -> str:
    """Return a moment to the second, with the day and the zone: a message is read much later."""
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M:%S %Z}"


def describe_cancel(requested_at: datetime, requested_by: str) -> str:
    """Return who has cancelled a run, and when."""
    if not requested_by:
        return f"Cancelled at {format_moment(requested_at)}."
    return f"Cancelled by {requested_by} at {format_moment(requested_at)}."


def describe_duration(duration: timedelta) -> str:
    """Return a duration in words: "10 seconds", "1 hour 30 minutes", "0.5 seconds"."""
    minutes, seconds = divmod(duration.total_seconds(), 60)
    hours, minutes = divmod(int(minutes), 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "day"), (hours, "hour"), (minutes, "minute"), (round(seconds, 3), "second")]
    words = [f"{number:g} {unit}{'' if number == 1 else 's'}" for number, unit in parts if number]
    return " ".join(words) or "0 seconds"


def describe_time_limit(limit: timedelta) -> str:
    """Return that an attempt has reached its time limit."""
    return f"The time limit of {describe_duration(limit)} was reached."
