#!/bin/sh
# make bench: the matrix kernels, then Loom beside the peers of a virtual environment, in process and as a server, with plots
# (LOOM_BENCH_VENV, made here when absent: torch, transformers, sentence-transformers, onnxruntime, llama-cpp-python).
set -eu
build=${BUILD:-build}
venv=${LOOM_BENCH_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/loom/bench-venv}
threads=${THREADS:-2}
"$build/tests/kernels/test_matmul" --bench
"$build/tests/kernels/test_dot" --bench
models=$(LOOM_BIN=$build/loom tools/fetch-models.sh)
if [ ! -x "$venv/bin/python" ]; then
	python3 -m venv "$venv"
	"$venv/bin/pip" install -q --disable-pip-version-check torch transformers accelerate sentence-transformers onnxruntime onnx gguf fastapi uvicorn matplotlib
	"$venv/bin/pip" install -q --disable-pip-version-check llama-cpp-python || echo "llama-cpp-python could not be built; going on without it"
fi
decoder=$(printf '%s\n' "$models" | sed -n 1p)
encoder=$(printf '%s\n' "$models" | sed -n 2p)
"$venv/bin/python" bench/peers.py "$build/loom" "$decoder" "$encoder" --threads "$threads" --json "$build/bench.json" "$@"
"$venv/bin/python" bench/serve.py "$build/loom" "$HOME/.cache/loom/bench/$(basename "$decoder" .gguf)-float32" "$encoder" --threads "$threads" --json "$build/bench.json"
"$venv/bin/python" bench/itself.py "$build/loom" "$HOME/.cache/loom/bench/$(basename "$decoder" .gguf)-bfloat16" "$encoder" --threads "$threads" --json "$build/bench.json"
"$venv/bin/python" bench/plot.py "$build/bench.json" "$build/plots"
echo "plots are in $build/plots"
