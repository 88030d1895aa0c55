"""Wrong user names and passwords, and how many of them are too many."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import hashers
from django.contrib.auth.models import Permission
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from connector import credentials, retention, throttling
from connector.models import ApiClient, WrongAttempt
from connector.throttling import Sender
from processes.models import ProcessModel
from tests.at_once import run_at_once
from tests.conftest import Caller, make_caller
from tests.factories import ApiClientFactory, UserFactory
from tests.outage import database_away

Examples = dict[str, ProcessModel]
BODY = {"name": "CountDown"}
HERE, ELSEWHERE = "127.0.0.2", "127.0.0.3"


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the hashes that passwords are checked against, as they are."""
    checked: list[str] = []
    check = hashers.check_password

    def count(password: str, encoded: str, **options: Any) -> bool:
        checked.append(encoded)
        return bool(check(password, encoded, **options))

    monkeypatch.setattr(credentials, "check_password", count)
    return checked


@pytest.fixture
def partner(db: None) -> Caller:
    """Return a Django user who may use the connector API."""
    user = UserFactory.create(username="partner")
    user.user_permissions.add(Permission.objects.get(codename="use_connector_api"))
    return Caller("partner", "open sesame")


def call(name: str, password: str, address: str = HERE) -> Any:
    """Return the answer to a status call from `address`."""
    return Caller(name, password).client.get(
        "/scheduler/connector-api/process/status/x",
        headers=Caller(name, password).headers,
        REMOTE_ADDR=address,
    )


def try_wrongly(name: str, times: int, address: str = HERE) -> list[int]:
    """Return the statuses of so many wrong attempts."""
    return [call(name, f"wrong {number}", address).status_code for number in range(times)]


def store_attempts(number: int, network: str, name: str | None = None) -> None:
    """Store attempts as another web process would, of one name or of many."""
    WrongAttempt.objects.bulk_create(
        WrongAttempt(
            network=network,
            name_digest=throttling.digest_name(name or f"name {each}"),
            reason=WrongAttempt.Reason.CREDENTIALS,
        )
        for each in range(number)
    )
    throttling.suspects.clear()


@pytest.mark.parametrize("who", ["acme", "partner", "nobody"])
def test_the_eleventh_attempt_is_refused_before_it_is_hashed(
    acme: Caller, partner: Caller, hashes: list[str], who: str
) -> None:
    statuses = try_wrongly(who, 12)

    assert statuses == [401] * 10 + [429] * 2
    assert len(hashes) == 10


@pytest.mark.parametrize("who", ["acme", "partner"])
def test_the_right_password_is_refused_too_but_not_from_another_address(
    acme: Caller, partner: Caller, who: str
) -> None:
    caller = {"acme": acme, "partner": partner}[who]
    assert call(who, caller.password).status_code == 404
    try_wrongly(who, 10)

    answer = call(who, caller.password)

    assert answer.status_code == 429
    assert answer.json()["code"] == "too_many_attempts"
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert call(who, caller.password, ELSEWHERE).status_code == 404


def test_others_from_the_locked_address_are_let_in(acme: Caller, globex: Caller) -> None:
    try_wrongly("acme", 11)

    assert call("globex", globex.password).status_code == 404


def test_the_lock_ends_a_minute_after_the_oldest_of_the_ten(acme: Caller) -> None:
    try_wrongly("acme", 10)
    newest = WrongAttempt.objects.order_by("-pk").values("pk")[:9]
    WrongAttempt.objects.exclude(pk__in=list(newest.values_list("pk", flat=True))).update(
        attempted_at=Now() - timedelta(seconds=57)
    )

    retry_after = int(call("acme", acme.password).headers["Retry-After"])
    WrongAttempt.objects.update(attempted_at=F("attempted_at") - timedelta(seconds=4))

    assert retry_after in {2, 3}
    assert call("acme", acme.password).status_code == 404
    assert try_wrongly("acme", 2) == [401, 429]


