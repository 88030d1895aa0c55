"""A scrape tells what the rows say at that moment, to those who may know."""

from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.db.models.functions import Now
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from prometheus_client.parser import text_string_to_metric_families

from processes.models import Run
from scheduler.metrics import collect, write
from scheduler.models import Fire
from tests.factories import RunFactory, WorkerFactory, make_due_schedule, make_schedule
from tests.outage import database_away
from tests.scheduler.test_health import ago, make_beat, make_live_parts, make_many_rows, make_node

MOST_QUERIES = 18


def scrape() -> dict[str, dict[str, float]]:
    """Return the values by metric and label value, "" where a metric has no label."""
    return parse(write(list(collect())).decode())


def parse(text: str) -> dict[str, dict[str, float]]:
    families = list(text_string_to_metric_families(text))
    return {
        family.name: {",".join(sample.labels.values()): sample.value for sample in family.samples}
        for family in families
    }


@pytest.mark.django_db
def test_runs_are_counted_by_status_as_long_as_they_live() -> None:
    RunFactory.create_batch(3)
    RunFactory.create_batch(2, running=True)
    RunFactory.create_batch(4, succeeded=True)
    RunFactory.create(failed=True)

    assert scrape()["arabica_runs"] == {"WAITING": 3, "RUNNING": 2}


@pytest.mark.django_db
def test_age_of_the_oldest_waiting_run_begins_when_it_is_ready() -> None:
    RunFactory.create(postponed=True)
    assert scrape()["arabica_run_oldest_waiting_seconds"] == {"": 0}

    RunFactory.create(ready_at=ago(75))
    RunFactory.create(ready_at=ago(5))

    assert scrape()["arabica_run_oldest_waiting_seconds"][""] == pytest.approx(75, abs=2)


@pytest.mark.django_db
def test_workers_without_nodes_are_zeros() -> None:
    busy, idle, paused = (
        WorkerFactory.create(),
        WorkerFactory.create(),
        WorkerFactory.create(paused_at=Now()),
    )
    node = make_node(worker=busy, concurrency=3)
    make_node(worker=busy, concurrency=2)
    make_node(worker=idle, offline=True)
    make_node(worker=paused)
    RunFactory.create_batch(2, running=True, node=node)

    found = scrape()

    assert found["arabica_nodes_online"] == {str(busy.pk): 2, str(idle.pk): 0, str(paused.pk): 1}
    assert found["arabica_free_slots"] == {str(busy.pk): 3, str(idle.pk): 0, str(paused.pk): 0}


@pytest.mark.django_db
def test_schedules_and_their_lateness() -> None:
    make_schedule()
    make_due_schedule(timedelta(seconds=20))
    make_due_schedule(timedelta(seconds=5))

    found = scrape()

    assert found["arabica_schedules_armed"] == {"": 3}
    assert found["arabica_schedule_late_seconds"][""] == pytest.approx(20, abs=2)


@pytest.mark.django_db
def test_fires_of_the_last_minute_by_outcome() -> None:
    schedule = make_schedule()
    times = iter(range(100))

    def record(outcome: str, age: float, **fields: Any) -> None:
        moment = ago(1000 + next(times))
        Fire.objects.create(
            schedule=schedule, fire_time=moment, outcome=outcome, recorded_at=ago(age), **fields
        )

    record("ran", 1)
    record("ran", 50)
    record("ran", 70)
    record("missed", 30, count=250, last_fire_time=Now())

    found = scrape()["arabica_fires_last_minute"]

    assert found == {outcome.value: 0 for outcome in Fire.Outcome} | {"ran": 2, "missed": 250}


