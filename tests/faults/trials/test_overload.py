"""A hundred schedules of every second on a process that lasts longer: overlap policies hold."""

import http.client
import json
import statistics
import threading
import time
from base64 import b64encode
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import connection, connections
from django.db.models import Count, Q

from connector.client_creation import create_api_client
from processes.models import ProcessModel, Run
from scheduler.drafts import ScheduleDraft
from scheduler.models import Schedule
from scheduler.planning import create_schedule
from tests.conftest import START
from tests.faults.checker import check_schedule
from tests.faults.conftest import pick
from tests.faults.findings import Findings
from tests.faults.ground import Ground
from tests.faults.journal import Events
from tests.faults.results import Result
from tests.stack.conftest import free_port

SCHEDULES = pick(short=12, long=99)
SLOTS = pick(short=6, long=24)
LASTS = pick(short=2.0, long=10.0)  # seconds of each run
UNDER_LOAD = pick(short=5.0, long=45.0)  # seconds
STARTS = pick(short=30, long=300)
PATIENCE = 90.0
FIRST_IN_LINE = 60  # a priority, so that the backlog of the others does not hold these up
ROOM = {Schedule.Overlap.SKIP: 1, Schedule.Overlap.QUEUE: 2}


def test_overlap_policies_hold_and_other_clients_are_served(ground: Ground, seed: int) -> None:
    model = ground.prepare()
    client = Client(ground)
    client.start_web()
    ground.start_worker(concurrency=SLOTS)
    quiet = client.time_starts(STARTS)
    plans = [_make_plan(model, number) for number in range(SCHEDULES)]
    began = int(time.time()) + 1
    ground.start_beat()

    findings = Findings()
    with _watching(plans, findings):
        loaded = client.time_starts(STARTS, at_least=UNDER_LOAD)
        until = int(time.time()) - 3
    ground.stop("beat")
    settled = Run.objects.filter(schedule_id__isnull=False)
    counts = Counter(settled.values_list("status", flat=True))

    first = {plan.pk: int(plan.next_fire_time.timestamp()) for plan in plans if plan.next_fire_time}
    for plan in plans:
        findings += check_schedule(plan, after=first[plan.pk] - 1, until=until)
    findings += _find_overlaps(ground.journal.read(), plans)
    ratio = loaded / quiet
    note = (
        f"{UNDER_LOAD:.0f} s of {LASTS:.0f}-second runs on {connection.vendor}, {dict(counts)};"
        f" start p95 {quiet * 1000:.0f} ms alone, {loaded * 1000:.0f} ms beside it,"
        f" ratio {ratio:.2f}; slowest: that p95"
    )
    Result.of(
        f"14 overload ({ground.pair})",
        findings,
        trials=SCHEDULES * (until - began),
        seed=seed,
        slowest=loaded,
        note=note,
    ).keep()
    assert not findings, str(findings)
    assert counts["SUCCEEDED"] > 0
    # The two policies had something to decide.
    outcomes = {fire.outcome for plan in plans for fire in plan.fires.all()}
    assert outcomes == {"ran", "skipped_overlap"}


def _make_plan(model: ProcessModel, number: int) -> Schedule:
    overlap = list(Schedule.Overlap)[number % 3]
    draft = ScheduleDraft(
        model,
        "* * * * * ?",
        "UTC",
        values={"seconds": LASTS},
        overlap=overlap,
        priority=50 if overlap == Schedule.Overlap.ALLOW else FIRST_IN_LINE,
    )
    return create_schedule(draft)


class Client:
    """Another client of the API, over HTTP."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._port = free_port()
        _, password = create_api_client("other")
        self._headers = {
            "Authorization": f"Basic {b64encode(f'other:{password}'.encode()).decode()}",
            "Content-Type": "application/json",
        }

    def start_web(self) -> None:
        """Start the web server; return once it answers."""
        (self._ground.folder / "static").mkdir(exist_ok=True)
        self._ground.start("web", "manage.py", "web", "--port", str(self._port))
        self._ground.wait_until(self._answers, "an answer", "web")
        self.time_starts(20)

    def time_starts(self, count: int, at_least: float = 0.0) -> float:
        """Start so many runs, spread over `at_least` seconds; return the 95th percentile."""
        taken = []
        pause = at_least / count
        for _ in range(count):
            began = time.perf_counter()
            self._start()
            taken.append(time.perf_counter() - began)
            time.sleep(max(pause - taken[-1], 0.02))
        return statistics.quantiles(taken, n=20)[-1]

    def _start(self) -> None:
        server = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        body = json.dumps({"name": "Journaled", "values": {"seconds": 0}})
        server.request("POST", START, body, self._headers)
        answer = server.getresponse()
        said = json.loads(answer.read())
        server.close()
        assert answer.status == 200, said
        self._ground.journal.acknowledge(UUID(said["robustaSpid"]))

    def _answers(self) -> bool:
        server = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
        try:
            server.request("GET", "/healthz")
            return server.getresponse().status == 200
        except OSError:
            return False
        finally:
            server.close()


@contextmanager
def _watching(plans: list[Schedule], findings: Findings) -> Iterator[None]:
    """Count the unfinished runs of each schedule again and again, each time in one statement."""
    room: dict[UUID | None, int]
    room = {plan.pk: ROOM[Schedule.Overlap(plan.overlap)] for plan in plans if plan.overlap in ROOM}
    over = threading.Event()
    looks = 0

    def look() -> None:
        nonlocal looks
        running = Count("pk", filter=Q(status=Run.Status.RUNNING))
        unfinished = Run.objects.unfinished().filter(schedule_id__in=list(room)).order_by()
        while not over.wait(0.1):
            looks += 1
            for row in unfinished.values("schedule_id").annotate(all=Count("pk"), running=running):
                if row["all"] > room[row["schedule_id"]] or row["running"] > 1:
                    findings.twice.append(f"too many at once: {row}")
        connections.close_all()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert looks > 10


def _find_overlaps(events: Events, plans: list[Schedule]) -> Findings:
    """Find runs of one schedule that went on side by side, as their processes saw it."""
    findings = Findings()
    limited = [plan.pk for plan in plans if plan.overlap in ROOM]
    spans: dict[UUID | None, list[tuple[int, int, UUID]]] = defaultdict(list)
    for run_id, plan in Run.objects.filter(schedule_id__in=limited).values_list(
        "pk", "schedule_id"
    ):
        spans[plan] += [(a.starts[0], a.last_seen, run_id) for a in events.of_run(run_id)]
    for found in spans.values():
        last_end = 0
        for start, end, run_id in sorted(found):
            if start < last_end:
                findings.twice.append(f"run {run_id} began while another of its schedule went on")
            last_end = max(last_end, end)
    return findings