def test_a_right_password_is_not_counted(acme: Caller, partner: Caller) -> None:
    statuses = {call("partner", "open sesame").status_code for _ in range(12)}

    assert statuses == {404}
    assert not WrongAttempt.objects.exists()


@pytest.mark.parametrize(
    ("network", "address", "other"),
    [
        ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
        ("192.0.2.7", "::ffff:192.0.2.7", "::ffff:192.0.2.8"),
        ("2001:db8:0:1::/64", "2001:db8:0:1:aaaa::1", "2001:db8:0:2::1"),
        ("2001:db8:0:1::/64", "2001:db8:0:1:bbbb::2", "2001:db8::1"),
    ],
)
def test_the_301st_attempt_of_an_address_is_refused_whoever_it_is(
    acme: Caller, hashes: list[str], settings: Any, network: str, address: str, other: str
) -> None:
    settings.ALLOW_INSECURE_HTTP = True
    store_attempts(299, network)

    statuses = [call(f"new {number}", "x", address).status_code for number in range(3)]

    assert statuses == [401, 429, 429]
    assert len(hashes) == 1
    assert call("acme", acme.password, address).status_code == 429
    assert call("acme", acme.password, other).status_code == 404


def test_another_process_hears_of_a_lock(acme: Caller) -> None:
    assert call("acme", acme.password).status_code == 404
    store_attempts(9, HERE, "acme")

    first = call("acme", "wrong")
    second = call("acme", acme.password)

    assert (first.status_code, second.status_code) == (401, 429)


def test_what_was_typed_is_not_stored(db: None) -> None:
    call("hunter2, my password", "hunter2")

    row = WrongAttempt.objects.values().get()
    assert b"hunter2" not in bytes(row["name_digest"])
    assert "hunter2" not in repr({**row, "name_digest": ""})


@pytest.fixture
def everybody(acme: Caller, partner: Caller) -> dict[str, tuple[str, str]]:
    """Return who is refused, each for another reason, and with what password."""
    past = timezone.now() - timedelta(seconds=1)
    clients: dict[str, dict[str, Any]] = {
        "disabled client": {"enabled": False},
        "expired client": {"expires_at": past},
        "client elsewhere": {"allowed_networks": ["192.0.2.0/24"]},
        "client of nonsense": {"allowed_networks": ["nonsense"]},
    }
    failures = {
        "unknown name": ("nobody", "x"),
        "wrong password of a user": ("partner", "x"),
        "wrong password of a client": ("acme", "x"),
        "known password, wrong case": ("Partner", "open sesame"),
    }
    for name, fields in clients.items():
        client: ApiClient = ApiClientFactory.create(name=name, **fields)
        failures[name] = (name, client.add_secret())
    expiring = ApiClientFactory.create(name="expired secret")
    failures["expired secret"] = ("expired secret", expiring.add_secret(valid_for=timedelta(0)))
    ApiClientFactory.create(name="no secret")
    failures["no secret"] = ("no secret", "x")
    UserFactory.create(username="locked user", is_active=False, is_superuser=True)
    UserFactory.create(username="not permitted")
    unusable = UserFactory.create(username="no password", is_superuser=True)
    unusable.set_unusable_password()
    unusable.save()
    for name in ("locked user", "not permitted", "no password"):
        failures[name] = (name, "open sesame")
    return failures


def test_every_failure_looks_and_costs_alike(
    everybody: dict[str, tuple[str, str]], hashes: list[str]
) -> None:
    call("warm", "up")
    seen = {}
    for why, (name, password) in everybody.items():
        throttling.suspects.clear()
        hashes.clear()
        with CaptureQueriesContext(connection) as queries:
            answer = call(name, password)
        headers = dict(answer.headers) | {"X-Request-ID": ""}
        statements = tuple(query["sql"].split()[0] for query in queries)
        seen[why] = (answer.status_code, answer.content, str(headers), len(hashes), statements)

    kinds = Counter(seen.values())

    assert len(kinds) == 1, seen
    ((status, _, _, number_of_hashes, _),) = kinds
    assert (status, number_of_hashes) == (401, 1)


