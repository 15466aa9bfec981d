"""Client of an OpenAI-compatible server: several requests at a time, tries again, and a cache that outlives a kill."""

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from conf.schema.endpoint import EndpointConfig
from data_prep.endpoint.cache import Cache, request_key
from data_prep.endpoint.server import Refused, Server

T = TypeVar("T")
AHEAD = 4
"""Requests that are made before their turn, in multiples of those under way."""


@dataclass(frozen=True)
class Answer:
    """Answer of a model."""

    text: str
    whole: bool
    """False where it was cut off at `max_tokens`."""


@dataclass(frozen=True)
class Failure:
    """Reason why there is no answer, for people."""

    why: str


class Endpoint:
    """A model behind a server. ``folder`` holds the cache; ``section`` is that of the keys in messages, such as ocr.

    Raises UserError for a server that is away or keeps failing, a key that it does not take, a model that it does not
    have."""

    def __init__(self, config: EndpointConfig, folder: Path, section: str):
        self.config, self.server = config, Server(config, section)  # which refuses an address before there is a folder
        self.cache = Cache(folder)
        self.pool = ThreadPoolExecutor(max(config.concurrency, 1), thread_name_prefix="ask")
        self.lock = threading.Lock()
        self.asked = self.failed_in_a_row = 0

    def __enter__(self) -> "Endpoint":
        return self

    def __exit__(self, *_: object) -> None:
        self.server.stopping.set()
        self.pool.shutdown(cancel_futures=True)  # what is under way is still kept
        self.server.close()
        self.cache.close()

    def model(self) -> str:
        """Name of the model at the server."""
        return self.server.model()

    def request(self, model: str, content: str | list[dict[str, Any]]) -> dict[str, Any]:
        """Body of a request: one message of a user."""
        return {
            "model": model,
            "messages": [{"role": "user", "content": content}],
            "temperature": self.config.temperature,
            "max_tokens": self.config.max_tokens,
        }

    def ask_all(self, requests: Iterable[tuple[T, dict[str, Any]]]) -> Iterator[tuple[T, Answer | Failure]]:
        """Answers in the order of the requests, each with the tag that came with it. What the cache has is not asked,
        and equal requests are asked once. ``requests`` is read a little ahead of the answers, so it may make its bodies
        as it goes."""
        waiting: deque[tuple[T, Future[Answer | Failure]]] = deque()
        under_way: dict[str, Future[Answer | Failure]] = {}
        for tag, body in requests:
            key = request_key(body)
            if key not in under_way:
                under_way[key] = self.pool.submit(self._answer, key, body)
            waiting.append((tag, under_way[key]))
            if len(waiting) >= AHEAD * max(self.config.concurrency, 1):
                yield self._first(waiting)
                under_way = {key: future for key, future in under_way.items() if not future.done()}
        while waiting:
            yield self._first(waiting)

    def _first(self, waiting: deque[tuple[T, Future[Answer | Failure]]]) -> tuple[T, Answer | Failure]:
        tag, future = waiting.popleft()
        return tag, future.result()

    def _answer(self, key: str, body: dict[str, Any]) -> Answer | Failure:
        answer = self.cache.get(key)
        if answer is None:
            try:
                answer = _read(self.server.ask("POST", "chat/completions", body))
            except Refused as error:
                return self._failure(error)
            with self.lock:
                self.cache.put(key, answer)
                self.asked += 1
                self.failed_in_a_row = 0
        return Answer(answer["text"], answer["finish"] != "length")

    def _failure(self, error: Refused) -> Failure:
        """Count a failure: one request may fail, by its own fault (``final``) even many; a server that is away, or
        fails at everything, ends the job."""
        with self.lock:
            self.failed_in_a_row += not error.final
            hopeless = self.failed_in_a_row > 2 * max(self.config.concurrency, 1)
        if error.away or hopeless:
            self.server.stopping.set()
            raise self.server.gone(error)
        return Failure(str(error))


def _read(reply: dict[str, Any]) -> dict[str, Any]:
    """Read what is kept of a chat completion."""
    try:
        choice = reply["choices"][0]
        return {
            "text": choice["message"]["content"] or "",
            "finish": choice.get("finish_reason"),
            "usage": reply.get("usage"),
        }
    except (KeyError, IndexError, TypeError) as error:
        raise Refused("an answer without a choice") from error
