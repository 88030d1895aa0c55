"""A report for tests of executors."""


class Recorder:
    """A report that keeps what it is told."""

    def __init__(self) -> None:
        self.logged: list[tuple[str, str]] = []
        self.progressed: list[tuple[float, float | None]] = []
        self.is_full = False

    def log(self, text: str, stream: str = "log") -> None:
        self.logged.append((stream, text))

    def progress(self, done: float, total: float | None) -> None:
        self.progressed.append((done, total))

    def lines(self, stream: str) -> list[str]:
        return [text for kept, text in self.logged if kept == stream]
