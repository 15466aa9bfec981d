"""A server with an OpenAI-compatible interface: one question, with tries again."""

import os
import threading
from typing import Any

import httpx2

from common.errors import UserError, suggestion
from conf.schema.endpoint import EndpointConfig

LONGEST_WAIT = 120.0
AGAIN = (408, 409, 425, 429)
"""Refusals, beside 500 and above, after which another try may help."""


class Refused(Exception):
    """A try that failed. ``wait``: seconds that the server asks for; ``final``: another one is useless; ``away``:
    nobody answers there, so other requests are useless too."""

    def __init__(self, why: str, wait: float = 0, final: bool = False, away: bool = False):
        super().__init__(why)
        self.wait, self.final, self.away = wait, final, away


class Server:
    """``section`` is that of the keys in messages, such as ocr. ``stopping`` ends the waiting between tries."""

    def __init__(self, config: EndpointConfig, section: str):
        self.config, self.section = config, section
        if not config.url:
            raise UserError(
                f"{self.key('url')} is not set; name the server that is to get the texts, such as http://node7:8000/v1"
            )
        self.stopping = threading.Event()
        key = os.environ.get(config.key_variable, "").strip()
        if not key.isascii() or not key.isprintable():  # else the error of the library would show it
            raise UserError(f"the environment variable {config.key_variable} ({self.key('key_variable')}) holds no key")
        workers = max(config.concurrency, 1)
        self.http = httpx2.Client(
            timeout=httpx2.Timeout(config.timeout, connect=min(config.timeout, 30)),
            headers={"Authorization": f"Bearer {key}"} if key else {},
            limits=httpx2.Limits(max_connections=workers, max_keepalive_connections=workers),
        )

    def close(self) -> None:
        """Close the connections."""
        self.http.close()

    def model(self) -> str:
        """Name of the model at the server: `endpoint.model`, or the first that it lists."""
        wanted = self.config.model
        try:
            listed = self.ask("GET", "models")
        except Refused as error:
            if wanted and error.final:  # a server that keeps no list
                return wanted
            raise self.gone(error) from error
        names = [entry["id"] for entry in listed.get("data") or [] if isinstance(entry, dict) and "id" in entry]
        if wanted and names and wanted not in names:
            hint = suggestion(wanted, names) or f"; it has: {', '.join(names)}"
            raise UserError(f"{self.key('model')}={wanted}: the server at {self.config.url} has no such model{hint}")
        if not wanted and not names:
            raise UserError(f"the server at {self.config.url} lists no model; give its name as {self.key('model')}")
        return wanted or names[0]

    def gone(self, error: Refused) -> UserError:
        """The error that ends the job."""
        what = "does not answer" if error.away else "fails at everything"
        return UserError(
            f"the server at {self.config.url} {what} ({error}); start it, or set {self.key('url')}; the same command"
            " then goes on from here"
        )

    def key(self, name: str) -> str:
        """Name of a key of the server's section."""
        return f"{self.section}.endpoint.{name}"

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """The server's JSON, after `retries` more tries at most, each after twice the time or what the server asks
        for."""
        wait = self.config.wait
        for left in range(self.config.retries, -1, -1):
            try:
                return self._once(method, path, body)
            except Refused as error:
                if error.final or not left or self.stopping.wait(min(max(wait, error.wait), LONGEST_WAIT)):
                    raise
            wait *= 2
        raise AssertionError("the last try returns or raises")

    def _once(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        url = f"{self.config.url.rstrip('/')}/{path}"
        try:
            reply = self.http.request(method, url, json=body)
        except (httpx2.UnsupportedProtocol, httpx2.InvalidURL) as error:
            raise UserError(f"{self.key('url')}={self.config.url} is no address; write http://host:port/v1") from error
        except httpx2.ConnectError as error:
            raise Refused(_first_line(error), away=True) from error
        except httpx2.TransportError as error:
            raise Refused(_first_line(error)) from error
        if reply.status_code in (401, 403):
            raise UserError(
                f"the server at {self.config.url} refuses the key ({reply.status_code}); "
                f"put a valid one into the environment variable {self.config.key_variable}"
            )
        if reply.status_code in AGAIN or reply.status_code >= 500:
            raise Refused(f"status {reply.status_code}", wait=_seconds(reply.headers.get("retry-after")))
        if reply.status_code >= 300:
            raise Refused(
                f"status {reply.status_code}: {_first_line(reply.text)[:200]}",
                final=True,
                away=reply.status_code == 404,
            )
        try:
            return reply.json()
        except ValueError as error:
            raise Refused("an answer that is not JSON") from error


def _seconds(header: str | None) -> float:
    return float(header) if header and header.replace(".", "", 1).isdigit() else 0.0


def _first_line(error: Any) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
