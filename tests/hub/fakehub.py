"""A small hub on the loopback: the calls of the Hugging Face hub that huggingface_hub and Loom make, and every way in which they go wrong.

Two servers: the hub on 127.0.0.1 and a store for large files on 127.0.0.2, to which the hub redirects, as the real one does.
`hub.faults[KEY]` is a list of faults, one taken at each request that KEY (a file's name, or "api") concerns; the last one stays when
`hub.sticky` holds KEY. Every request is kept in `hub.log` with its headers.
"""
import hashlib
import http.server
import json
import math
import socket
import ssl
import struct
import threading
import time
import urllib.parse


def git_sha1(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Repo:
    def __init__(self, files, lfs=(), commit=None):
        self.files = dict(files)
        self.lfs = set(lfs)
        self.commit = commit or hashlib.sha1(repr(sorted((k, hashlib.sha1(v).hexdigest()) for k, v in self.files.items())).encode()).hexdigest()
        self.refs = {"main": self.commit}

    def etag(self, name):
        data = self.files[name]
        return hashlib.sha256(data).hexdigest() if name in self.lfs else git_sha1(data)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        pass  # clients that hang up are part of the plan


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.answer()

    def do_HEAD(self):
        self.answer()

    # ---- answers

    def reply(self, status, body=b"", **headers):
        self.send_response(status)
        headers.setdefault("Content_Length", str(len(body)))
        for k, v in headers.items():
            if v is not None:
                self.send_header(k.replace("_", "-"), v)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def error(self, status, code=None, message=None, **headers):
        self.reply(status, b"{}", X_Error_Code=code, X_Error_Message=message, **headers)

    def cut(self):
        """A reset instead of an end."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def fault(self, key):
        hub = self.server.hub
        with hub.lock:
            faults = hub.faults.get(key)
            if not faults:
                return None
            return faults[0] if key in hub.sticky and len(faults) == 1 else faults.pop(0)

    def common_fault(self, f):
        """Faults that any request may have. True: answered."""
        if f is None:
            return False
        kind, arg = f if isinstance(f, tuple) else (f, None)
        if kind == "status":
            self.error(arg)
        elif kind == "429":
            self.error(429, Retry_After=str(arg))
        elif kind == "ratelimit":
            self.error(429, RateLimit='"api";r=0;t=%d' % arg)
        elif kind == "redirect":
            self.reply(302, Location=arg)
        elif kind == "relative":
            self.reply(307, Location=arg)
        elif kind == "cut":
            self.cut()
        elif kind == "hang":
            time.sleep(arg)
            self.cut()
        elif kind == "headers":
            self.send_response(200)
            for i in range(4000):
                self.send_header("X-%d" % i, "y" * 100)
            self.end_headers()
        elif kind == "error":
            self.error(*arg)
        elif kind == "raw":
            self.wfile.write(arg)
            self.close_connection = True
        else:
            return False
        return True

    def answer(self):
        hub = self.server.hub
        parts = urllib.parse.urlsplit(self.path)
        path = [urllib.parse.unquote(p) for p in parts.path.split("/")]
        with hub.lock:
            hub.log.append((self.server.name, self.command, self.path, dict(self.headers.items())))
        if self.server.name == "store":
            return self.store(hub, path[-1])
        if path[1:3] == ["api", "models"]:
            return self.api(hub, path[3:], parts.query)
        if "resolve" in path:
            at = path.index("resolve")
            return self.resolve(hub, "/".join(path[1:at]), path[at + 1], "/".join(path[at + 2:]))
        self.error(404)

    def find(self, hub, name, rev):
        """(repo, commit), or the refusal is sent."""
        repo = hub.repos.get(name)
        token = self.headers.get("Authorization")
        if repo is None or (name in hub.private and token != "Bearer " + hub.token):
            self.error(401, "RepoNotFound", "Invalid credentials in Authorization header" if token and token != "Bearer " + hub.token else
                       "Repository not found")
            return None, None
        commit = repo.refs.get(rev, rev if rev == repo.commit else None)
        if commit is None:
            self.error(404, "RevisionNotFound", "Invalid rev id: " + rev)
            return None, None
        return repo, commit

    def api(self, hub, path, query):
        if self.common_fault(f := self.fault("api")):
            return
        at = next(i for i, p in enumerate(path) if p in ("revision", "tree"))
        name, rev = "/".join(path[:at]), "/".join(path[at + 1:])
        repo, commit = self.find(hub, name, rev)
        if repo is None:
            return
        kind, arg = f if isinstance(f, tuple) else (f, None)
        if kind == "body":
            body = arg
        elif path[at] == "tree":
            body = json.dumps([self.tree_entry(repo, n) for n in repo.files]).encode()
        else:
            siblings = [self.sibling(repo, n, "blobs" in query) for n in repo.files]
            siblings += [{"rfilename": n} for n in hub.extra_names]
            body = json.dumps({"_id": "0", "id": name, "sha": commit, "private": False, "tags": [], "downloads": 0, "likes": 0,
                               "siblings": siblings}).encode()
        self.reply(200, body, Content_Type="application/json")

    @staticmethod
    def sibling(repo, name, blobs):
        s = {"rfilename": name}
        if blobs:
            s.update(size=len(repo.files[name]), blobId=git_sha1(repo.files[name]))
            if name in repo.lfs:
                s["blobId"] = git_sha1(b"pointer of " + name.encode())
                s["lfs"] = {"sha256": repo.etag(name), "size": len(repo.files[name]), "pointerSize": 134}
        return s

    @staticmethod
    def tree_entry(repo, name):
        e = {"type": "file", "path": name, "size": len(repo.files[name]), "oid": git_sha1(repo.files[name])}
        if name in repo.lfs:
            e["lfs"] = {"oid": repo.etag(name), "size": len(repo.files[name]), "pointerSize": 134}
        return e

    def resolve(self, hub, name, rev, file):
        if self.common_fault(f := self.fault(("HEAD " if self.command == "HEAD" else "GET ") + file) or self.fault(file)):
            return
        repo, commit = self.find(hub, name, rev)
        if repo is None:
            return
        if name in hub.gated:
            return self.error(403 if self.headers.get("Authorization") else 401, "GatedRepo", "Access to model is restricted")
        if file not in repo.files:
            return self.error(404, "EntryNotFound", "Entry not found", X_Repo_Commit=commit)
        data = repo.files[file]
        head = {"X_Repo_Commit": commit, "ETag": '"%s"' % repo.etag(file)}
        if file in repo.lfs:
            head = {"X_Repo_Commit": commit, "X_Linked_Etag": '"%s"' % repo.etag(file), "X_Linked_Size": str(len(data)),
                    "Location": hub.store_url + "/store/%s?signature=secret" % repo.etag(file)}
        if isinstance(f, tuple) and f[0] == "set":
            head.update(f[1])
        if file in repo.lfs:
            return self.reply(302, **head)
        self.body(hub, data, f, head)

    def store(self, hub, etag):
        f = self.fault("store")
        if self.common_fault(f):
            return
        for repo in hub.repos.values():
            for name in repo.lfs:
                if repo.etag(name) == etag:
                    f = f or self.fault("store " + name)
                    return None if self.common_fault(f) else self.body(hub, repo.files[name], f, {"ETag": '"other"'})
        self.error(404)

    def body(self, hub, data, f, head):
        """The bytes, or the part that Range asks for, with what the fault does to them."""
        kind, arg = f if isinstance(f, tuple) else (f, None)
        status, start = 200, 0
        asked = self.headers.get("Range")
        if asked and kind != "ignore range":
            start = int(asked.split("=")[1].split("-")[0])
            if start >= len(data):
                return self.error(416, Content_Range="bytes */%d" % len(data))
            status = 206
            first = start + 1 if kind == "wrong range" else start
            head["Content_Range"] = "bytes %d-%d/%d" % (first, len(data) - 1, len(data))
        part = data[start:]
        if kind == "wrong bytes":
            part = bytes(b ^ 1 for b in part)
        if kind == "short":
            part = part[:-1]
        if kind == "long":
            part += b"x"
        if kind == "gzip":
            head["Content_Encoding"] = "gzip"
        self.send_response(status)
        for k, v in head.items():
            self.send_header(k.replace("_", "-"), v)
        if kind in ("endless", "chunked"):
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if kind == "endless":
            for _ in range(1000):
                self.wfile.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        elif kind == "chunked":
            self.wfile.write(b"%x\r\n" % len(part) + part + b"\r\n0\r\n\r\n")
        elif kind == "cut at":
            self.wfile.write(part[:int(len(part) * arg)])
            self.cut()
        elif kind == "stall":
            self.wfile.write(part[:len(part) // 2])
            self.wfile.flush()
            time.sleep(arg)
            self.cut()
        elif hub.chunk:
            if self.server.name == "store":
                with hub.joined:
                    hub.waiting += 1
                    hub.joined.notify_all()
                    hub.joined.wait_for(lambda: hub.waiting >= hub.together)
            with hub.lock:
                epoch = hub.epoch
            for i in range(0, len(part), hub.chunk):
                with hub.joined:
                    hub.joined.wait_for(lambda: hub.n_chunk < hub.allowed or hub.epoch != epoch)
                    if hub.epoch != epoch:
                        return self.cut()
                    hub.n_chunk += 1
                self.wfile.write(part[i:i + hub.chunk])
                time.sleep(hub.pause)
        else:
            self.wfile.write(part)


class Hub:
    def __init__(self, certificate=None):
        self.lock = threading.Lock()
        self.repos, self.private, self.gated = {}, set(), set()
        self.extra_names = []
        self.token = "hf_test"
        self.faults, self.sticky, self.log = {}, set(), []
        self.chunk, self.pause = 0, 0
        self.n_chunk, self.allowed, self.epoch = 0, math.inf, 0  # pieces sent so far, of all bodies; how many may be
        self.waiting, self.together = 0, 0  # bodies asked of the store; how many must have been before a piece of one is sent
        self.joined = threading.Condition(self.lock)
        self.servers = []
        self.url = self.start("hub", "127.0.0.1", certificate)
        self.store_url = self.start("store", "127.0.0.2", certificate)

    def start(self, name, host, certificate):
        s = Server((host, 0), Handler)
        s.hub, s.name = self, name
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            s.socket = context.wrap_socket(s.socket, server_side=True)
        threading.Thread(target=s.serve_forever, args=(0.02,), daemon=True).start()
        self.servers.append(s)
        return "%s://%s:%d" % ("https" if certificate else "http", host, s.server_address[1])

    def allow(self, pieces):
        """So many more pieces are sent and then none; bodies that wait from before are cut."""
        with self.joined:
            self.epoch += 1
            self.allowed = self.n_chunk + pieces
            self.joined.notify_all()
            return self.allowed

    def add(self, name, files, lfs=(), **kw):
        self.repos[name] = Repo(files, lfs, **kw)
        return self.repos[name]

    def reset(self):
        with self.lock:
            self.repos, self.private, self.gated = {}, set(), set()
            self.extra_names, self.faults, self.sticky, self.log = [], {}, set(), []
            self.chunk, self.pause, self.waiting, self.together, self.allowed = 0, 0, 0, 0, math.inf

    def requests(self, server=None, method=None):
        with self.lock:
            return [r for r in self.log if (server is None or r[0] == server) and (method is None or r[1] == method)]

    def stop(self):
        for s in self.servers:
            s.shutdown()
            s.server_close()
