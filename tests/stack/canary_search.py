"""Where canaries are looked for: everything that an installation has written or said."""

import base64
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import redis


@dataclass
class Search:
    """Looks for canaries in one place after the other, and remembers what was found where.

    `canaries` are texts by what they stand for; each is looked for as it is and in base64.
    """

    canaries: dict[str, str]
    places: int = 0
    size: int = 0
    hits: list[str] = field(default_factory=list)

    def look(self, place: str, content: bytes) -> None:
        """Look into one place."""
        self.places += 1
        self.size += len(content)
        for name, canary in self.canaries.items():
            if any(form in content for form in _list_forms(canary)):
                self.hits.append(f"{name} in {place}")

    def look_into_files(self, folder: Path) -> None:
        """Look into every file below a folder."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.look(f"file {path.relative_to(folder)}", path.read_bytes())

    def look_into_database(self, url: str) -> None:
        """Look into every row of every table of a PostgreSQL database, as a dump has them."""
        with psycopg.connect(url) as connection:
            tables = connection.execute(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
            ).fetchall()
            for (table,) in tables:
                rows = connection.execute(f'SELECT t::text FROM "{table}" AS t').fetchall()  # noqa: S608 - names of the database's own
                self.look(f"table {table}", "\n".join(text for (text,) in rows).encode())

    def report(self) -> str:
        """Return how much was searched, and the hits."""
        return "\n".join(
            [
                f"places searched {self.places} ({self.size / 1e6:.1f} MB),"
                f" canaries {len(self.canaries)}, hits {len(self.hits)}",
                *self.hits,
            ]
        )


def _list_forms(canary: str) -> Iterator[bytes]:
    raw = canary.encode()
    yield raw
    for shift in range(3):  # wherever it stands in what was encoded
        whole = base64.b64encode(bytes(shift) + raw)
        yield whole[4 if shift else 0 : len(whole) // 4 * 4 - 4]


class Eavesdropper:
    """Hears every command that a Redis server is sent."""

    def __init__(self, url: str) -> None:
        self.heard: list[str] = []
        # It has to wait for minutes until the first command comes.
        self._server = redis.Redis.from_url(url, socket_timeout=None)
        self._monitor = self._server.monitor()
        self._monitor.__enter__()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        try:
            for command in self._monitor.listen():
                self.heard.append(json.dumps(command, default=str))
        except (redis.RedisError, OSError, ValueError):
            return  # the server has ended

    def dump(self) -> bytes:
        """Return what was heard, and every key that is there."""
        keys: Any = self._server.keys("*")
        stored = [self._server.dump(key) or b"" for key in keys]
        return b"\n".join([*map(str.encode, self.heard), *keys, *map(bytes, stored)])
