"""A beat rings, proves life by finished ticks, and outlives an outage of the database."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from celery import current_app
from django.db.models.functions import Now

from processes.models import Run
from scheduler.beat import TICK_SECONDS, Scheduler
from scheduler.models import Beat
from tests.factories import RunFactory, WorkerNodeFactory
from tests.outage import database_away

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def beat() -> Iterator[Scheduler]:
    """Return the scheduler of a beat process."""
    scheduler = Scheduler(app=current_app)
    yield scheduler
    scheduler._finalize.cancel()


def make_due_again(beat: Scheduler) -> None:
    """Let the beat take its sweep and its proof of life as due."""
    beat._sweep._next = float("-inf")


def test_finished_tick_proves_life(beat: Scheduler) -> None:
    delay = beat.tick()

    assert 0 <= delay <= TICK_SECONDS
    assert Beat.objects.online().count() == 1


def test_beat_that_goes_on_is_one_beat(beat: Scheduler) -> None:
    beat.tick()
    Beat.objects.update(last_tick_at=Now() - timedelta(minutes=5))
    assert not Beat.objects.online().exists()

    make_due_again(beat)
    beat.tick()

    assert Beat.objects.online().count() == Beat.objects.count() == 1


def test_beat_that_stops_in_good_order_is_offline_at_once(beat: Scheduler) -> None:
    beat.tick()

    beat.close()

    assert not Beat.objects.online().exists()
    assert Beat.objects.get().stopped_at is not None


def test_outage_costs_the_tick_its_work_and_never_the_beat_its_life(beat: Scheduler) -> None:
    beat.tick()
    Beat.objects.all().delete()
    make_due_again(beat)
    with database_away():
        waits = [beat.tick() for _ in range(3)]

    make_due_again(beat)
    beat.tick()

    assert waits == [TICK_SECONDS] * 3
    assert Beat.objects.online().count() == 1


def test_outage_does_not_disturb_the_end(beat: Scheduler) -> None:
    with database_away():
        beat.close()

    assert not Beat.objects.exists()


def test_tick_does_not_touch_the_runs_themselves(beat: Scheduler) -> None:
    WorkerNodeFactory.create()
    RunFactory.create()
    before = Run.objects.values().get()

    beat.tick()

    assert Run.objects.values().get() == before
