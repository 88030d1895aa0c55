"""Read bodies with an end in sight, and what a refused request has still to send.

Otherwise its answer would be lost on the way.
"""

from collections.abc import Callable, Iterable
from threading import Lock
from time import monotonic
from typing import Any
from wsgiref.types import InputStream, WSGIApplication

from connector.arrivals import WITHIN, Arrivals, BodyRefused, Sender, TooSlow
from scheduler.addresses import name_sender

# Set in the environ by whoever knows that its sender is no stranger.
SENDER_IS_KNOWN = "arabica.sender_is_known"

DEFAULT_THREADS = 32  # of a web process
MAX_REST = 8 * 1024 * 1024
PIECE = 64 * 1024


class UnreadBodies:
    """Read the rest of a body before the answer goes out.

    A server that answers while the body is still coming closes the connection; the sender then
    fails at writing and may never look at the answer (RFC 9112, section 9.6): nginx takes the
    server for dead. The rest of a stranger's body is left alone, since reading it holds a thread.
    It is read for proxies that are trusted, which pass a body on when they have it whole, and for
    callers whose credentials are right: at most MAX_REST bytes of it, one body at a time.
    Whoever reads a body in one of `threads` needs a place for it: see `connector.arrivals`.
    """

    def __init__(self, application: WSGIApplication, *, threads: int = DEFAULT_THREADS) -> None:
        self._application = application
        self._arrivals = Arrivals(threads=threads)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Serve one request."""
        if not _announces_body(environ):
            return self._application(environ, start_response)
        body = ArrivingBody(
            environ["wsgi.input"], _get_length(environ), _get_sender(environ), self._arrivals
        )
        environ["wsgi.input"] = body
        answer = self._application(environ, start_response)
        # Who asks for a `100 Continue` has sent nothing yet, and will not once it is refused.
        if SENDER_IS_KNOWN in environ and "HTTP_EXPECT" not in environ:
            reader.read_rest(body)
        return answer


class ArrivingBody:
    """A request's body that knows how much of it has not been read, and since when it is."""

    def __init__(
        self, stream: InputStream, length: int, sender: Sender, arrivals: Arrivals
    ) -> None:
        self._stream = stream
        self._sender = sender
        self._arrivals = arrivals
        self._began: float | None = None
        self.rest = length

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, fewer only at the end. Raise BodyRefused."""
        piece = self._take(self._stream.read, size)
        self._require_in_time(is_short=len(piece) < min(size, self.rest))
        self.rest = self.rest - len(piece) if len(piece) == size else 0
        return piece

    def readline(self, size: int, /) -> bytes:
        """Return a line, or `size` bytes of it. Raise BodyRefused."""
        line = self._take(self._stream.readline, size)
        self._require_in_time(is_short=not line and self.rest > 0)
        self.rest -= len(line)
        return line

    def _take(self, read: Callable[[int], bytes], size: int) -> bytes:
        if self._began is None:
            self._began = self._arrivals.now()
        try:
            with self._arrivals.place(self._sender, began=self._began):
                return read(size)
        except BodyRefused:
            self.rest = 0  # nobody is to read the rest either
            raise

    def _require_in_time(self, *, is_short: bool) -> None:
        if is_short and self._began is not None and self._arrivals.now() - self._began > WITHIN:
            self.rest = 0
            raise TooSlow


def _get_sender(environ: dict[str, Any]) -> Sender:
    address = environ.get("REMOTE_ADDR", "")
    port = str(environ.get("SERVER_PORT", ""))
    is_direct = SENDER_IS_KNOWN not in environ and port.isdigit()
    return Sender(name_sender(address), (address, int(port)) if is_direct else None)


def _announces_body(environ: dict[str, Any]) -> bool:
    return "HTTP_TRANSFER_ENCODING" in environ or environ.get("CONTENT_LENGTH", "") not in {"", "0"}


def _get_length(environ: dict[str, Any]) -> int:
    """Return the bytes to come; of a chunked body, or one with a nonsensical length, the limit."""
    announced = str(environ.get("CONTENT_LENGTH", ""))
    if "HTTP_TRANSFER_ENCODING" in environ or not (announced.isascii() and announced.isdigit()):
        return MAX_REST
    return int(announced[:20])


class Reader:
    """Reads one body at a time, so that senders who stop in the middle hold one thread at most.

    No read of the server's takes a time-out, and a thread that is left behind in one stops the
    whole process. A proxy that has a body whole sends it in no time: the next one waits for that,
    unless the one before turns out to be slow.
    """

    within_seconds = 5.0
    is_slow_after_seconds = 1.0

    def __init__(self) -> None:
        self._lock = Lock()
        self._began = 0.0

    def read_rest(self, body: ArrivingBody) -> None:
        """Read the rest, unless it is too much or a slow sender is before it; not for ever."""
        if not 0 < body.rest <= MAX_REST:
            return
        patience = self._began + self.is_slow_after_seconds - monotonic()
        if not self._lock.acquire(timeout=max(patience, 0)):
            return
        self._began = monotonic()
        try:
            while body.rest > 0 and monotonic() < self._began + self.within_seconds:
                body.read(min(PIECE, body.rest))
        except OSError:
            pass  # the sender is gone, and with it whoever would look at the answer
        finally:
            self._lock.release()


reader = Reader()
