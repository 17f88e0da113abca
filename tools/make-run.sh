#!/bin/sh
# make run: a real model answering, from nothing. Fetches the two small models when they are not there, starts the server on
# 8080 (or the next free port), shows one /generate with hidden states and one /embed, and leaves the server in the foreground.
set -eu
bin=${BUILD:-build}/loom
tools/install-deps.sh run
models=$(LOOM_BIN=$bin tools/fetch-models.sh)
decoder=$(printf '%s\n' "$models" | sed -n 1p)
encoder=$(printf '%s\n' "$models" | sed -n 2p)

port=$(python3 - "${LOOM_PORT:-8080}" <<'PY'
import socket, sys
for port in range(int(sys.argv[1]), 65536):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            continue
        print(port)
        break
PY
)
"$bin" serve --host 127.0.0.1 --port "$port" --log-level warning &
server=$!
trap 'kill -TERM $server 2>/dev/null; wait $server 2>/dev/null; exit 0' INT TERM
url=http://127.0.0.1:$port
i=0
until curl -sf -o /dev/null "$url/health"; do
	i=$((i + 1))
	if [ $i -gt 100 ] || ! kill -0 $server 2>/dev/null; then
		echo "loom: the server did not start" >&2
		kill $server 2>/dev/null || true
		exit 1
	fi
	sleep 0.05
done
python3 tools/show-answers.py "$url" "$decoder" "$encoder" || { kill -TERM $server; wait $server || true; exit 1; }
echo
echo "The server is listening on $url. Ctrl-C ends it."
wait $server
