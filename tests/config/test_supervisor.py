"""The supervisor keeps its children running, and none of them outlives it."""

import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from config.supervisor import BackOff, describe_end

ROOT = Path(__file__).resolve().parents[2]
LONG_ENOUGH = 30.0  # for a busy machine; whatever must end would otherwise stay for minutes

# Without what the person who runs the tests may have set for their own terminal.
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if name not in {"NO_COLOR", "PYTHONUNBUFFERED"}
} | {"PYTHONPATH": str(ROOT)}

# Says its process id and stays; ends with the supervisor, as the commands of manage.py do.
STAYS = """
import os, signal, subprocess, sys, time
from processes.lifetime import die_with_parent, die_with_supervisor
die_with_supervisor()
print("pid", os.getpid())
time.sleep(300)
"""

# Leaves a process of its own behind when it is killed.
MESSY = """
import os, subprocess, sys, time
left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
print("pid", os.getpid(), "left", left.pid)
time.sleep(300)
"""

# Takes its time to stop.
THOROUGH = """
import os, signal, sys, time
def finish(number, frame):
    time.sleep(0.5)
    print("finished")
    sys.exit(0)
signal.signal(signal.SIGTERM, finish)
print("pid", os.getpid())
time.sleep(300)
"""

# Ignores TERM, and so does its own child in the same session; another child has left the session.
STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
sleep = [sys.executable, "-c", "import time; time.sleep(300)"]
inside = subprocess.Popen(sleep)
outside = subprocess.Popen(sleep, start_new_session=True)
print("pid", os.getpid(), "inside", inside.pid, "outside", outside.pid)
time.sleep(300)
"""


class RunningSupervisor:
    """A supervisor in a process of its own, and what it has printed."""

    def __init__(self, program: Path, *, before: str = "", stdin: int | None = None) -> None:
        """Run `program` in a session of its own, after the statements `before`."""
        # Whoever runs the tests under nohup has it ignored, and children inherit that.
        usual = "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL)"
        statements = f"import runpy, sys\n{usual}\n{before}\nrunpy.run_path(sys.argv[1])"
        self.process = subprocess.Popen(  # noqa: S603 - a program of this file
            [sys.executable, "-c", statements, str(program)],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            env=ENVIRONMENT,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                self.lines.append(line.removesuffix("\n"))

    def wait_for_line(self, pattern: str, *, number: int = 1) -> re.Match[str]:
        """Return the match of the `number`th line that `pattern` matches whole."""
        deadline = time.monotonic() + LONG_ENOUGH
        while time.monotonic() < deadline:
            matches = [m for line in list(self.lines) if (m := re.fullmatch(pattern, line))]
            if len(matches) >= number:
                return matches[number - 1]
            time.sleep(0.02)
        raise AssertionError(f"{number} x {pattern!r} not in\n" + "\n".join(self.lines))

    def wait_for_pid(self, name: str, *, number: int = 1) -> int:
        return int(self.wait_for_line(rf"{name} +\| pid (\d+)", number=number)[1])

    def wait_for_end(self) -> int:
        exit_code = self.process.wait(LONG_ENOUGH)
        self._reader.join(LONG_ENOUGH)
        return exit_code

    def clear_away(self) -> None:
        with suppress(psutil.NoSuchProcess):
            for process in psutil.Process(self.process.pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    process.kill()
        self.process.kill()
        self.wait_for_end()


def start_unread(program: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - a program of this file
        [sys.executable, str(program)],
        stdout=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )


Serve = Callable[..., RunningSupervisor]


@pytest.fixture
def write_supervisor(tmp_path: Path) -> Callable[..., Path]:
    """Write a program that supervises the given scripts, as the children of these names."""

    def write(*, grace: float = 60.0, hook: str = "pass", **scripts: str) -> Path:
        for name, script in scripts.items():
            (tmp_path / f"{name}.py").write_text(script)
        program = tmp_path / "supervise.py"
        program.write_text(f"""
import sys
from config.supervisor import Child, Supervisor

def hook():
    {hook}

