"""Who a caller is once the credentials are checked."""

from dataclasses import dataclass
from typing import Any

from processes.origin import Actor


@dataclass(frozen=True)
class Identity:
    """An API client or a permitted Django user, as the rest of the connector knows it.

    `process_models`, `applications` and `workers` are ids; None means all. `rate_limit` is in
    requests a minute, None for no limit; only API clients have one, and a `client_id`.
    """

    owner: str
    name: str
    process_models: frozenset[int] | None = None
    applications: frozenset[int] = frozenset()
    workers: frozenset[int] | None = None
    client_id: int | None = None
    rate_limit: int | None = None

    # What REST framework's permission classes look at.
    is_authenticated = True

    @property
    def actor(self) -> Actor:
        """Return what the audit calls the identity."""
        kind, _, key = self.owner.partition(":")
        return Actor(f"{kind}:{self.name}", int(key) if kind == "user" else None)

    def may_run(self, process_model: Any) -> bool:
        """Tell whether the identity may start this process model."""
        return (
            self.process_models is None
            or process_model.pk in self.process_models
            or process_model.application_id in self.applications
        )

    def may_use(self, worker_id: int) -> bool:
        """Tell whether the identity may name this worker."""
        return self.workers is None or worker_id in self.workers
