#!/bin/sh
# The fault tests, `short` or `long`, on PostgreSQL with Redis and on the embedded pair; then a table.
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

there=1
for service in postgresql redis; do
  $python -m tests.services "$service"
  case $? in 2) exit 1 ;; 1) there=0 ;; esac
done

if [ $there -eq 1 ]; then
  echo "== PostgreSQL, Redis"
  DATABASE_URL=$($python -c \
    "from tests.services import POSTGRESQL; print(POSTGRESQL.rpartition('/')[0] + '/faults_$$')") \
  CELERY_BROKER_URL=$($python -c 'from tests.services import BROKER; print(BROKER)') \
  SECRET_KEY=only-for-tests-only-for-tests-only-for-tests-only-for-tests \
    trials "${@:-tests/faults/trials}"
fi
echo "== SQLite, embedded broker"
if [ "$FAULTS" = short ] && [ $# -eq 0 ]; then
  set -- tests/faults/trials/test_beats.py tests/faults/trials/test_downtime.py \
    tests/faults/trials/test_races.py
fi
trials "${@:-tests/faults/trials}"

[ -s "$FAULTS_RESULTS" ] && $python -m tests.faults.results "$FAULTS_RESULTS"
exit $failed
