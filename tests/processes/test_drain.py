"""A drained node, or a paused worker, finishes what it has and takes no more, until it is resumed."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db.models.functions import Now
from django.test import Client

from processes import nodes
from processes.execution import claim_run, complete_run
from processes.models import Run, Worker, WorkerNode
from tests.factories import RunFactory, UserFactory, WorkerFactory, WorkerNodeFactory

WORKERS = "/admin/processes/worker/"


@pytest.fixture
def operator(db: None) -> Client:
    """Return the browser of somebody who may do everything."""
    client = Client()
    client.force_login(UserFactory.create(is_staff=True, is_superuser=True))
    return client


def address(node: WorkerNode, page: str) -> str:
    return f"{WORKERS}nodes/{node.pk}/{page}/"


def panel(client: Client, worker: Worker) -> str:
    return str(client.get(f"{WORKERS}{worker.pk}/now/").content.decode())


@pytest.mark.django_db
def test_drained_node_takes_nothing_and_the_other_one_of_its_worker_goes_on(
    node: nodes.Node, worker: Worker
) -> None:
    other = nodes.Node(worker.pk, concurrency=1)
    nodes.register_node(other)
    RunFactory.create_batch(3)
    begun = claim_run(node)

    # In the database alone, after the node has started.
    WorkerNode.objects.filter(pk=node.boot_id).update(drain_requested_at=Now())

    assert begun
    assert claim_run(node) is None
    complete_run(begun, outputs={})
    assert claim_run(node) is None
    assert claim_run(other)
    WorkerNode.objects.filter(pk=node.boot_id).update(drain_requested_at=None)
    assert claim_run(node)


@pytest.mark.django_db
def test_slots_of_a_drained_node_are_not_free() -> None:
    node = WorkerNodeFactory.create(concurrency=3, drain_requested_at=Now())
    other = WorkerNodeFactory.create(worker=node.worker, concurrency=2)

    free = WorkerNode.objects.taking_runs().count_free_slots()

    assert free == {other.worker_id: 2}


def test_node_is_drained_and_resumed_once_confirmed(operator: Client) -> None:
    node = WorkerNodeFactory.create()
    RunFactory.create_batch(2, running=True, node=node)

    question = operator.get(address(node, "drain")).content.decode()
    asked = WorkerNode.objects.get().drain_requested_at
    drained = operator.post(address(node, "drain"), {"confirmed": "1"}, follow=True)
    since = WorkerNode.objects.get().drain_requested_at
    operator.post(address(node, "drain"), {"confirmed": "1"})
    again = WorkerNode.objects.get().drain_requested_at
    resumed = operator.post(address(node, "resume"), {"confirmed": "1"}, follow=True)

    assert "finishes its 2 running runs and takes no more" in question
    assert asked is None
    assert since is not None
    assert again == since
    assert "finishes 2 runs" in drained.content.decode()
    assert "takes runs again" in resumed.content.decode()
    assert WorkerNode.objects.get().drain_requested_at is None


@pytest.mark.parametrize("page", ["drain", "resume"])
def test_node_that_is_gone_is_not_found(operator: Client, page: str) -> None:
    node = WorkerNodeFactory.build(worker=None)

    assert operator.post(address(node, page), {"confirmed": "1"}).status_code == 404


@pytest.mark.django_db
@pytest.mark.parametrize("page", ["drain", "resume"])
@pytest.mark.parametrize(
    ("rights", "status"), [(None, 302), ([], 403), (["view_worker"], 403)], ids=str
)
def test_only_those_who_may_change_workers_drain_nodes(
    rights: list[str] | None, status: int, page: str
) -> None:
    node = WorkerNodeFactory.create()
    client = Client()
    if rights is not None:
        user = UserFactory.create(is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=rights))
        client.force_login(user)

    answer = client.post(address(node, page), {"confirmed": "1"})

    assert answer.status_code == status
    assert WorkerNode.objects.get().drain_requested_at is None


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("rights", "status"), [(None, 302), ([], 403), (["view_worker"], 200)], ids=str
)
def test_panel_is_for_those_who_may_see_workers(rights: list[str] | None, status: int) -> None:
    worker = WorkerFactory.create()
    client = Client()
    if rights is not None:
        user = UserFactory.create(is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=rights))
        client.force_login(user)

    assert client.get(f"{WORKERS}{worker.pk}/now/").status_code == status


def test_pause_says_how_many_runs_are_finished_and_the_page_when_it_is_drained(
    operator: Client,
) -> None:
    node = WorkerNodeFactory.create(concurrency=4)
    RunFactory.create_batch(2, running=True, node=node)
    worker = node.worker
    taking = panel(operator, worker)

    question = operator.get(f"{WORKERS}{worker.pk}/pause/").content.decode()
    operator.post(f"{WORKERS}{worker.pk}/pause/", {"confirmed": "1", "reason": "Repair"})
    finishing = panel(operator, worker)
    Run.objects.update(
        status="SUCCEEDED", finished_at=Now(), lease_token=None, lease_expires_at=None
    )
    drained = panel(operator, worker)

    assert "It takes runs." in taking
    assert "finish 2 running runs and take no more" in question
    assert "It finishes its 2 running runs and takes no more." in finishing
    assert "2 of 4" in finishing
    assert "Drained: nothing runs" in drained
    assert "2 succeeded, 0 failed, 0 cancelled" in drained


def test_panel_shows_queue_limit_and_what_runs(operator: Client) -> None:
    worker = WorkerFactory.create(max_parallel_runs=3)
    node = WorkerNodeFactory.create(worker=worker, concurrency=4)
    running = RunFactory.create(running=True, node=node)
    RunFactory.create_batch(2, worker=worker)
    RunFactory.create_batch(5)
    RunFactory.create(worker=worker, postponed=True)

    shown = panel(operator, worker)

    assert "1 of 4, limit 3" in shown
    assert "2 runs for it, 5 for any worker" in shown
    assert f"/admin/processes/run/{running.pk}/change/" in shown


def test_list_of_workers_takes_as_many_queries_for_one_as_for_many(
    operator: Client, django_assert_num_queries: Any
) -> None:
    WorkerNodeFactory.create(worker__max_parallel_runs=2)
    operator.get(WORKERS)
    with django_assert_num_queries(8) as found:
        operator.get(WORKERS)
    for node in WorkerNodeFactory.create_batch(8, worker__max_parallel_runs=2):
        RunFactory.create(running=True, node=node)
        RunFactory.create(worker=node.worker)

    with django_assert_num_queries(len(found)):
        operator.get(WORKERS)


@pytest.mark.django_db
def test_reader_sees_no_button_that_drains() -> None:
    node = WorkerNodeFactory.create()
    user = UserFactory.create(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_worker"))
    client = Client()
    client.force_login(user)

    page = client.get(f"{WORKERS}{node.worker_id}/change/").content.decode()

    assert node.host in page
    assert address(node, "drain") not in page