children = [
    Child(name, [sys.executable, f"{tmp_path}/{{name}}.py"]) for name in {list(scripts)!r}
]
supervisor = Supervisor(children, grace={grace}, on_started=hook)
sys.exit(supervisor.run())
""")
        return program

    return write


@pytest.fixture
def serve(write_supervisor: Callable[..., Path]) -> Iterator[Serve]:
    started: list[RunningSupervisor] = []

    def start(
        *, before: str = "", stdin: int | None = None, **options: object
    ) -> RunningSupervisor:
        program = write_supervisor(**options)
        started.append(RunningSupervisor(program, before=before, stdin=stdin))
        return started[-1]

    yield start
    for supervisor in started:
        supervisor.clear_away()


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def all_end(pids: list[int], *, within: float = LONG_ENOUGH) -> bool:
    deadline = time.monotonic() + within
    while any(map(is_alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not any(map(is_alive, pids))


def test_killed_child_is_started_again_after_growing_delays(serve: Serve) -> None:
    supervisor = serve(web=STAYS, beat=STAYS)
    beat_pid = supervisor.wait_for_pid("beat")

    for number, delay in enumerate(["0.5", "1", "2"], start=1):
        os.kill(supervisor.wait_for_pid("web", number=number), signal.SIGKILL)
        killed_at = time.monotonic()
        supervisor.wait_for_pid("web", number=number + 1)

        assert time.monotonic() - killed_at >= float(delay)
        supervisor.wait_for_line(
            rf"serve \| web was killed by SIGKILL; it is started again in {re.escape(delay)} s"
        )

    assert is_alive(beat_pid)
    assert supervisor.wait_for_pid("beat") == beat_pid


def test_child_that_ends_by_itself_is_started_again(serve: Serve) -> None:
    supervisor = serve(web="import os, sys; print('pid', os.getpid()); sys.exit(3)")

    supervisor.wait_for_pid("web", number=2)

    supervisor.wait_for_line(r"serve \| web ended with exit code 3; it is started again in 0\.5 s")


def test_last_words_of_a_child_come_before_the_line_on_its_end(serve: Serve) -> None:
    supervisor = serve(web="import sys; sys.exit('word\\n' * 5000 + 'last')")

    supervisor.wait_for_line(r"serve \| web ended with exit code 1; .*")

    end = next(i for i, line in enumerate(supervisor.lines) if "exit code 1" in line)
    assert supervisor.lines[end - 1] == "web   | last"


def test_what_a_killed_child_leaves_behind_is_killed_before_the_next_start(serve: Serve) -> None:
    supervisor = serve(web=MESSY)
    pattern = r"web +\| pid (\d+) left (\d+)"
    pid, left = map(int, supervisor.wait_for_line(pattern).groups())

    os.kill(pid, signal.SIGKILL)

    supervisor.wait_for_line(pattern, number=2)
    assert not is_alive(left)


def test_delays_double_to_thirty_seconds_and_start_anew_after_a_minute() -> None:
    back_off = BackOff()

    delays = [back_off.next_delay(lived) for lived in (0, 0, 59, 0, 0, 0, 0, 0, 60, 0)]

    assert delays == [0.5, 1, 2, 4, 8, 16, 30, 30, 0.5, 1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signal_stops_all_children(serve: Serve, number: signal.Signals) -> None:
    supervisor = serve(web=STAYS, worker=STAYS, beat=STAYS)
    pids = [supervisor.wait_for_pid(name) for name in ("web", "worker", "beat")]

    supervisor.process.send_signal(number)

    assert supervisor.wait_for_end() == 0
    assert not any(map(is_alive, pids))
    assert "serve  | stopping web, worker, beat ..." in supervisor.lines
    assert "serve  | web was killed by SIGTERM" in supervisor.lines


def test_child_may_finish_its_work_within_the_grace(serve: Serve) -> None:
    supervisor = serve(worker=THOROUGH)
    supervisor.wait_for_pid("worker")

    supervisor.process.terminate()

    assert supervisor.wait_for_end() == 0
    assert supervisor.lines[-2:] == ["worker | finished", "serve  | worker ended with exit code 0"]


def test_signal_that_arrives_twice_at_once_counts_as_one(serve: Serve) -> None:
    long = "from config import supervisor; supervisor.SAME_SIGNAL_WITHIN = 60"
    supervisor = serve(worker=THOROUGH, before=long)
    supervisor.wait_for_pid("worker")

    supervisor.process.send_signal(signal.SIGTERM)
    supervisor.wait_for_line(r"serve  \| stopping worker \.\.\.")
    supervisor.process.send_signal(signal.SIGINT)

    assert supervisor.wait_for_end() == 0
    assert "worker | finished" in supervisor.lines


def test_ctrl_c_in_the_terminal_interrupts_the_supervisor_alone(serve: Serve) -> None:
    master, slave = pty.openpty()
    take_terminal = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)"
    supervisor = serve(web=STAYS, before=take_terminal, stdin=slave)
    os.close(slave)
    supervisor.wait_for_pid("web")

    os.write(master, b"\x03")

    assert supervisor.wait_for_end() == 0
    os.close(master)
    assert "serve | web was killed by SIGTERM" in supervisor.lines


def test_hangup_that_nohup_ignores_stays_ignored(serve: Serve) -> None:
    ignore = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    supervisor = serve(web=STAYS, before=ignore)
    pid = supervisor.wait_for_pid("web")

    supervisor.process.send_signal(signal.SIGHUP)
    os.kill(pid, signal.SIGKILL)

    supervisor.wait_for_pid("web", number=2)


def test_child_that_ignores_term_is_killed_with_its_tree_after_the_grace(serve: Serve) -> None:
    supervisor = serve(web=STAYS, worker=STUBBORN, grace=1.0)
    supervisor.wait_for_pid("web")
    match = supervisor.wait_for_line(r"worker +\| pid (\d+) inside (\d+) outside (\d+)")
    tree = [int(pid) for pid in match.groups()]

    supervisor.process.terminate()
    asked_at = time.monotonic()

    assert supervisor.wait_for_end() == 0
    assert time.monotonic() - asked_at >= 0.9
    assert not any(map(is_alive, tree))
    assert "serve  | worker did not stop within 1 s" in supervisor.lines


def test_second_signal_kills_at_once(serve: Serve) -> None:
    supervisor = serve(worker=STUBBORN, grace=600.0)
    match = supervisor.wait_for_line(r"worker +\| pid (\d+) inside (\d+) outside (\d+)")
    tree = [int(pid) for pid in match.groups()]

    supervisor.process.send_signal(signal.SIGINT)
    supervisor.wait_for_line(r"serve  \| stopping worker \.\.\.")
    time.sleep(0.5)
    assert supervisor.process.poll() is None
    supervisor.process.send_signal(signal.SIGINT)

    assert supervisor.wait_for_end() == 0
    assert not any(map(is_alive, tree))
    assert "serve  | killing worker at once" in supervisor.lines


def test_nothing_outlives_a_killed_supervisor(serve: Serve) -> None:
    supervisor = serve(
        web=STAYS,
        worker=STAYS.replace(
            "time.sleep(300)",
            """
