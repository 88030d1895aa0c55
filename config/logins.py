"""Log-ins and log-outs of people, and attempts that failed, as entries of the audit."""

from typing import Any

from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import receiver

from processes.models import AuditEvent
from processes.models.trails import record_event


@receiver(user_logged_in, dispatch_uid="config.record_login")
def record_login(user: User, **_: Any) -> None:
    """Store who logged in, and from where."""
    record_event(AuditEvent.Kind.LOGGED_IN, user)


@receiver(user_logged_out, dispatch_uid="config.record_logout")
def record_logout(user: User | None, **_: Any) -> None:
    """Store who logged out, unless nobody was logged in."""
    if user is not None:
        record_event(AuditEvent.Kind.LOGGED_OUT, user)


@receiver(user_login_failed, dispatch_uid="config.record_failed_login")
def record_failed_login(credentials: dict[str, Any], **_: Any) -> None:
    """Store whose name was tried; what no user is called may be a password, and is not stored."""
    typed = str(credentials.get("username") or "")
    user = None if "\x00" in typed else User.objects.filter(username=typed).first()
    name = "" if user else "a name that no user has"
    record_event(AuditEvent.Kind.LOG_IN_FAILED, user, object_name=name)
