"""A small server with an OpenAI-compatible interface, on loopback; it can be slow, refuse, fail, and hang up."""

import base64
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DROP = "drop"
"""As an answer of `ModelServer.say`: hang up in the middle."""


class ModelServer(ThreadingHTTPServer):
    """``say(body, times)`` is the model: of a request, and how often it came before, it makes a text, a whole reply, a
    status, or DROP."""

    daemon_threads = True

    def __init__(
        self, say: Callable[[dict[str, Any], int], Any], models: tuple[str, ...] | None = ("reader",), port: int = 0
    ):
        super().__init__(("127.0.0.1", port), _Handler)
        self.say, self.models = say, models
        self.seconds, self.key, self.retry_after = 0.0, "", ""
        self.came: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.at_once = self.most_at_once = 0
        self.down = False
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def stop(self) -> None:
        """Go away: nobody is answered any more."""
        self.down = True
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that are killed hang up."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ModelServer

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        if self.server.models is None:
            return self._reply(404, {"error": "no list here"})
        return self._reply(200, {"object": "list", "data": [{"id": name} for name in self.server.models]})

    def do_POST(self) -> None:
        server = self.server
        raw = self.rfile.read(int(self.headers["content-length"]))
        if server.down:
            self.close_connection = True
            return None
        if server.key and self.headers.get("authorization") != f"Bearer {server.key}":
            return self._reply(401, {"error": "no"})
        body = json.loads(raw)
        name = json.dumps(body, sort_keys=True)
        with server.lock:
            times = server.came[name]
            server.came[name] += 1
            server.at_once += 1
            server.most_at_once = max(server.most_at_once, server.at_once)
        time.sleep(server.seconds)
        said = server.say(body, times)
        with server.lock:
            server.at_once -= 1
        if said == DROP:
            self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{")
            self.close_connection = True
            return None
        if isinstance(said, int):
            return self._reply(said, {"error": {"message": "so it is"}})
        if isinstance(said, str):
            said = {
                "choices": [{"message": {"role": "assistant", "content": said}, "finish_reason": "stop"}],
                "usage": {"total_tokens": 3},
            }
        self._reply(200, said)
        with server.lock:
            server.answered[name] += 1
        return None

    def _reply(self, status: int, body: Any) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(raw)))
        if status == 429 and self.server.retry_after:
            self.send_header("retry-after", self.server.retry_after)
        self.end_headers()
        self.wfile.write(raw)


@contextmanager
def model_server(say: Callable[[dict[str, Any], int], Any], **keys: Any) -> Iterator[ModelServer]:
    """A server that runs while the block does."""
    server = ModelServer(say, **keys)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        if not server.down:
            server.stop()


def text_of(body: dict[str, Any]) -> str:
    """What was asked, without images."""
    content = body["messages"][0]["content"]
    return content if isinstance(content, str) else next(part["text"] for part in content if part["type"] == "text")


def image_of(body: dict[str, Any]) -> bytes:
    """The image that was shown."""
    url = next(part["image_url"]["url"] for part in body["messages"][0]["content"] if part["type"] == "image_url")
    return base64.b64decode(re.fullmatch(r"data:image/png;base64,(.+)", url)[1])
