"""loom health, as a container's health check runs it."""
import os
import socket
import subprocess
import threading


def health(loom_bin, *args, **env):
    return subprocess.run([loom_bin, "health", "--timeout", "250", *args], env={**os.environ, **env}, capture_output=True, text=True, timeout=300)


def test_a_server_that_is_well(loom_bin, server):
    for host in ("127.0.0.1", "0.0.0.0"):
        r = health(loom_bin, LOOM_PORT=str(server.port), LOOM_HOST=host)
        assert r.returncode == 0 and r.stdout == "healthy\n", r.stderr
    r = health(loom_bin, LOOM_PORT=str(server.port), http_proxy="http://127.0.0.1:1")
    assert r.returncode == 0, r.stderr


def test_no_server(loom_bin, tmp_path):
    r = health(loom_bin, "--timeout", "2", LOOM_PORT="1", LOOM_HOST="127.0.0.1")
    assert r.returncode == 1 and "http://127.0.0.1:1/health" in r.stderr
    r = health(loom_bin, LOOM_SERVER__TRANSPORT="unix", LOOM_SERVER__UNIX_SOCKET=str(tmp_path / "none"))
    assert r.returncode == 1 and str(tmp_path / "none") in r.stderr
    assert health(loom_bin, LOOM_PORT="x").returncode == 2
    assert health(loom_bin, "word").returncode == 2


def test_a_unix_socket(loom_bin, tmp_path):
    path = str(tmp_path / "s")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()

    def answer():
        for status in ("200 OK", "503 Service Unavailable"):
            c, _ = listener.accept()
            assert c.recv(4096).startswith(b"GET /health HTTP/1.1\r\nHost: localhost\r\n")
            c.sendall(("HTTP/1.1 %s\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}" % status).encode())
            c.close()
    t = threading.Thread(target=answer)
    t.start()
    runs = [health(loom_bin, LOOM_SERVER__TRANSPORT="unix", LOOM_SERVER__UNIX_SOCKET=path) for _ in range(2)]
    t.join()
    listener.close()
    assert [r.returncode for r in runs] == [0, 1] and "answers 503" in runs[1].stderr
