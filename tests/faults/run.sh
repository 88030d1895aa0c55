#!/bin/sh
# The fault tests, `short` or `long`, on PostgreSQL with Redis, PostgreSQL with RabbitMQ, and SQLite
# with the embedded broker; then a table. What follows is for pytest: other files, or `-k`.
set -u
cd "$(dirname "$0")/../.."
python=.venv/bin/python
FAULTS=${1:-short}
[ $# -gt 0 ] && shift
unset DATABASE_URL CELERY_BROKER_URL SECRET_KEY SECRETS_KEY PROCESS_MODULES
VAR_DIR=$(mktemp -d)
export VAR_DIR FAULTS FAULTS_RESULTS="$VAR_DIR/results"
mkdir "$VAR_DIR/static"
touch "$FAULTS_RESULTS"
host=
clean_up() {
  [ -n "$host" ] && rabbitmqctl -q delete_vhost "$host" >/dev/null
  rm -rf "$VAR_DIR"
}
trap clean_up EXIT

in_trials() { for name; do echo "tests/faults/trials/test_$name.py"; done; }

# A minute and a half for all in the short version, so each pair shows what only it can; in the
# long one everything runs with Redis, and with RabbitMQ what has to do with the broker.
everything=tests/faults/trials
about_the_broker=$(in_trials beats broker_away deploy tripled_messages web_killed worker_killed)
if [ "$FAULTS" = short ]; then
  with_redis=$(in_trials beats broker_away overload races)
  with_rabbitmq=$(in_trials broker_away deploy downtime tripled_messages)
  on_sqlite=$(in_trials beats races web_killed)
else
  with_redis=$everything with_rabbitmq=$about_the_broker on_sqlite=$everything
fi

there() {
  $python -m tests.services "$1"
  case $? in 2) exit 1 ;; 1) return 1 ;; esac
}

address_of() { $python -c "from tests import services; print(services.$1)"; }

trials() { $python -m pytest -q --no-header --basetemp="$VAR_DIR/$pair" "$@"; }

on_postgresql() {
  server=$(address_of POSTGRESQL)
  DATABASE_URL=${server%/*}/faults_${pair}_$$ CELERY_BROKER_URL=$broker \
  SECRET_KEY=only-for-tests-only-for-tests-only-for-tests-only-for-tests \
    trials "$@"
}

# Where that is allowed, RabbitMQ's queues are in a place of their own: others use its server too.
make_virtual_host() {
  case $broker in *@127.0.0.1:*//) ;; *) return ;; esac
  rabbitmqctl -q add_vhost "arabica_faults_$$" >/dev/null 2>&1 || return
  host=arabica_faults_$$
  user=${broker#*://}
  rabbitmqctl -q set_permissions -p "$host" "${user%%:*}" '.*' '.*' '.*'
  broker=${broker%/}$host
}

# Side by side in the short version: most of the time they wait.
failed=0 running=
begin() {
  pair=$1 title=$2 run=$3 default=$4
  shift 4
  # shellcheck disable=SC2086 # names without blanks
  [ $# -gt 0 ] || set -- $default
  if [ "$FAULTS" = short ]; then
    { echo "== $title"; "$run" "$@"; } >"$VAR_DIR/$pair.output" 2>&1 &
    running="$running $pair:$!"
  else
    echo "== $title"
    "$run" "$@" || failed=1
  fi
}

if there postgresql; then
  if there redis; then
    broker=$(address_of BROKER)
    begin redis "PostgreSQL, Redis" on_postgresql "$with_redis" "$@"
  fi
  if there rabbitmq; then
    broker=$(address_of RABBITMQ)
    make_virtual_host
    begin rabbitmq "PostgreSQL, RabbitMQ" on_postgresql "$with_rabbitmq" "$@"
  fi
fi
begin sqlite "SQLite, embedded broker" trials "$on_sqlite" "$@"
if [ "$FAULTS" = short ] && [ $# -eq 0 ]; then
  begin leases "SQLite, embedded broker, waiting for leases" trials "$(in_trials worker_killed)"
fi
for begun in $running; do
  wait "${begun#*:}" || failed=1
  cat "$VAR_DIR/${begun%:*}.output"
done

[ -s "$FAULTS_RESULTS" ] && $python -m tests.faults.results "$FAULTS_RESULTS"
exit $failed