@pytest.mark.django_db
def test_beats_ages_lag_and_leases() -> None:
    make_beat(last_tick_at=ago(90), host="other-host")
    make_beat(last_tick_at=ago(4))
    node = make_node(last_seen_at=ago(3), last_message_at=ago(6))
    RunFactory.create(ready_at=ago(45))
    RunFactory.create(running=True, node=node, lease_expires_at=ago(25))

    found = {name: values[""] for name, values in scrape().items() if "" in values}

    assert found["arabica_beats_online"] == 1
    assert found["arabica_leases_overdue"] == 1
    assert found["arabica_beat_last_tick_age_seconds"] == pytest.approx(4, abs=1)
    assert found["arabica_node_last_heartbeat_age_seconds"] == pytest.approx(3, abs=1)
    assert found["arabica_broker_last_message_age_seconds"] == pytest.approx(6, abs=1)
    assert found["arabica_queue_lag_seconds"] == pytest.approx(45, abs=1)
    assert found["arabica_lease_overdue_seconds"] == pytest.approx(25, abs=1)


@pytest.mark.django_db
def test_checks_are_those_of_readiness() -> None:
    make_live_parts()
    RunFactory.create(ready_at=ago(45))

    assert scrape()["arabica_check_ok"] == {
        "worker": 1,
        "beat": 1,
        "broker": 1,
        "queue": 0,
        "leases": 1,
        "fires": 1,
    }


@pytest.mark.django_db
def test_what_never_was_has_no_age() -> None:
    assert [name for name in scrape() if name.endswith("_age_seconds")] == []


@pytest.mark.django_db
def test_number_of_queries_does_not_grow() -> None:
    make_many_rows()

    with CaptureQueriesContext(connection) as found:
        list(collect())

    assert len(found) <= MOST_QUERIES


@pytest.mark.django_db(transaction=True)
def test_scrape_is_valid_text_with_help_and_type_for_every_metric() -> None:
    make_live_parts()

    answer = Client().get("/metrics")

    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = list(text_string_to_metric_families(answer.content.decode()))
    assert len(families) == 16
    for family in families:
        assert family.name.startswith("arabica_")
        assert not family.name.endswith(("_total", "_count", "_sum", "_bucket"))
        assert family.documentation
        assert family.type == "gauge"
        assert family.samples
        assert len({tuple(sample.labels.items()) for sample in family.samples}) == len(
            family.samples
        )


@pytest.mark.django_db(transaction=True)
def test_scrape_follows_the_rows_and_keeps_nothing_of_its_own() -> None:
    RunFactory.create_batch(3)
    first = parse(Client().get("/metrics").content.decode())["arabica_runs"]
    Run.objects.all().delete()

    second = parse(Client().get("/metrics").content.decode())["arabica_runs"]

    assert (first["WAITING"], second["WAITING"]) == (3, 0)


@pytest.mark.django_db(transaction=True)
def test_scrape_without_a_database_says_so() -> None:
    if connection.vendor == "sqlite":
        pytest.skip("reading goes on while another process holds SQLite's write lock")
    with database_away():
        answer = Client().get("/metrics")

    assert answer.status_code == 200
    assert parse(answer.content.decode()) == {"arabica_database_up": {"": 0}}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("127.0.0.1", 200),
        ("127.8.9.10", 200),
        ("::1", 200),
        ("::ffff:127.0.0.1", 200),
        ("10.1.2.3", 200),
        ("::ffff:10.1.2.3", 200),
        ("fd00::7", 200),
        ("11.1.2.3", 403),
        ("203.0.113.9", 403),
        ("2001:db8::1", 403),
        ("", 403),
        ("localhost", 403),
    ],
)
def test_metrics_are_for_this_machine_and_networks_that_are_allowed(
    address: str, status: int
) -> None:
    networks = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]
    with override_settings(METRICS_ALLOWED_NETWORKS=networks):
        answer = Client().get(
            "/metrics",
            REMOTE_ADDR=address,
            headers={"X-Forwarded-For": "127.0.0.1", "Forwarded": "for=127.0.0.1"},
        )

    assert answer.status_code == status
    assert (b"arabica_" in answer.content) is (status == 200)


def test_no_network_is_allowed_unless_asked() -> None:
    assert settings.METRICS_ALLOWED_NETWORKS == []
    assert Client().get("/metrics", REMOTE_ADDR="10.1.2.3").status_code == 403


def test_metrics_are_read_only() -> None:
    assert Client().post("/metrics").status_code == 405
