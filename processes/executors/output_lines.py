"""What a program prints, passed on to the log line by line, whatever it prints."""

import codecs
import os

from processes.executors.base import Report
from processes.scrubbing import ScrubbedStream, Scrubber

READ_BYTES = 65_536
MAX_LINE = 8_192
TAIL_BYTES = 4_096
BYTES_A_CHARACTER = 4  # at most, in UTF-8
MAX_LAST_LINE = 500
MORE = " …"


class OutputLines:
    """Reads one output of a program and logs its lines; a longer line is logged in pieces.

    Nothing is held back that has come, except the beginning of a line or of a secret. Once the log
    is full, what comes is read and dropped, so that the program never waits for a reader.
    """

    def __init__(
        self, descriptor: int, stream: str, report: Report, scrubber: Scrubber | None = None
    ) -> None:
        self.descriptor = descriptor
        self._stream = stream
        self._report = report
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._scrubber = scrubber or Scrubber()
        self._scrubbed = ScrubbedStream(self._scrubber)
        self._pending = ""
        self._tail = b""
        self._tail_bytes = TAIL_BYTES + self._scrubber.longest * BYTES_A_CHARACTER
        os.set_blocking(descriptor, False)

    @property
    def is_kept(self) -> bool:
        """Tell whether what comes is logged, and not dropped."""
        return not self._report.is_full

    def take(self) -> int:
        """Read once; return how many bytes there were: 0 at the end, -1 if nothing is there now."""
        try:
            chunk = os.read(self.descriptor, READ_BYTES)
        except BlockingIOError:
            return -1
        self._tail = (self._tail + chunk)[-self._tail_bytes :]
        if self.is_kept:
            self._log(self._scrubbed.take(self._decoder.decode(chunk)))
        return len(chunk)

    def end(self) -> None:
        """Log the last line, which has no end."""
        self._log(self._scrubbed.take(self._decoder.decode(b"", final=True)))
        self._log(self._scrubbed.end())
        if self._pending:
            self._report.log(self._pending, stream=self._stream)
        self._pending = ""

    @property
    def last_line(self) -> str:
        """Return the last line that is not empty, cut where it is too long."""
        text = self._scrubber.scrub(self._tail.decode(errors="replace"))
        if len(self._tail) == self._tail_bytes:  # it may begin in the middle of a secret
            text = text[self._scrubber.longest :]
        lines = text.split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return last if len(last) <= MAX_LAST_LINE else last[:MAX_LAST_LINE] + MORE

    def _log(self, text: str) -> None:
        *lines, self._pending = (self._pending + text).split("\n")
        for line in lines:
            self._report.log(self._log_pieces(line), stream=self._stream)
        self._pending = self._log_pieces(self._pending)

    def _log_pieces(self, line: str) -> str:
        """Log all of a line but the end that is short enough; return that end."""
        while len(line) > MAX_LINE:
            self._report.log(line[:MAX_LINE] + MORE, stream=self._stream)
            line = line[MAX_LINE:]
        return line
