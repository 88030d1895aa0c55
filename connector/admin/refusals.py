"""Why the calls of an API client were refused, for whoever is asked by its owner."""

from dataclasses import dataclass

from django.db.models import Count, Max
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from connector.models import ApiClient, WrongAttempt
from connector.throttling import KEPT, Lock, digest_name, find_full_addresses, find_lock
from processes.admin.wording import show_time

MAX_SHOWN = 20


@dataclass(frozen=True)
class Refusals:
    """The wrong attempts of one address, of one kind."""

    network: str
    reason: str
    number: int
    newest: str
    lock: Lock | None


def show_refusals(client: ApiClient) -> SafeString:
    """Return the table of the last day, newest first, and who is locked out at this moment."""
    refusals = find_refusals(client)
    context = {
        "refusals": refusals[:MAX_SHOWN],
        "is_cut": len(refusals) > MAX_SHOWN,
        "full_addresses": find_full_addresses(),
    }
    return render_to_string("admin/connector/apiclient/refusals.html", context)


def find_refusals(client: ApiClient) -> list[Refusals]:
    """Return what was refused in the name of the client in the last day, newest first."""
    digest = digest_name(client.name)
    attempts = WrongAttempt.objects.since(KEPT).filter(name_digest=digest).order_by()
    groups = attempts.values("network", "reason").annotate(
        number=Count("pk"), newest=Max("attempted_at")
    )
    return [
        Refusals(
            network=group["network"],
            reason=str(WrongAttempt.Reason(group["reason"]).label),
            number=group["number"],
            newest=show_time(group["newest"]),
            lock=find_lock(group["network"], digest),
        )
        for group in groups.order_by("-newest")[: MAX_SHOWN + 1]
    ]
