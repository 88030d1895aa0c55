"""Time next-fire computations against the real Quartz on the JVM and against croniter, in one run.

    apt-get install libquartz2-java default-jdk-headless      # for Quartz
    python3 -m venv /tmp/croniter && /tmp/croniter/bin/pip install croniter
    .venv/bin/python -m bench.quartz [--croniter /tmp/croniter/bin/python] [--rounds 9]

Each plan is stepped through fire by fire from the same instant; after 300 days it starts over. All
three do the same in each round, one after the other, in processes that stay; what compares between
machines is the ratio. A reference that is missing is left out. croniter knows no Quartz text, so
its column has the plans that a crontab can say too; it searches naive datetimes, without a zone.
"""

import argparse
import math
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO

from scheduler.quartz import QuartzExpression

JARS = "/usr/share/java/quartz2.jar:/usr/share/java/slf4j-api.jar"
BEGIN = 1_790_000_000
SPAN = 300 * 86_400
SECONDS = 0.1  # that one plan is stepped through in a round
ZONES = ("UTC", "Europe/Istanbul", "America/New_York")
PLANS = {  # and the crontab that says the same
    "0 * * * * ?": "* * * * *",
    "0 0/15 * * * ?": "*/15 * * * *",
    "0 30 6 * * ?": "30 6 * * *",
    "0 0/10 8-18 ? * MON-FRI": "*/10 8-18 * * 1-5",
    "0 6 6 ? * FRI": "6 6 * * 5",
    "0 0 0 1 * ?": "0 0 1 * *",
    "0 0 9 1,15 1,4,7,10 ?": "0 9 1,15 1,4,7,10 *",
    "0 15 10 L * ?": None,
    "0 15 10 15W * ?": None,
    "0 15 10 ? * FRI#2": None,
    "*/10 * * * * ?": None,
}
JAVA = """
import java.io.*;
import java.util.*;
import org.quartz.CronExpression;

public class Steps {
    public static void main(String[] arguments) throws Exception {
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        Map<String, CronExpression> plans = new HashMap<>();
        for (String line; (line = input.readLine()) != null; ) {
            String[] parts = line.split("\\t");
            CronExpression plan = plans.get(line);
            if (plan == null) {
                plan = new CronExpression(parts[1]);
                plan.setTimeZone(TimeZone.getTimeZone(parts[0]));
                plans.put(line, plan);
            }
            long begin = Long.parseLong(parts[2]) * 1000, end = begin + Long.parseLong(parts[3]) * 1000;
            long stop = System.nanoTime() + (long) (Double.parseDouble(parts[4]) * 1e9);
            long began = System.nanoTime(), steps = 0;
            Date at = new Date(begin);
            while (System.nanoTime() < stop) {
                for (int i = 0; i < 10; i++, steps++) {
                    at = plan.getNextValidTimeAfter(at);
                    if (at == null || at.getTime() > end) at = new Date(begin);
                }
            }
            System.out.println((System.nanoTime() - began) / 1e9 / steps);
        }
    }
}
"""
CRONITER = """
import sys, time
from datetime import datetime, timezone
from croniter import croniter

for line in sys.stdin:
    zone, text, begin, span, seconds = line.rstrip("\\n").split("\\t")
    first = datetime.fromtimestamp(int(begin), timezone.utc).replace(tzinfo=None)
    last = datetime.fromtimestamp(int(begin) + int(span), timezone.utc).replace(tzinfo=None)
    plan = croniter(text, first)
    began, steps = time.perf_counter(), 0
    while time.perf_counter() < began + float(seconds):
        for _ in range(10):
            if plan.get_next(datetime) > last:
                plan.set_current(first, force=True)
        steps += 10
    print((time.perf_counter() - began) / steps, flush=True)
"""


class Reference:
    """A process that answers each line with the seconds of one step."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - of this file
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def step(self, zone: str, text: str) -> float:
        """Return the seconds that one step took on average."""
        requests, answers = self._pipes()
        print(zone, text, BEGIN, SPAN, SECONDS, sep="\t", file=requests, flush=True)
        return float(answers.readline())

    def _pipes(self) -> tuple[IO[str], IO[str]]:
        assert self._process.stdin  # noqa: S101 - both are pipes
        assert self._process.stdout  # noqa: S101
        return self._process.stdin, self._process.stdout


def start_quartz(folder: Path) -> Reference | None:
    """Return the real Quartz, or None if Java or its library is missing."""
    if not shutil.which("javac") or not all(Path(jar).exists() for jar in JARS.split(":")):
        say("Without Quartz: it takes a JDK and the package libquartz2-java.")
        return None
    (folder / "Steps.java").write_text(JAVA)
    subprocess.run(["javac", "-cp", JARS, "Steps.java"], cwd=folder, check=True)  # noqa: S603, S607
    return Reference(["java", "-cp", f"{JARS}:{folder}", "Steps"])


def start_croniter(python: str) -> Reference | None:
    """Return croniter, or None if that Python does not have it."""
    if not Path(python).exists():
        say(f"Without croniter: there is no {python}; see the head of this file.")
        return None
    return Reference([python, "-c", CRONITER])


def step_ours(zone: str, text: str) -> float:
    """Return the seconds that one step took on average."""
    plan = QuartzExpression(text, tz=zone)
    at, steps = BEGIN, 0
    began = time.perf_counter()
    while time.perf_counter() < began + SECONDS:
        for _ in range(10):
            fire = plan.next_after_epoch(at)
            at = BEGIN if fire is None or fire > BEGIN + SPAN else fire
        steps += 10
    return (time.perf_counter() - began) / steps


def compare(zone: str, text: str, rounds: int, references: list[Reference | None]) -> list[float]:
    """Return the median seconds of a step: ours, Quartz's and croniter's; nan where missing."""
    samples: list[list[float]] = [[], [], []]
    texts = (text, text, PLANS[text])
    for _ in range(rounds):
        samples[0].append(step_ours(zone, text))
        for sample, reference, said in zip(samples[1:], references, texts[1:], strict=True):
            sample.append(reference.step(zone, said) if reference and said else math.nan)
    return [statistics.median(sample) for sample in samples]


def report(zone: str, rows: list[list[float]]) -> None:
    """Print the geometric means of a zone's ratios: how often we step while they step once."""
    for column, name in ((1, "Quartz on the JVM"), (2, "croniter, naive")):
        ratios = [row[column] / row[0] for row in rows if not math.isnan(row[column])]
        if ratios:
            mean = math.exp(statistics.fmean(map(math.log, ratios)))
            say(f"  {zone}: {mean:.2f} x {name} (from {min(ratios):.2f} to {max(ratios):.2f})")


def say(text: str) -> None:
    """Print."""
    print(text, flush=True)  # noqa: T201 - for the terminal


def main() -> None:
    """Print a table of microseconds a step, and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--croniter", default="/tmp/croniter/bin/python")  # noqa: S108 - as above
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        references = [start_quartz(Path(folder)), start_croniter(options.croniter)]
        for zone in ZONES:
            compare(zone, "0 * * * * ?", 10, references)  # warms the JVM up
            say(f"{zone}: microseconds a step{'ours':>10}{'Quartz':>10}{'croniter':>10}")
            rows = []
            for text in PLANS:
                rows.append(compare(zone, text, options.rounds, references))
                say(f"  {text:<32}" + "".join(f"{seconds * 1e6:10.2f}" for seconds in rows[-1]))
            report(zone, rows)


if __name__ == "__main__":
    main()
