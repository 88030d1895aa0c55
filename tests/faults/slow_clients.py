"""Clients that send a request a byte at a time, and ones that send nothing; run as a program.

They are a process of their own, so that the test that measures has its own to itself. At SIGTERM
it prints what they were answered.
"""

import asyncio
import json
import os
import signal
import ssl
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from itertools import cycle, islice

DRIP_SECONDS = 0.5
AGAIN_SECONDS = 10.0  # after which a client comes back that was refused
CONNECT_WITHIN = 20.0
SENT_WITHIN_SECONDS = 2.0  # all begin in so many seconds
IDLE = "idle"


@dataclass(frozen=True)
class Crowd:
    """So many clients of one kind, spread over `addresses`; without a `head` they send nothing."""

    kind: str
    count: int
    addresses: list[str]
    head: str = ""


class SlowClients:
    """All of them, until they are told to stop."""

    def __init__(self, port: int, *, tls: bool) -> None:
        self._port = port
        self._tls = self._make_context() if tls else None
        self.answers: dict[str, Counter[str]] = {}

    def _make_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context

    async def run(self, crowds: list[Crowd]) -> None:
        """Go on until SIGTERM."""
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        tasks = []  # kept, or they would be collected
        for crowd in crowds:
            self.answers[crowd.kind] = Counter()
            addresses = islice(cycle(crowd.addresses), crowd.count)
            tasks += [
                asyncio.create_task(
                    self._be_slow(crowd, address, SENT_WITHIN_SECONDS * number / crowd.count)
                )
                for number, address in enumerate(addresses)
            ]
        print("slow clients are coming", flush=True)  # noqa: T201 - for who waits for it
        await stop.wait()
        print(json.dumps(self.answers), flush=True)  # noqa: T201 - for who started it
        os._exit(0)  # the kernel closes their connections

    async def _be_slow(self, crowd: Crowd, address: str, after: float) -> None:
        await asyncio.sleep(after)
        while True:
            answer = await self._call(crowd, address)
            self.answers[crowd.kind][answer] += 1
            await asyncio.sleep(AGAIN_SECONDS if crowd.head else DRIP_SECONDS)

    async def _call(self, crowd: Crowd, address: str) -> str:
        """Return the status of the answer, or how it ended without one."""
        try:
            reader, writer = await asyncio.wait_for(
                asyncio.open_connection(
                    "127.0.0.1", self._port, local_addr=(address, 0), ssl=self._tls
                ),
                CONNECT_WITHIN,
            )
        except (OSError, TimeoutError) as error:
            return type(error).__name__
        try:
            writer.write(crowd.head.encode())
            answer = asyncio.ensure_future(reader.readline())
            while not answer.done():
                await asyncio.wait({answer}, timeout=DRIP_SECONDS if crowd.head else None)
                if not answer.done():
                    writer.write(b" ")
            return [*answer.result().decode().split(" "), "closed"][1]
        except OSError:
            return "broken"
        finally:
            writer.transport.abort()


def describe(port: int, crowds: list[Crowd], *, tls: bool) -> str:
    """Return the argument by which another process plays them."""
    return json.dumps({"port": port, "tls": tls, "crowds": [asdict(crowd) for crowd in crowds]})


def main() -> None:
    """Play the crowds of the command line; print their answers at the end."""
    asked = json.loads(sys.argv[1])
    clients = SlowClients(asked["port"], tls=asked["tls"])
    asyncio.run(clients.run([Crowd(**crowd) for crowd in asked["crowds"]]))


if __name__ == "__main__":
    main()
