"""What a process reports while it runs, written to the database in chunks."""

import math
import time

import structlog
from django.db import Error, connection

from processes.models import Run, RunLog
from processes.outages import OUTAGES
from processes.scrubbing import Scrubber
from processes.text import replace_unstorable

logger = structlog.get_logger(__name__)

FLUSH_SECONDS = 1.0
SECONDS_AFTER_FAILURE = 5.0
CHUNK_CHARACTERS = 16_384
MAX_LOG_CHARACTERS = 1_048_576
TRUNCATED = "The log is longer than 1,048,576 characters; what follows is not kept."


class RunReport:
    """Keep the log lines and the progress of one attempt.

    Lines of one stream are gathered and written at most once a second, at the next report or at
    the end; a log longer than the limit is cut and says so. A report that cannot be written never
    fails the run: lines are kept for the next try, progress is superseded. What `scrubber` knows is
    masked.
    """

    def __init__(self, run: Run) -> None:
        self.scrubber = Scrubber()
        self._run = run
        self._stream = ""
        self._lines: list[str] = []
        self._unwritten: list[RunLog] = []
        self._gathered = 0
        self._kept = 0
        self._sequence = 0
        self._next_write = float("-inf")

    @property
    def is_full(self) -> bool:
        """Tell whether the log has reached its limit: what is logged now is not kept."""
        return self._kept >= MAX_LOG_CHARACTERS

    def log(self, text: str, stream: str = "log") -> None:
        """Add `text` as one or more lines to a stream of the run's log, its secrets masked."""
        room = MAX_LOG_CHARACTERS - self._kept
        if room <= 0:
            return
        if stream != self._stream:
            self._end_chunk()
            self._stream = stream
        text = self.scrubber.scrub(text)
        line = replace_unstorable(text[:room])
        self._lines.append(line)
        self._kept += len(text) + 1
        self._gathered += len(line) + 1
        if self.is_full:
            self._lines.append(TRUNCATED)
        if self._gathered >= CHUNK_CHARACTERS:
            self._end_chunk()
        if self.is_full or self._is_due():
            self.flush()

    def progress(self, done: float, total: float | None = None) -> None:
        """Record how far the run is, at most once a second; what is no finite number is not."""
        if not _is_finite(done) or not (total is None or _is_finite(total)):
            return
        if self._is_due() or done == total:
            self.flush()
            self._write_progress(done, total)

    def flush(self) -> None:
        """Write what was gathered."""
        self._end_chunk()
        self._next_write = time.monotonic() + FLUSH_SECONDS
        try:
            # In conflict is what was written just before the connection broke.
            RunLog.objects.bulk_create(self._unwritten, ignore_conflicts=True)
        except OUTAGES as error:
            self._put_off(error)
            return
        except Error as error:  # refused for good, as when the run has been deleted
            self._put_off(error)
        self._unwritten = []

    def _end_chunk(self) -> None:
        if not self._lines:
            return
        self._sequence += 1
        chunk = RunLog(
            run=self._run,
            attempt=self._run.attempt,
            sequence=self._sequence,
            stream=self._stream,
            text="\n".join(self._lines) + "\n",
        )
        self._unwritten.append(chunk)
        self._lines, self._gathered = [], 0

    def _write_progress(self, done: float, total: float | None) -> None:
        lease = Run.objects.running().filter(pk=self._run.pk, lease_token=self._run.lease_token)
        try:
            lease.update(progress_done=done, progress_total=total)
        except Error as error:
            self._put_off(error)

    def _put_off(self, error: Error) -> None:
        logger.warning("report not written", run=str(self._run.pk), error=str(error))
        self._next_write = time.monotonic() + SECONDS_AFTER_FAILURE
        if not connection.in_atomic_block:
            connection.close()

    def _is_due(self) -> bool:
        return time.monotonic() >= self._next_write


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except (TypeError, OverflowError):  # from the author of the process, text or a huge integer
        return False
