#!/bin/bash
# make tsan: what has threads, under ThreadSanitizer: the registry, the engine, its workers, the storm of clients, the log; then the server over
# real HTTP with tests/api. BUILD: the build folder. LOOM_STORM_SECONDS: how long the storm lasts (20).
set -u
build=${BUILD:-build-tsan}
export HF_HUB_OFFLINE=1 LOOM_BIN=$PWD/$build/loom LOOM_STORM_SECONDS=${LOOM_STORM_SECONDS:-20}
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1:second_deadlock_stack=1:exitcode=66}
log=$build/test-logs
mkdir -p "$log"
fail=0
for t in "$build"/tests/unit/test_*; do
	[ -x "$t" ] && [ -f "$t" ] || continue
	name=$(basename "$t")
	timeout 3600 "$t" >"$log/$name.log" 2>&1
	rc=$?
	if [ $rc != 0 ]; then
		fail=1
		echo "FAIL $name (exit $rc)"
		grep -A40 'WARNING: ThreadSanitizer' "$log/$name.log" | head -n 60
		tail -n 5 "$log/$name.log"
	else
		echo "ok   $name $(grep -h '^storm: ' "$log/$name.log")"
	fi
done
venv=${LOOM_VENV:-$build/venv}
if [ ! -x "$venv/bin/pytest" ]; then
	python3 -m venv "$venv" && "$venv/bin/pip" install -q --disable-pip-version-check -r tests/requirements.txt || exit 1
fi
PYTHONPATH=python LOOM_TEST_MODELS=$PWD/tests/models timeout 3600 "$venv/bin/pytest" -q -p no:cacheprovider tests/api >"$log/pytest.log" 2>&1 || {
	fail=1
	grep -A40 'WARNING: ThreadSanitizer' "$log/pytest.log" | head -n 60
	grep -nE '^(E  |____)' "$log/pytest.log" | head -n 40
}
tail -n 1 "$log/pytest.log"
exit $fail
