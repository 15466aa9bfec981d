"""A Hugging Face hub on loopback: the endpoints that the hub library calls to list and to download, and the faults of a
network.

huggingface_hub has no server of its own (its tests call a staging hub), and the open ones want a database and an object
store."""

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

TOKEN = "hf_of_the_tests"
LARGE = (".safetensors", ".parquet")
API = re.compile(r"/api/(model|dataset)s/([^/]+/[^/]+?)(?:/(revision|tree|auth-check)(?:/([^/]+))?)?")
FILE = re.compile(r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


class Hub:
    """Repositories, and what happened to them."""

    def __init__(self):
        self.branches: dict[tuple[str, str], dict[str, str]] = {}
        self.commits: dict[str, dict[str, bytes]] = {}
        self.gated: set[str] = set()
        self.claimed: dict[str, int] = {}
        """Size that the listing claims of a path."""
        self.forged: dict[str, bytes] = {}
        """Other bytes, of the same length, that are sent for a path."""
        self.cut: dict[str, int] = {}
        """Close the connection after so many bytes of a path, once."""
        self.held: dict[str, int] = {}
        """Send so many bytes of a path and then wait for ``release``."""
        self.holding, self.release = threading.Event(), threading.Event()
        self.requests: list[tuple[str, str, str]] = []
        """(method, path, Range header)"""

    def commit(self, kind: str, name: str, files: dict[str, bytes], branch: str = "main") -> str:
        """Put ``files`` on a branch of a repository; the commit."""
        text = json.dumps([kind, name, {path: hashlib.sha1(data).hexdigest() for path, data in files.items()}])
        commit = hashlib.sha1(text.encode()).hexdigest()
        self.commits[commit] = files
        self.branches.setdefault((kind, name), {})[branch] = commit
        return commit

    def sent(self, path: str) -> list[str]:
        """Range header of each download of a path."""
        return [wanted for method, asked, wanted in self.requests if method == "GET" and asked.endswith(f"/{path}")]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:  # noqa: N802
        self.do_GET()

    def do_GET(self) -> None:  # noqa: N802
        path = urlsplit(self.path).path
        self.hub.requests.append((self.command, unquote(path), self.headers.get("Range", "")))
        if found := API.fullmatch(path):
            self.api(found[1], found[2], found[3], unquote(found[4] or "main"))
        elif found := FILE.fullmatch(path):
            self.file("dataset" if found[1] else "model", found[2], unquote(found[3]), unquote(found[4]))
        else:
            self.refuse(404, "")

    def allowed(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def find(self, kind: str, name: str, revision: str) -> str | None:
        """The commit; None after an answer that says what is wrong."""
        branches = self.hub.branches.get((kind, name))
        if branches is None:
            return self.refuse(
                404 if self.allowed() else 401,
                "RepoNotFound" if self.allowed() else "",
                "Invalid username or password.",
            )
        commit = revision if revision in self.hub.commits else branches.get(revision)
        return commit or self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")

    def api(self, kind: str, name: str, what: str | None, revision: str) -> None:
        commit = self.find(kind, name, revision)
        if commit is None:
            return None
        if what == "auth-check" and name in self.hub.gated and not self.allowed():
            return self.refuse(401, "GatedRepo", f"Access to {kind} {name} is restricted.")
        if what == "tree":
            return self.answer([self.entry(path, data) for path, data in self.hub.commits[commit].items()])
        files = [{"rfilename": path} for path in self.hub.commits[commit]]
        gated = "auto" if name in self.hub.gated else False
        return self.answer(
            {"id": name, "sha": commit, "siblings": files, "private": False, "gated": gated, "tags": [], "downloads": 0}
        )

    def entry(self, path: str, data: bytes) -> dict:
        """One file of a listing, large ones as the hub keeps them: a pointer in git, the bytes elsewhere."""
        size = self.hub.claimed.get(path, len(data))
        blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        made = {"type": "file", "path": path, "size": size, "oid": blob}
        if path.endswith(LARGE):
            made["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": size, "pointerSize": 134}
        return made

    def file(self, kind: str, name: str, revision: str, path: str) -> None:
        commit = self.find(kind, name, revision)
        if commit is None:
            return None
        if name in self.hub.gated and not self.allowed():
            return self.refuse(401, "GatedRepo", f"Access to {kind} {name} is restricted.")
        data = self.hub.commits[commit].get(path)
        if data is None:
            return self.refuse(404, "EntryNotFound")
        entry = self.entry(path, data)
        etag = entry["lfs"]["oid"] if "lfs" in entry else entry["oid"]
        begin = int(found[1]) if (found := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))) else 0
        self.send_response(206 if begin else 200)
        self.send_header("ETag", f'"{etag}"')
        self.send_header("X-Repo-Commit", commit)
        self.send_header("Accept-Ranges", "bytes")
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - begin))
        self.end_headers()
        if self.command == "GET":
            self.send(path, self.hub.forged.get(path, data), begin)
        return None

    def send(self, path: str, data: bytes, begin: int) -> None:
        stop = self.hub.cut.pop(path, None) or self.hub.held.get(path)
        self.wfile.write(data[begin:stop])
        if stop is None:
            return
        self.wfile.flush()
        if path in self.hub.held:
            self.hub.holding.set()
            self.hub.release.wait(90)
            self.wfile.write(data[stop:])
        else:
            self.close_connection = True

    def answer(self, value: object) -> None:
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def refuse(self, status: int, code: str, message: str = "") -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", message)
        self.send_header("Content-Length", "0")
        self.end_headers()


@contextmanager
def serving() -> Iterator[tuple[Hub, str]]:
    """A hub and its address."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": hub}))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield hub, f"http://127.0.0.1:{server.server_port}"
    finally:
        hub.release.set()
        server.shutdown()
        server.server_close()
