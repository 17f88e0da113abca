#!/bin/sh
# make bench: the matrix kernels against the roofs measured in the same run, then Loom beside the peers of a virtual environment
# (LOOM_BENCH_VENV, made here when absent: torch, transformers, sentence-transformers, onnxruntime, llama-cpp-python).
set -eu
build=${BUILD:-build}
venv=${LOOM_BENCH_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/loom/bench-venv}
threads=${THREADS:-2}
"$build/tests/kernels/test_matmul" --bench
models=$(LOOM_BIN=$build/loom tools/fetch-models.sh)
if [ ! -x "$venv/bin/python" ]; then
	python3 -m venv "$venv"
	"$venv/bin/pip" install -q --disable-pip-version-check torch transformers sentence-transformers onnxruntime onnx gguf
	"$venv/bin/pip" install -q --disable-pip-version-check llama-cpp-python || echo "llama-cpp-python could not be built; going on without it"
fi
"$venv/bin/python" bench/peers.py "$build/loom" "$(printf '%s\n' "$models" | sed -n 1p)" "$(printf '%s\n' "$models" | sed -n 2p)" \
	--threads "$threads" "$@"
