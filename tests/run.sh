#!/bin/sh
# The whole test suite: on SQLite, and what touches the database again on PostgreSQL.
set -u
cd "$(dirname "$0")/.."
python=.venv/bin/python
unset DATABASE_URL CELERY_BROKER_URL SECRET_KEY SECRETS_KEY PROCESS_MODULES FAULTS
processes=${TEST_PROCESSES:-2}
# Before pytest reads the settings: a test never touches the installation's own files.
VAR_DIR=$(mktemp -d)
export VAR_DIR
mkdir "$VAR_DIR/static"
trap 'rm -rf "$VAR_DIR"' EXIT

for service in chromium postgresql redis nginx; do
  $python -m tests.services "$service"
  [ $? -eq 2 ] && exit 1
done
set -e

echo "== SQLite"
$python -m pytest -q -n "$processes" --dist loadfile --durations 5 \
  --cov --cov-report term:skip-covered "$@"

if $python -m tests.services postgresql >/dev/null; then
  echo "== PostgreSQL"
  DATABASE_URL=$($python -c 'from tests.services import POSTGRESQL; print(POSTGRESQL)')
  SECRET_KEY=only-for-tests-only-for-tests-only-for-tests-only-for-tests
  export DATABASE_URL SECRET_KEY
  $python -m pytest -q -n "$processes" --dist loadfile \
    tests/connector tests/processes tests/scheduler tests/faults tests/browser tests/test_*.py \
    tests/stack/test_errors.py "$@"
fi
