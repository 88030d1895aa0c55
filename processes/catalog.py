"""Process models and workers as a start call needs them, kept in memory for a few seconds."""

import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from django.db.models import prefetch_related_objects

from processes.models import ProcessModel, Worker

KEPT_SECONDS = 5.0
MAX_KEPT = 10_000

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class RecentlyFound(Generic[K, V]):
    """What `find` returned in the last five seconds, or in the last `seconds`.

    What was not found is asked for again, unless `remember_absent`: then a name that is new takes
    effect within five seconds too. A change in the database is in force for every process within
    that time. The values are shared between threads: read them, never change them.
    """

    def __init__(
        self,
        find: Callable[[K], V | None],
        *,
        remember_absent: bool = False,
        seconds: float = KEPT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._find = find
        self._clock = clock
        self._seconds = seconds
        self._remember_absent = remember_absent
        self._kept: dict[K, tuple[float, V | None]] = {}
        self._lock = threading.Lock()

    def get(self, key: K) -> V | None:
        """Return the value for `key`, or None if there is none."""
        kept = self._kept.get(key)
        now = self._clock()
        if kept and now < kept[0]:
            return kept[1]
        value = self._find(key)
        with self._lock:
            if value is None and not self._remember_absent:
                self._kept.pop(key, None)
            else:
                if len(self._kept) >= MAX_KEPT:
                    self._kept.clear()
                self._kept[key] = (now + self._seconds, value)
        return value

    def clear(self) -> None:
        """Forget everything, so that the next question goes to the database."""
        with self._lock:
            self._kept.clear()


def _read_process_model(name: str) -> ProcessModel | None:
    return ProcessModel.objects.filter(name=name).select_related("default_worker").first()


def _read_worker(worker_id: int) -> Worker | None:
    return Worker.objects.filter(pk=worker_id).first()


def read_declarations(process_model: ProcessModel) -> None:
    """Read what a process model of the catalog declares, where that has not been done.

    Only for callers who may start it: to all others it costs one statement, as an absent one does.
    """
    prefetch_related_objects([process_model], "parameters", "outputs")


# Absent ones too, or the time of an answer would tell what exists from what does not.
process_models: RecentlyFound[str, ProcessModel] = RecentlyFound(
    _read_process_model, remember_absent=True
)
workers: RecentlyFound[int, Worker] = RecentlyFound(_read_worker, remember_absent=True)
