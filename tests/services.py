"""Says which of the servers and programs that some tests need are there."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import redis
from amqp.exceptions import AMQPError
from kombu import Connection

POSTGRESQL = os.environ.get("TEST_DATABASE_URL", "postgres://postgres@127.0.0.1:5432/arabica")
BROKER = os.environ.get("TEST_BROKER_URL", "redis://127.0.0.1:6379/5")
RABBITMQ = os.environ.get("TEST_RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672//")
RABBITMQ_SERVER = os.environ.get("RABBITMQ_SERVER", "/usr/lib/rabbitmq/bin/rabbitmq-server")
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
NGINX = os.environ.get("NGINX", "/usr/sbin/nginx")
REQUIRED = os.environ.get("REQUIRE_SERVICES") == "1"


def has_postgresql() -> bool:
    """Tell whether a PostgreSQL server answers at TEST_DATABASE_URL."""
    try:
        psycopg.connect(POSTGRESQL.rpartition("/")[0] + "/postgres", connect_timeout=3).close()
    except psycopg.Error:
        return False
    return True


def has_redis() -> bool:
    """Tell whether a Redis server answers at TEST_BROKER_URL."""
    try:
        with redis.Redis.from_url(BROKER, socket_connect_timeout=3, socket_timeout=3) as server:
            server.ping()
    except redis.RedisError:
        return False
    return True


def has_rabbitmq() -> bool:
    """Tell whether a RabbitMQ server answers at TEST_RABBITMQ_URL."""
    with Connection(RABBITMQ, connect_timeout=3) as server:
        try:
            server.connect()
        except (OSError, AMQPError):  # nobody there, or one who refuses
            return False
    return True


def has_chromium() -> bool:
    """Tell whether the distribution's Chromium is installed."""
    return Path(CHROMIUM).exists()


def has_nginx() -> bool:
    """Tell whether the distribution's nginx is installed."""
    return Path(NGINX).exists()


SERVICES: dict[str, Callable[[], bool]] = {
    "postgresql": has_postgresql,
    "redis": has_redis,
    "rabbitmq": has_rabbitmq,
    "chromium": has_chromium,
    "nginx": has_nginx,
}
REMEDIES = {
    "postgresql": f"start PostgreSQL for {POSTGRESQL}, or set TEST_DATABASE_URL",
    "redis": f"start Redis for {BROKER} (its data there is deleted), or set TEST_BROKER_URL",
    "rabbitmq": f"start RabbitMQ for {RABBITMQ}, or set TEST_RABBITMQ_URL",
    "nginx": f"install nginx as {NGINX}, or set NGINX",
    "chromium": f"install Chromium as {CHROMIUM}, or set CHROMIUM",
}


def main() -> None:
    """Exit with 0 if the service named on the command line is there, with 1 if tests do without.

    With REQUIRE_SERVICES=1 one that is missing exits with 2.
    """
    (name,) = sys.argv[1:]
    if SERVICES[name]():
        return
    print(f"Not there: {name}; its tests are left out. To run them, {REMEDIES[name]}.")  # noqa: T201
    sys.exit(2 if REQUIRED else 1)


if __name__ == "__main__":
    main()