if os.fork() == 0:
    die_with_parent(parent_pid=os.getppid())
    print("grandchild", os.getpid())
time.sleep(300)
""",
        ),
    )
    pids = [supervisor.wait_for_pid("web"), supervisor.wait_for_pid("worker")]
    pids.append(int(supervisor.wait_for_line(r"worker +\| grandchild (\d+)")[1]))
    assert all(map(is_alive, pids))

    supervisor.process.kill()

    assert all_end(pids, within=2.0)


def test_wrong_setting_of_one_child_ends_all_with_its_exit_code(serve: Serve) -> None:
    wrong = "import sys; print('X is 7; it takes 1 or 0.', file=sys.stderr); sys.exit(78)"

    supervisor = serve(web=STAYS, beat=wrong)

    assert supervisor.wait_for_end() == os.EX_CONFIG
    assert supervisor.lines.count("beat  | X is 7; it takes 1 or 0.") == 1
    assert "serve | beat ended with exit code 78: wrong settings" in supervisor.lines
    assert "serve | stopping web ..." in supervisor.lines


def test_program_that_cannot_be_started_is_tried_again(serve: Serve) -> None:
    supervisor = serve(web=STAYS, before="sys.executable = '/no/such/program'")

    supervisor.wait_for_line(r"serve \| web cannot be started \(.*\); it is started again in 1 s")

    supervisor.process.terminate()
    assert supervisor.wait_for_end() == 0


def test_lines_of_children_stay_whole_behind_their_names(serve: Serve) -> None:
    script = """
import sys, time
for number in range(500):
    for part in ("{name} ", "out ", str(number), "\\n"):
        sys.stdout.write(part)
for number in range(500):
    sys.stderr.write(f"{name} err {{number}}\\n")
sys.stdout.write("{name} unfinished")
time.sleep(300)
"""
    names = ["web", "worker", "beat"]
    supervisor = serve(**{name: script.format(name=name) for name in names})
    for name in names:
        supervisor.wait_for_line(rf"{name} +\| {name} err 499")

    supervisor.process.terminate()
    supervisor.wait_for_end()

    for name in names:
        prefix = f"{name:<6} | "
        printed = [line for line in supervisor.lines if line.startswith(prefix)]
        assert printed == [
            *(f"{prefix}{name} out {number}" for number in range(500)),
            *(f"{prefix}{name} err {number}" for number in range(500)),
            f"{prefix}{name} unfinished",
        ]


def test_bytes_that_are_no_text_are_replaced(serve: Serve) -> None:
    supervisor = serve(
        web="""
import sys, time
sys.stdout.buffer.write("Grüße ".encode() + b"\\xff\\xfe ok\\n")
sys.stdout.flush()
time.sleep(300)
"""
    )

    supervisor.wait_for_line("web   \\| Grüße \ufffd\ufffd ok")


def test_very_long_line_is_cut_and_memory_stays_flat(serve: Serve) -> None:
    size = 100_000_000
    supervisor = serve(
        web=f"""
