"""Log-ins to the admin: ten wrong passwords of one name from one address, then a pause."""

import math
from datetime import datetime, timedelta
from typing import Any

from axes.models import AccessAttempt
from django.conf import settings
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.crypto import salted_hmac

from scheduler.addresses import find_first_address

# What was typed in place of a user name may be a password: it is kept as a digest, after this.
NOBODY = "?"
DIGEST_CHARACTERS = 32


def find_address(request: HttpRequest) -> str | None:
    """Return the address that failures are counted for; of IPv6 the first one of the /64.

    Behind a trusted proxy REMOTE_ADDR is the address of its client.
    """
    return find_first_address(request.META.get("REMOTE_ADDR", ""))


def find_name(request: HttpRequest, credentials: Any) -> str:
    """Return the user name that was typed, or a digest of it if no user has it."""
    typed = str((credentials or request.POST).get("username") or "")
    known: dict[str, str] = request.__dict__.setdefault("arabica_names", {})
    if typed not in known:
        users = get_user_model().objects.filter(username=typed)
        known[typed] = typed if "\0" not in typed and users.exists() else _hide(typed)
    return known[typed]


def _hide(typed: str) -> str:
    digest = salted_hmac("arabica.unknown-user", typed, algorithm="sha256").hexdigest()
    return NOBODY + digest[:DIGEST_CHARACTERS]


def describe_attempt(name: str, address: str, *_: Any) -> str:
    """Return what a log line says of an attempt: nothing that was typed."""
    return f"somebody at {address}"


def answer_locked_out(request: HttpRequest, response: Any, credentials: Any) -> HttpResponse:
    """Return the page that says when to try again."""
    attempts = AccessAttempt.objects.filter(
        username=find_name(request, credentials), ip_address=find_address(request)
    )
    seconds = max(math.ceil(find_wait(list(attempts)).total_seconds()), 1)
    context = {
        **admin.site.each_context(request),
        "title": "",
        "minutes": math.ceil(seconds / 60),
    }
    answer = render(request, "admin/locked_out.html", context, status=429)
    answer["Retry-After"] = str(seconds)
    return answer


def find_wait(attempts: list[AccessAttempt]) -> timedelta:
    """Return how long the attempts of one name and address lock it, 0 if they do not.

    There is a row for each browser, with its failures and the time of the last one.
    """
    failures = 0
    for attempt in sorted(attempts, key=lambda attempt: attempt.attempt_time, reverse=True):
        failures += attempt.failures_since_start
        if failures >= settings.AXES_FAILURE_LIMIT:
            end: datetime = attempt.attempt_time + settings.AXES_COOLOFF_TIME
            return max(end - timezone.now(), timedelta(0))
    return timedelta(0)
