"""Addresses of the network: e-mail, URL, IP. A text without their signs costs a search for a few letters."""

import ipaddress
import re
from collections import deque
from collections.abc import Iterator

from data_prep.pii.find import Place, windows

_AT_SIGNS = ("@", "(at)", "[at]")
_AT = r"(?:@|[ ]?(?:\(at\)|\[at\])[ ]?)"
_DOT = r"(?:\.|[ ]?(?:\(dot\)|\[dot\])[ ]?)"
# Top-level domains are written in one case (NDCG@10.Based is a lost space), and `git@host:path` names no mailbox.
_EMAIL = re.compile(
    rf"(?<![\w.+%-])[\w+%-]+(?:\.[\w+%-]+)*+{_AT}(?:(?!\d+\.\d)[\w-]+{_DOT})+?(?:[a-z]{{2,24}}|[A-Z]{{2,24}})(?![\w-]|\.\w)(?!:[\w/~])"
)
_URL_SIGNS = ("://", "www.", "WWW.")
_REST = r"[^\s<>\"“”«»'’`|\\^{}]"
_URL = re.compile(rf"(?<![\w@])(?:(?:https?|ftp)://{_REST}|www\.[\w-]+\.\w){_REST}*", re.IGNORECASE)
# A bare host counts only with a path: Onet.pl and Women.com are names of companies. `host/path:tag` names an image of a
# container.
_DOMAINS = ("com", "org", "net", "gov", "edu", "io", "eu", "tr", "pl", "uk")
_PATH_SIGN = re.compile(r"/(?:(?<=\.[a-z]{3}/)|(?<=\.[a-z]{2}/))")
_HOST = re.compile(rf"(?<![\w@./:-])(?:[A-Za-z0-9][A-Za-z0-9-]*+\.)+(?:{'|'.join(_DOMAINS)})/")
_PATH, _BLANK, _TAG = re.compile(rf"{_REST}+"), re.compile(r"\s"), re.compile(r"\w:\w")
_TRAILING, _BRACKETS = ".,;:!?…*_~)]", {")": "(", "]": "["}
_IP4_SIGN = re.compile(r"\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]")  # begins with a full stop, which are fewer than digits
_IP4 = re.compile(r"(?<![\w.,:/-])[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}(?![\w-]|[.,][0-9])")
_IP_NAMED = re.compile(r"\b(?:IP|Ip|ip|İP|IPv4)\b[^\d\n]*$")
_IP6_SIGN = re.compile(r":[0-9a-fA-F]{0,4}:[0-9a-fA-F]{0,4}:")
_IP6 = re.compile(r"(?<![\w:.])(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{0,4}(?![\w:])")


def emails(text: str) -> Iterator[Place]:
    """E-mail addresses, `name (at) host.tld` included."""
    if any(sign in text for sign in _AT_SIGNS):
        yield from (hit.span() for hit in _EMAIL.finditer(text))


def urls(text: str) -> Iterator[Place]:
    """http(s)://, ftp:// and www. addresses, and hosts of a well-known domain with a path; without the full stop or
    bracket after them."""
    if any(sign in text for sign in _URL_SIGNS):
        yield from (_trimmed(text, *hit.span()) for hit in _URL.finditer(text))
    if _PATH_SIGN.search(text):
        yield from (_trimmed(text, *place) for place in _hosts_with_path(text))


def _hosts_with_path(text: str) -> Iterator[Place]:
    """Hosts with what follows them, but for those of which the rest of the word holds a tag. The end and the last tag
    of a word are looked for once, however many hosts stand in it."""
    at = end = tag = 0
    while host := _HOST.search(text, at):
        at = host.end()
        if at >= end:
            blank = _BLANK.search(text, at)
            end = blank.start() if blank else len(text)
            tags = deque(_TAG.finditer(text, at, end), maxlen=1)
            tag = tags[0].start() if tags else -1
        if tag >= at:
            at = tag + 1
        elif path := _PATH.match(text, at):
            at = path.end()
            yield host.start(), at


def _trimmed(text: str, start: int, end: int) -> Place:
    """The place without the signs at its end that belong to the sentence; a bracket that closes one of its own
    stays."""
    counts = {sign: text.count(sign, start, end) for pair in _BRACKETS.items() for sign in pair}
    while end > start:
        last = text[end - 1]
        closes_own = last in _BRACKETS and counts[_BRACKETS[last]] >= counts[last]
        if last not in _TRAILING or closes_own:
            break
        if last in counts:
            counts[last] -= 1
        end -= 1
    return start, end


class Ip:
    """IP addresses, versions 4 and 6. ``not_before``: regular expression of what makes an amount of four groups of
    digits.

    Section numbers (11.1.1.4) look like addresses: without the word IP before it one of the four numbers must be 100 or
    more, which 98% of random addresses have. Loopback and 0.0.0.0 are nobody's."""

    def __init__(self, not_before: str):
        self.amount = re.compile(rf"[ \u00a0]?(?:{not_before})") if not_before else None

    def __call__(self, text: str) -> Iterator[Place]:
        for start, end in windows(_IP4_SIGN.finditer(text), 4, 4):
            for hit in _IP4.finditer(text, start, end):
                named = _IP_NAMED.search(text, max(hit.start() - 40, 0), hit.start())
                if (
                    (named or max(map(int, hit[0].split("."))) >= 100)
                    and _is_somebodys(hit[0])
                    and not self._is_amount(text, hit.end())
                ):
                    yield hit.span()
        if _IP6_SIGN.search(text):
            for hit in _IP6.finditer(text):
                if hit[0].count(":") >= 3 and any(map(str.isdigit, hit[0])) and _is_somebodys(hit[0]):
                    yield hit.span()

    def _is_amount(self, text: str, end: int) -> bool:
        return self.amount is not None and self.amount.match(text, end) is not None


def _is_somebodys(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return not (parsed.is_unspecified or parsed.is_loopback)