def test_a_second_failure_costs_a_hash_again(
    everybody: dict[str, tuple[str, str]], hashes: list[str]
) -> None:
    for name, password in everybody.values():
        call(name, password)
        call(name, password)

    assert len(hashes) == 2 * len(everybody)


def test_the_reason_is_kept_for_administrators(everybody: dict[str, tuple[str, str]]) -> None:
    for name, password in everybody.values():
        call(name, password)

    def reasons(name: str) -> list[str]:
        attempts = WrongAttempt.objects.filter(name_digest=throttling.digest_name(name))
        return list(attempts.values_list("reason", flat=True))

    assert reasons("acme") == reasons("nobody") == reasons("not permitted") == ["credentials"]
    assert reasons("disabled client") == ["disabled"]
    assert reasons("expired client") == reasons("expired secret") == ["expired"]
    assert reasons("client elsewhere") == reasons("client of nonsense") == ["network"]


@pytest.mark.django_db(transaction=True)
def test_of_fifty_at_once_no_more_than_ten_are_hashed(hashes: list[str]) -> None:
    make_caller("acme")

    statuses = Counter(run_at_once(lambda: call("acme", "wrong").status_code, threads=50))

    assert statuses == {401: 10, 429: 40}
    assert len(hashes) == 10


@pytest.mark.django_db(transaction=True)
def test_right_first_calls_at_once_are_all_let_in(hashes: list[str]) -> None:
    user = UserFactory.create(username="partner")
    user.user_permissions.add(Permission.objects.get(codename="use_connector_api"))

    statuses = Counter(run_at_once(lambda: call("partner", "open sesame").status_code, threads=20))

    assert statuses == {404: 20}
    assert len(hashes) == 1
    assert not WrongAttempt.objects.exists()


def count_counting(caller: Caller) -> int:
    """Return how many statements of a call ask for attempts of its address."""
    with CaptureQueriesContext(connection) as queries:
        call(caller.name, caller.password)
        return len([each for each in queries if "wrongattempt" in each["sql"]])


def test_a_known_client_costs_no_statement_of_the_counter(acme: Caller, globex: Caller) -> None:
    call("acme", acme.password)
    clean = count_counting(acme)
    call("globex", "wrong")
    call("acme", acme.password)

    assert (clean, count_counting(acme)) == (0, 1)


@pytest.mark.django_db(transaction=True)
def test_a_counter_that_is_away_gets_503(examples: Examples) -> None:
    make_caller("acme")

    with database_away():
        answer = call("nobody", "wrong")

    assert answer.status_code == 503
    assert answer.headers["Retry-After"].isdigit()
    assert answer.json()["code"] == "unavailable"


def test_old_attempts_are_purged(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    store_attempts(5, "192.0.2.7")
    WrongAttempt.objects.update(attempted_at=Now() - timedelta(days=1, seconds=1))
    store_attempts(2, "192.0.2.7")
    monkeypatch.setattr(retention, "PURGED_AT_ONCE", 2)

    assert retention.purge_attempts() == 5
    assert WrongAttempt.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_the_count_of_an_address_uses_its_index() -> None:
    store_attempts(50, "192.0.2.7")
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET enable_seqscan = off")
        attempts = WrongAttempt.objects.since(throttling.MINUTE).filter(network="192.0.2.7")
        plan = attempts.values("pk").explain()
        if connection.vendor == "postgresql":
            cursor.execute("RESET enable_seqscan")

    assert "attempts_of_an_address" in plan


def test_senders_of_one_network_are_one() -> None:
    assert Sender("a", "2001:db8::1").network == Sender("a", "2001:db8::2").network
    assert Sender("a", "nonsense").network == Sender("a", "").network == ""
    assert Sender("a", "fe80::1%eth0").network == "fe80::/64"
