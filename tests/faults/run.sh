#!/bin/sh
# The fault tests, `short` or `long`, on PostgreSQL with Redis, with RabbitMQ, and on the embedded
# pair; then a table.
set -u
cd "$(dirname "$0")/../.."
python=.venv/bin/python
FAULTS=${1:-short}
[ $# -gt 0 ] && shift
unset DATABASE_URL CELERY_BROKER_URL SECRET_KEY PROCESS_MODULES
VAR_DIR=$(mktemp -d)
export VAR_DIR FAULTS FAULTS_RESULTS="$VAR_DIR/results"
mkdir "$VAR_DIR/static"
touch "$FAULTS_RESULTS"
trap 'rm -rf "$VAR_DIR"' EXIT

failed=0
trials() { $python -m pytest -q --no-header "$@" || failed=1; }

there() {
  $python -m tests.services "$1"
  case $? in 2) exit 1 ;; 1) return 1 ;; esac
}

# On PostgreSQL with the broker at the address $1.
on_postgresql() {
  broker=$1
  shift
  DATABASE_URL=$($python -c \
    "from tests.services import POSTGRESQL; print(POSTGRESQL.rpartition('/')[0] + '/faults_$$')") \
  CELERY_BROKER_URL=$broker \
  SECRET_KEY=only-for-tests-only-for-tests-only-for-tests-only-for-tests \
    trials "$@"
}

address_of() { $python -c "from tests import services; print(services.$1)"; }

# Where that is allowed, RabbitMQ's queues are in a place of their own: others use its server too.
make_virtual_host() {
  rabbitmq=$(address_of RABBITMQ)
  host=arabica_faults_$$
  case $rabbitmq in *@127.0.0.1:*//) ;; *) return ;; esac
  rabbitmqctl -q add_vhost "$host" >/dev/null 2>&1 || return
  trap 'rabbitmqctl -q delete_vhost "$host" >/dev/null; rm -rf "$VAR_DIR"' EXIT
  user=${rabbitmq#*://}
  rabbitmqctl -q set_permissions -p "$host" "${user%%:*}" '.*' '.*' '.*'
  rabbitmq=${rabbitmq%/}$host
}

in_trials() { for name; do echo "tests/faults/trials/test_$name.py"; done; }

if there postgresql; then
  if there redis; then
    echo "== PostgreSQL, Redis"
    on_postgresql "$(address_of BROKER)" "${@:-tests/faults/trials}"
  fi
  if there rabbitmq; then
    echo "== PostgreSQL, RabbitMQ"
    make_virtual_host
    on_postgresql "$rabbitmq" "${@:-tests/faults/trials}"
  fi
fi
echo "== SQLite, embedded broker"
if [ "$FAULTS" = short ] && [ $# -eq 0 ]; then
  # shellcheck disable=SC2046 # names without blanks
  set -- $(in_trials beats downtime races)
fi
trials "${@:-tests/faults/trials}"

[ -s "$FAULTS_RESULTS" ] && $python -m tests.faults.results "$FAULTS_RESULTS"
exit $failed
