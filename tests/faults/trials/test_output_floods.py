"""Processes that print and return too much cost their worker little, and their status is JSON."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

import psutil
import pytest
from django.db import connection

from connector.models import ApiClient
from processes import registry
from processes.models import ProcessModel, Run, RunLog, Worker
from processes.recording import MAX_LOG_CHARACTERS, TRUNCATED
from processes.synchronization import sync_processes
from tests.conftest import make_caller
from tests.faults import conftest, flooding
from tests.faults.findings import Findings
from tests.faults.ground import Ground
from tests.faults.results import Result

MEGABYTE = 1024 * 1024
SIZE = 1024  # megabytes that are printed
pytestmark = pytest.mark.skipif(conftest.SIZE != "long", reason="takes minutes")
ALLOWED = 32  # megabytes of memory
PATIENCE = 300.0
FLOOD = f"head -c {SIZE * MEGABYTE}"
PRINTS = {
    "lines": f"yes | {FLOOD}",
    "line": f"{FLOOD} /dev/zero | tr '\\0' x",
    "nul": f"{FLOOD} /dev/zero",
    "binary": f"{FLOOD} /dev/urandom >&2",
}
OUTPUTS = {
    "size": """(printf '{"x": "'; head -c 10485760 /dev/zero | tr '\\0' x; printf '"}')""",
    "names": """(printf '{"x": 1'; seq -f ', "x%.0f": 1' 10000 | tr -d '\\n'; printf '}')""",
    "nan": """echo '{"x": NaN}'""",
}
REFUSALS = {"size": "limit", "names": "at most 1,000 are kept", "nan": "N"}
SCRIPT = "#!/bin/sh\ncase $1 in\n{cases}\nesac\n"
KINDS = [(executor, kind) for executor in ("command", "python") for kind in (*PRINTS, *OUTPUTS)]


def test_floods_are_capped_marked_and_cost_the_worker_little(ground: Ground, seed: int) -> None:
    _prepare(ground)
    caller = make_caller("flooded")
    worker = ground.start_worker(concurrency=1)
    ground.start("beat", "manage.py", "beat")
    for executor in ("command", "python"):
        _execute(ground, executor, "nan")  # what is imported once is no cost of a flood
    findings, cost = Findings(), dict[str, float]()

    for executor, kind in KINDS:
        with _measuring(worker) as memory:
            run = _execute(ground, executor, kind)
        cost[f"{executor} {kind}"] = memory[-1]
        fault = _find_fault(run, kind) or _find_status_fault(caller, run)
        if fault:
            findings.lies.append(f"{executor} {kind}: {fault}")

    largest = max(cost, key=lambda name: cost[name])
    Result.of(
        f"17 floods ({connection.vendor})",
        findings,
        trials=len(KINDS),
        seed=seed,
        slowest=cost[largest],
        note=f"{SIZE} MB printed; slowest: the most memory in MB, by {largest}; all:"
        f" {', '.join(f'{name} {value:.0f}' for name, value in cost.items())}",
    ).keep()
    assert not findings, str(findings)
    assert cost[largest] <= ALLOWED


def _prepare(ground: Ground) -> None:
    ground.environment["PROCESS_MODULES"] = flooding.__name__
    registry.load([flooding.__name__])
    sync_processes()
    Worker.objects.create(name="first")
    programs = ground.folder / "programs"
    programs.mkdir()
    cases = [f"{kind}) {script};;" for kind, script in PRINTS.items()]
    cases += [f'{kind}) {script} > "$ARABICA_OUTPUTS";;' for kind, script in OUTPUTS.items()]
    (programs / "flood").write_text(SCRIPT.format(cases="\n".join(cases)))
    (programs / "flood").chmod(0o755)
    ground.environment["COMMANDS_DIR"] = str(programs)
    for kind in (*PRINTS, *OUTPUTS):
        ProcessModel.objects.create(
            name=f"Command {kind}", executor="command", configuration={"argv": ["flood", kind]}
        )


def _execute(ground: Ground, executor: str, kind: str) -> Run:
    if executor == "command":
        name, values = f"Command {kind}", dict[str, Any]()
    elif kind in PRINTS:
        name, values = "FloodingPrint", {"kind": kind, "megabytes": SIZE}
    else:
        name, values = "FloodingOutputs", {"kind": kind}
    model = ProcessModel.objects.get(name=name)
    owner = f"client:{ApiClient.objects.get().pk}"
    run = Run.objects.create(process_model=model, values=values, owner=owner)
    unfinished = Run.objects.unfinished().filter(pk=run.pk)
    ground.wait_until(lambda: not unfinished.exists(), name, "worker", seconds=PATIENCE)
    run.refresh_from_db()
    return run


@contextmanager
def _measuring(worker: psutil.Process) -> Iterator[list[float]]:
    """Append how many megabytes the worker and its pool children grew by, at most."""
    ended, grown = threading.Event(), list[float]()
    before = peak = _read_memory(worker)

    def look() -> None:
        nonlocal peak
        while not ended.wait(0.01):
            peak = max(peak, _read_memory(worker))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield grown
    finally:
        time.sleep(0.1)
        ended.set()
        thread.join()
        grown.append((peak - before) / MEGABYTE)


def _read_memory(worker: psutil.Process) -> int:
    memory = 0
    for process in (worker, *worker.children()):
        with suppress(psutil.Error):
            memory += process.memory_info().rss
    return memory


def _find_fault(run: Run, kind: str) -> str:
    if kind in OUTPUTS:
        is_refused = run.status == Run.Status.FAILED and REFUSALS[kind] in run.message
        return "" if is_refused else f"{run.status}: {run.message}"
    log = "".join(RunLog.objects.filter(run=run).values_list("text", flat=True))
    if run.status != Run.Status.SUCCEEDED:
        return f"{run.status}: {run.message}"
    if not log.endswith(TRUNCATED + "\n"):
        return f"the log of {len(log):,} characters is not marked"
    if len(log) > MAX_LOG_CHARACTERS + 2 * len(TRUNCATED):
        return f"the log has {len(log):,} characters"
    return ""


def _find_status_fault(caller: Any, run: Run) -> str:
    answer = caller.status(run.pk)
    try:
        status = json.loads(answer.content, parse_constant=_refuse)
    except ValueError as error:
        return f"the status answer is no JSON: {error}"
    return "" if status["status"] == run.status else f"the status is {status['status']}"


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)
