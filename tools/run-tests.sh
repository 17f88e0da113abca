#!/bin/bash
# Runs every test and ends with `N passed, N failed, N skipped`. BUILD: the build folder. LOOM_SANITIZE=1: a sanitizer build (the
# Python tests run with it too). A test program that a skip concerns prints `SKIP: why`, counted here.
set -u
build=${BUILD:-build}
pass=0 fail=0 skip=0
failed=()
log=$build/test-logs
mkdir -p "$log"
export LOOM_BIN=$PWD/$build/loom
export HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1 # no test asks the real hub; those of tests/hub have their own
export ASAN_OPTIONS=${ASAN_OPTIONS:-exitcode=99:detect_leaks=1} UBSAN_OPTIONS=${UBSAN_OPTIONS:-halt_on_error=1:exitcode=98}

# --- C programs (cmocka and fuzz): each counts its own cases
for t in "$build"/tests/unit/test_* "$build"/tests/kernels/test_* "$build"/tests/fuzz/fuzz_*; do
	[ -x "$t" ] && [ -f "$t" ] || continue
	name=$(basename "$t")
	out=$log/$name.log
	start=$(date +%s%N)
	timeout 900 "$t" >"$out" 2>&1
	rc=$?
	ms=$((($(date +%s%N) - start) / 1000000))
	ok=$(grep -c '^\[       OK \]' "$out")
	bad=$(grep -c '^\[  FAILED  \] [^0-9]' "$out")
	skipped=$(grep -c '^SKIP: ' "$out")
	case $name in fuzz_*) [ $rc = 0 ] && ok=1 ;; esac
	if [ $rc != 0 ]; then
		[ "$bad" -gt 0 ] || bad=1
		failed+=("$name")
		echo "FAIL $name (exit $rc, $ms ms)"
		tail -n 30 "$out" | sed 's/^/    /'
	else
		bad=0
		echo "ok   $name ($ok cases, $ms ms)"
	fi
	grep '^SKIP: ' "$out" | sed 's/^/     /'
	pass=$((pass + ok)) fail=$((fail + bad)) skip=$((skip + skipped))
done

# --- Python programs: the server over real HTTP, the command line
venv=$build/venv
[ "${LOOM_VENV:-}" ] && venv=$LOOM_VENV
if [ ! -x "$venv/bin/pytest" ]; then
	python3 -m venv "$venv" && "$venv/bin/pip" install -q --disable-pip-version-check -r tests/requirements.txt || {
		echo "FAIL cannot make the Python test environment"
		fail=$((fail + 1))
	}
fi
if [ -x "$venv/bin/pytest" ]; then
	LOOM_REAL_MODELS=$(tools/fetch-models.sh ${LOOM_MODELS_DIR:-} 2>"$log/fetch.log" | paste -sd:)
	export LOOM_REAL_MODELS LOOM_TEST_MODELS=$PWD/tests/models
	out=$log/pytest.log
	PYTHONPATH=python timeout 1800 "$venv/bin/pytest" -q -rs -p no:cacheprovider tests/api tests/cli tests/hub >"$out" 2>&1
	rc=$?
	tail -n 40 "$out" | grep -E '^(FAILED|ERROR|SKIPPED)' | sed 's/^/     /'
	line=$(tail -n 1 "$out")
	echo "pytest: $line"
	count() { printf '%s' "$line" | grep -oE "[0-9]+ $1" | grep -oE '[0-9]+' || echo 0; }
	p=$(count passed) f=$(count failed) e=$(count error) s=$(count skipped)
	if [ $rc != 0 ] && [ $rc != 5 ] && [ $((f + e)) = 0 ]; then f=1; tail -n 30 "$out"; fi
	[ $((f + e)) = 0 ] || { failed+=(pytest); grep -nE '^(E  |____)' "$out" | head -n 40; }
	pass=$((pass + p)) fail=$((fail + f + e)) skip=$((skip + s))
fi

if ! command -v nvidia-smi >/dev/null 2>&1; then
	echo "     SKIP: GPU tests: no GPU here"
	skip=$((skip + 1))
fi
[ $fail = 0 ] || echo "failed: ${failed[*]}"
echo "$pass passed, $fail failed, $skip skipped"
[ $fail = 0 ]
