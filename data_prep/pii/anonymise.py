"""Personal data in texts, replaced by typed placeholders.

Finds are patterns with checks (python-stdnum for checksums), not a model: names of persons stay. What a country writes
in its own way is in the profile of the language."""

import re
from collections import Counter
from collections.abc import Iterator

from common.errors import UserError, suggestion
from conf.schema.language import LanguageConfig
from data_prep.pii.find import Find, longest, windows
from data_prep.pii.numbers import NUMBERS, Numbers
from data_prep.pii.online import Ip, emails, urls

VERSION = 1
"""Raised by hand whenever the same text may be replaced otherwise: documents are written anew;
``tests/data_prep/versions`` holds it to that."""
KINDS = ("email", "url", "ip", *NUMBERS, "phone", "address")


class Anonymiser:
    """Finds and replaces the personal data of a profile's `pii`. Raises UserError for an unknown kind or a broken
    expression."""

    def __init__(self, profile: LanguageConfig):
        rules, prefix = profile.pii, f"corpus.languages.{profile.code}.pii."
        for kind in rules.kinds:
            if kind not in KINDS:
                raise UserError(
                    f"{prefix}kinds: '{kind}' is unknown; it takes {', '.join(KINDS)}{suggestion(kind, KINDS)}"
                )
        expressions = {
            "not_before": [rules.not_before],
            "address_near": rules.address_near,
            "phone": rules.phone,
            "address": rules.address,
        }
        for key, patterns in expressions.items():
            for pattern in patterns:
                _check(pattern, prefix + key)
        self.kinds, self.template = rules.kinds, rules.template
        self.numbers = Numbers(rules.kinds, rules.phone, rules.not_before)
        online = {"email": emails, "url": urls, "ip": Ip(rules.not_before)}
        self.online = [(kind, find) for kind, find in online.items() if kind in rules.kinds]
        self.near = [re.compile(pattern) for pattern in rules.address_near]
        self.addresses = [re.compile(pattern) for pattern in rules.address] if "address" in rules.kinds else []

    def find(self, text: str) -> list[Find]:
        """Places (start, end, kind), in order and without overlap: of two that overlap the longer stays, then the first
        of `kinds`."""
        finds = list(self.numbers(text))
        for kind, places in self.online:
            finds += [(*place, kind) for place in places(text)]
        finds += self._addresses(text)
        return longest(finds, self.kinds) if len(finds) > 1 else finds

    def replace(self, text: str) -> tuple[str, Counter[str]]:
        """The text with placeholders, and how many of each kind."""
        finds = self.find(text)
        if not finds:
            return text, Counter()
        pieces, last = [], 0
        for start, end, kind in finds:
            pieces += [text[last:start], self.template.replace("{kind}", kind.upper())]
            last = end
        return "".join([*pieces, text[last:]]), Counter(kind for *_, kind in finds)

    def _addresses(self, text: str) -> Iterator[Find]:
        hits = [hit for near in self.near for hit in near.finditer(text)] if self.addresses else []
        for start, end in windows(sorted(hits, key=re.Match.start), 120, 120):
            for pattern in self.addresses:
                yield from ((*hit.span(), "address") for hit in pattern.finditer(text, start, end))


def _check(pattern: str, key: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise UserError(f"{key}: {pattern!r} is no regular expression ({error}); mend it") from error
