"""Filter rule url: documents of listed domains and addresses."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from common.errors import UserError
from common.files import digest
from conf.schema.language import LanguageConfig
from conf.schema.root import Config
from data_prep.filters.rule import Rule, Test
from data_prep.records.record import Record
from data_prep.text.batch import Batch


class Url(Rule):
    """Rejects documents whose address is listed, lies below a listed one, or belongs to a listed domain or a subdomain
    of one.

    The files of `corpus.url_lists` have one entry a line, a domain (example.org) or an address (example.org/shop); #
    begins a comment. Scheme, ``www.``, port, query and the case of the host do not count. Raises UserError for a file
    that cannot be read or a line that is neither."""

    name, version = "url", 1

    def __init__(self, profile: LanguageConfig, config: Config):
        super().__init__(profile, config)
        self.domains: set[str] = set()
        self.addresses: set[str] = set()
        for file in config.corpus.url_lists:
            self._read(Path(file).expanduser())
        self.labels = max((entry.count(".") + 1 for entry in self.domains), default=0)
        self.steps = max((entry.count("/") for entry in self.addresses), default=0)
        """What a listed domain and a listed address have at most; nothing longer is looked up."""

    @classmethod
    def inputs(cls, profile: LanguageConfig, config: Config) -> list[Any]:
        """Digests of the lists."""
        return [digest(path) for path in config.corpus.url_lists]

    def _read(self, path: Path) -> None:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(
                f"{path} (key corpus.url_lists) cannot be read ({error}); give a text file with one domain a line"
            ) from error
        for number, line in enumerate(lines, 1):
            entry = line.partition("#")[0].strip()
            if not entry:
                continue
            host, address = split(entry)
            if not host or " " in entry:
                raise UserError(f"{path} line {number} is neither a domain nor an address: {entry[:80]!r}")
            (self.addresses if "/" in address else self.domains).add(address)

    def judge(self, batch: Batch, alive: np.ndarray, records: Sequence[Record]) -> Iterator[Test]:
        """Yield two tests; a document without an address passes."""
        places = [split(record.url) if record.url else ("", "") for record in records]
        for reason, is_listed in (
            ("domain", [not self.domains.isdisjoint(above(host, self.labels)) for host, _ in places]),
            ("address", [not self.addresses.isdisjoint(below(address, self.steps)) for _, address in places]),
        ):
            listed = np.array(is_listed, bool)
            yield Test(f"url/{reason}", listed.astype(np.int64), listed, f"its {reason} is listed", high=2)


def split(url: str) -> tuple[str, str]:
    """Host of an address, and host with path, both without scheme, ``www.``, user, port, query and a slash at the
    end."""
    try:
        parts = urlsplit(url if "://" in url else f"//{url.lstrip('/')}")
        host = (parts.hostname or "").rstrip(".").removeprefix("www.")
    except ValueError:  # a bracket that opens no IPv6 address
        return "", ""
    return host, (host + parts.path).rstrip("/")


def above(host: str, labels: int) -> Iterator[str]:
    """A host and the domains it belongs to, of at most so many labels, the smallest last: a.b.org, b.org, org."""
    last = host.rsplit(".", labels)[-labels:] if host and labels else []
    yield from (".".join(last[place:]) for place in range(len(last)))


def below(address: str, steps: int) -> Iterator[str]:
    """An address and those above it, of at most so many steps below the host: b.org/x/y, b.org/x."""
    host, *first = address.split("/", steps + 1)[: steps + 1]
    yield from ("/".join([host, *first[:count]]) for count in range(len(first), 0, -1))
