"""What a process reports while it runs, written to the database in chunks."""

import time

from processes.models import Run, RunLog

FLUSH_SECONDS = 1.0
FLUSH_CHARACTERS = 16_384
MAX_LOG_CHARACTERS = 1_048_576
TRUNCATED = "The log is longer than 1,048,576 characters; what follows is not kept."


class RunReport:
    """Keep the log lines and the progress of one attempt.

    Lines of one stream are gathered and written at most once a second, at the next report or at
    the end; a log longer than the limit is cut and says so.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._lines: list[str] = []
        self._stream = ""
        self._gathered = 0
        self._kept = 0
        self._sequence = 0
        self._flushed = float("-inf")

    def log(self, text: str, stream: str = "log") -> None:
        """Add `text` as one or more lines to a stream of the run's log."""
        if self._kept >= MAX_LOG_CHARACTERS:
            return
        if stream != self._stream:
            self.flush()
            self._stream = stream
        line = text.replace("\x00", "\N{REPLACEMENT CHARACTER}")
        line = line.encode("utf-8", "replace").decode()
        room = MAX_LOG_CHARACTERS - self._kept
        self._lines.append(line[:room])
        self._kept += len(line)
        self._gathered += len(line)
        if self._kept >= MAX_LOG_CHARACTERS:
            self._lines.append(TRUNCATED)
            self.flush()
        elif self._is_due() or self._gathered >= FLUSH_CHARACTERS:
            self.flush()

    def progress(self, done: float, total: float | None = None) -> None:
        """Record how far the run is; written at most once a second."""
        if self._is_due() or done == total:
            self.flush()
            Run.objects.running().filter(pk=self._run.pk, lease_token=self._run.lease_token).update(
                progress_done=done, progress_total=total
            )
            self._flushed = time.monotonic()

    def flush(self) -> None:
        """Write what was gathered."""
        if self._lines:
            self._sequence += 1
            RunLog.objects.create(
                run=self._run,
                attempt=self._run.attempt,
                sequence=self._sequence,
                stream=self._stream,
                text="\n".join(self._lines) + "\n",
            )
            self._lines, self._gathered = [], 0
            self._flushed = time.monotonic()

    def _is_due(self) -> bool:
        return time.monotonic() - self._flushed >= FLUSH_SECONDS