import os, time
for _ in range({size // 100_000}):
    os.write(1, b"x" * 100_000)
os.write(1, b"\\nend\\n")
time.sleep(300)
"""
    )

    supervisor.wait_for_line(r"web   \| end")

    pieces = [line for line in supervisor.lines if line.startswith("web   | x")]
    assert sum(line.count("x") for line in pieces) == size
    assert max(map(len, pieces)) < 5000
    assert psutil.Process(supervisor.process.pid).memory_info().rss < size


def test_supervisor_stops_while_nobody_reads_its_output(
    write_supervisor: Callable[..., Path],
) -> None:
    flood = "import os\nprint('pid', os.getpid())\nwhile True: print('x' * 1000)"
    supervisor = start_unread(write_supervisor(web=flood, grace=1.0))
    assert supervisor.stdout is not None
    with supervisor, supervisor.stdout as output:
        match = re.fullmatch(r"web +\| pid (\d+)\n", output.readline())
        assert match
        time.sleep(1.0)  # for the pipe and the supervisor's own queue to fill

        supervisor.terminate()

        assert supervisor.wait(LONG_ENOUGH) == 0
        assert not is_alive(int(match[1]))


def test_children_live_on_when_the_output_is_closed(
    write_supervisor: Callable[..., Path], tmp_path: Path
) -> None:
    done = tmp_path / "done"
    talk = f"""
import time
for _ in range(10_000):
    print("x" * 100)
open({str(done)!r}, "w").close()
time.sleep(300)
"""
    supervisor = start_unread(write_supervisor(web=talk))
    assert supervisor.stdout is not None
    with supervisor:
        supervisor.stdout.close()

        deadline = time.monotonic() + LONG_ENOUGH
        while not done.exists() and time.monotonic() < deadline:
            time.sleep(0.02)

        supervisor.terminate()
        assert done.exists()
        assert supervisor.wait(LONG_ENOUGH) == 0


@pytest.mark.parametrize(
    ("variables", "prefix"),
    [
        pytest.param({}, "\033[33mweb   | \033[0m", id="coloured"),
        pytest.param({"NO_COLOR": "1"}, "web   | ", id="NO_COLOR"),
    ],
)
def test_terminal_shows_names_in_colour_unless_asked_not_to(
    write_supervisor: Callable[..., Path], variables: dict[str, str], prefix: str
) -> None:
    master, slave = pty.openpty()
    supervisor = subprocess.Popen(  # noqa: S603 - a program of this file
        [sys.executable, str(write_supervisor(web=STAYS))],
        stdout=slave,
        env=ENVIRONMENT | variables,
    )
    os.close(slave)
    with supervisor, open(master, encoding="utf-8", newline="") as terminal:
        line = terminal.readline()
        supervisor.terminate()

    assert re.fullmatch(rf"{re.escape(prefix)}pid \d+\r\n", line)


def test_hook_runs_once_the_children_were_started(serve: Serve) -> None:
    supervisor = serve(
        web=STAYS,
        beat=STAYS,
        hook="import psutil; supervisor.announce("
        "f'{len(psutil.Process().children())} children\\nare there')",
    )

    supervisor.wait_for_line(r"2 children")
    supervisor.wait_for_line(r"are there")


def test_hook_that_raises_is_one_line_and_ends_nothing(serve: Serve) -> None:
    supervisor = serve(web=STAYS, hook="raise ValueError('no\\nanswer')")

    supervisor.wait_for_line(r"serve \| after the start: ValueError: no answer")

    os.kill(supervisor.wait_for_pid("web"), signal.SIGKILL)
    supervisor.wait_for_pid("web", number=2)


def test_idle_supervisor_uses_next_to_no_processor_time(serve: Serve) -> None:
    supervisor = serve(web=STAYS, worker=STAYS, beat=STAYS)
    for name in ("web", "worker", "beat"):
        supervisor.wait_for_pid(name)
    process = psutil.Process(supervisor.process.pid)
    before = process.cpu_times()

    time.sleep(1.0)

    after = process.cpu_times()
    assert after.user + after.system - before.user - before.system <= 0.05


@pytest.mark.parametrize(
    ("exit_code", "text"),
    [
        (0, "ended with exit code 0"),
        (3, "ended with exit code 3"),
        (-9, "was killed by SIGKILL"),
        (-40, "was killed by signal 40"),
    ],
)
def test_end_is_told_in_words(exit_code: int, text: str) -> None:
    assert describe_end(exit_code) == text
