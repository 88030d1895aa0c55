"""What a start call needs is kept for five seconds, by all threads."""

from processes.catalog import MAX_KEPT, RecentlyFound, process_models, read_declarations, workers
from processes.models import ProcessModel, Worker
from tests.at_once import run_at_once
from tests.factories import ParameterFactory, ProcessModelFactory


class Rows:
    """A database of words that counts the questions, and its clock."""

    def __init__(self) -> None:
        self.rows: dict[str, str] = {"a": "first"}
        self.asked: list[str] = []
        self.now = 0.0

    def find(self, key: str) -> str | None:
        self.asked.append(key)
        return self.rows.get(key)

    def clock(self) -> float:
        return self.now


def test_what_was_found_is_kept_for_five_seconds() -> None:
    rows = Rows()
    kept = RecentlyFound(rows.find, clock=rows.clock)
    assert kept.get("a") == "first"
    rows.rows["a"] = "second"

    rows.now = 4.9
    before = kept.get("a")
    rows.now = 5.0
    after = kept.get("a")

    assert (before, after) == ("first", "second")
    assert rows.asked == ["a", "a"]


def test_what_was_deleted_is_gone_after_five_seconds() -> None:
    rows = Rows()
    kept = RecentlyFound(rows.find, clock=rows.clock)
    kept.get("a")
    del rows.rows["a"]

    rows.now = 5.0

    assert kept.get("a") is None


def test_what_was_not_found_is_asked_for_again() -> None:
    rows = Rows()
    kept = RecentlyFound(rows.find, clock=rows.clock)
    assert kept.get("new") is None

    rows.rows["new"] = "now there"

    assert kept.get("new") == "now there"


def test_absence_can_be_remembered_for_five_seconds() -> None:
    rows = Rows()
    kept = RecentlyFound(rows.find, remember_absent=True, clock=rows.clock)
    kept.get("new")
    rows.rows["new"] = "now there"

    before = kept.get("new")
    rows.now = 5.0

    assert (before, kept.get("new")) == (None, "now there")


def test_clear_forgets_everything() -> None:
    rows = Rows()
    kept = RecentlyFound(rows.find, clock=rows.clock)
    kept.get("a")
    kept.clear()

    kept.get("a")

    assert rows.asked == ["a", "a"]


def test_memory_is_bounded() -> None:
    kept: RecentlyFound[int, int] = RecentlyFound(lambda key: key)

    for key in range(2 * MAX_KEPT):
        kept.get(key)

    assert len(kept._kept) <= MAX_KEPT


def test_threads_may_ask_at_once() -> None:
    kept: RecentlyFound[int, int] = RecentlyFound(lambda key: key)

    def ask() -> bool:
        return all(kept.get(key % 100) == key % 100 for key in range(5000))

    assert run_at_once(ask, threads=4) == [True] * 4


def test_process_model_is_kept_with_all_that_a_start_reads(
    worker: Worker, django_assert_num_queries: object
) -> None:
    made: ProcessModel = ProcessModelFactory.create(name="Pay", default_worker=worker)
    ParameterFactory.create(process_model=made, name="month")
    found = process_models.get("Pay")
    assert found is not None
    read_declarations(found)

    with django_assert_num_queries(0):  # type: ignore[operator]  # a fixture without a public type
        kept = process_models.get("Pay")
        assert kept is not None
        read_declarations(kept)
        names = [parameter.name for parameter in kept.parameters.all()]
        assert (kept.default_worker, names, list(kept.outputs.all())) == (worker, ["month"], [])


def test_worker_is_found_by_its_id(worker: Worker) -> None:
    assert workers.get(worker.pk) == worker
    assert workers.get(worker.pk + 1) is None
