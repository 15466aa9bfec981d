"""Section `ocr` and `recycle`: jobs that ask a model server."""

from dataclasses import dataclass, field
from typing import Annotated

from conf.schema.ranges import Positive, Range, Share, Size


@dataclass
class EndpointConfig:
    """A server with an OpenAI-compatible interface (vLLM, SGLang, llama.cpp ...)."""

    url: str = ""
    """Its base address (http://host:port/v1). There is no default: pages and texts, and the key, go to whoever listens
    there."""
    model: str = ""
    """Name of the model there; empty: the first it lists."""
    key_variable: str = "TERZI_ENDPOINT_KEY"
    """Environment variable with the key, which is sent to `url` alone and never written anywhere."""
    concurrency: Annotated[int, Range(1, 10_000)] = 8
    """Requests at a time."""
    timeout: Annotated[float, Range(0, 86_400, above=True)] = 300
    """Seconds to wait for an answer."""
    retries: Annotated[int, Range(0, 1_000)] = 5
    """Tries more after a refusal or a silence, each after twice the time."""
    wait: Annotated[float, Range(0, 3_600)] = 1.0
    """Seconds before the first of them; a server that asks for more gets it."""
    temperature: Annotated[float, Range(0, 100)] = 0.0
    """Sampling temperature."""
    max_tokens: Size = 4096
    """Longest answer."""


@dataclass
class OcrConfig:
    """Read scanned pages by a vision model."""

    inputs: list[str] = field(default_factory=list)
    """PDF files or folders of them."""
    output: str = "data/${name}/ocr"
    """Folder for the documents (a .pages.json each, with all of its pages, which `jobs.corpus` reads in place of the
    PDF), the cache, and the list of pages that are still without text."""
    endpoint: EndpointConfig = field(default_factory=EndpointConfig)
    """The server."""
    prompt: str = "Extract the text of this page in reading order."
    """What the model is asked."""
    dpi: Annotated[int, Range(10, 2_400)] = 200
    """Resolution at which pages are drawn."""
    only_without_text: bool = True
    """Take the text of pages that have a text layer from there, and ask only for the others; false: ask for all."""


@dataclass
class RecycleConfig:
    """Rewrite the middle band by an LLM, score it again, keep it only if better (Bielik v3)."""

    inputs: list[str] = field(default_factory=list)
    """Documents with their scores: what `jobs.corpus` kept with the rule quality."""
    output: str = "data/${name}/recycled"
    """Folder for the rewritten documents, the cache and the report."""
    endpoint: EndpointConfig = field(default_factory=EndpointConfig)
    """The server."""
    prompt: str = (
        "Rewrite the following text so that it is clear, complete and well written. Keep its language, its facts and"
        " its terms. Answer with the text alone."
    )
    """What the model is asked; the text follows."""
    high_from: Share = 0.5
    """Take HIGH documents from this probability on ..."""
    high_to: Share = 0.7
    """... to this one (Bielik v3: 50 to 70%)."""
    medium_from: Share = 0.5
    """Take MEDIUM documents from this probability on."""
    max_characters: Positive = 12_000
    """Longer documents are left alone."""
    min_gain: Share = 0.0
    """Keep a rewritten text only if its probability of HIGH rose by more."""
