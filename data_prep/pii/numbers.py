"""Numbers that belong to a person: IBAN, payment card, national numbers, phones. All have nine digits or more, so that
most texts need no expression at all, and the others only near their long runs of digits."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from stdnum import iban, luhn
from stdnum.pl import nip, pesel, regon
from stdnum.tr import tckimlik, vkn
from stdnum.us import ssn

from data_prep.pii.find import Find, Place, windows

_GAP = r"[ .()\u00a0\u2011–-]"
_RUN = re.compile(rf"[0-9](?:{_GAP}{{0,3}}+[0-9]){{8}}(?:{_GAP}{{0,3}}+[0-9])*+")
_SHAPE = bytes(ord("0") if chr(byte) in "0123456789" else byte for byte in range(256))
_GAPS = b" .()-\xc2\xa0\xe2\x80\x91\x93"
"""The bytes of `_GAP`; other characters lose some of theirs too, which can only join runs."""
_STRIDE, _OVERLAP = 8192, 64
_LEFT, _RIGHT = 45, 12
"""A clue (PESEL, tel.) stands before the number; an IBAN's letters before and after the run."""
# No part of a longer number, a word, a date, a file number, an amount.
_BEFORE, _AFTER = r"(?<!\w)(?<![0-9][.,/:–-])", r"(?!\w|[.,/:–-][0-9])"


@dataclass(frozen=True)
class Number:
    """A kind of number: how it is written and checked."""

    patterns: tuple[str, ...]
    """Regular expressions of the number; a group `value` is the part that counts, where a clue stands before it."""
    valid: Callable[[str], bool]


def clued(clue: str, number: str) -> str:
    """The number only where a clue stands before it on the line; the at most 25 characters between are no digit,
    semicolon, placeholder."""
    return rf"\b(?:{clue})[^\d\n<>;]{{0,25}}{_BEFORE}(?P<value>{number})"


def _is_card(number: str) -> bool:
    digits = re.sub(r"\D", "", number)
    groups = re.split(r"\D", number)
    round_figures = len(groups) > 1 and all(group.endswith("0") for group in groups)  # a row of a table
    return not round_figures and luhn.is_valid(digits)


def _digits(valid: Callable[[str], bool]) -> Callable[[str], bool]:
    return lambda number: valid(re.sub(r"\D", "", number))


# First digits by the registries of the networks: Visa, Mastercard, Discover, Troy, JCB, UnionPay; American Express;
# Diners Club.
_ALONE = r"(?<![0-9][ -])"  # no part of a row of numbers, nor of an IBAN with a slip
_CARD16 = (
    r"(?:4\d{3}|5[1-5]\d\d|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)|6011|6[45]\d\d|9792|35(?:2[89]|[3-8]\d)|62\d\d)"
)
NUMBERS = {
    "iban": Number((r"(?i:[A-Z]{2})\d{2}(?:[ -]?[A-Za-z0-9]){11,30}",), iban.is_valid),
    "card": Number(
        (
            rf"{_CARD16}\d{{12}}|3[47]\d{{13}}|3(?:0[0-5]|[68]\d)\d{{11}}",
            rf"{_ALONE}{_CARD16}([ -])\d{{4}}\1\d{{4}}\1\d{{4}}(?![ -]\d{{4}})",
            rf"{_ALONE}3(?:[47]\d\d([ -])\d{{6}}\1\d{{5}}|(?:0[0-5]|[68]\d)\d([ -])\d{{6}}\2\d{{4}})",
        ),
        _is_card,
    ),
    "tckn": Number((r"[1-9]\d{10}", r"[1-9]\d\d \d{3} \d{3} \d\d"), _digits(tckimlik.is_valid)),
    "vkn": Number((clued(r"VKN|V\.K\.N|[Vv]ergi|VERGİ|V\.D", r"\d{10}|\d{3} \d{3} \d{4}"),), _digits(vkn.is_valid)),
    "pesel": Number((r"\d{11}",), pesel.is_valid),
    "nip": Number(
        (r"\d{3}-\d{3}-\d\d-\d\d|\d{3}-\d\d-\d\d-\d{3}", clued("NIP|nip", r"(?:PL ?)?\d{10}|\d{3} \d{3} \d\d \d\d")),
        nip.is_valid,
    ),
    "regon": Number((clued("REGON|Regon|regon", r"\d{9}(?:\d{5})?"),), regon.is_valid),
    "ssn": Number(
        (r"\d{3}-\d\d-\d{4}", clued("SSN|[Ss]ocial [Ss]ecurity", r"\d{9}|\d{3} \d\d \d{4}")), _digits(ssn.is_valid)
    ),
}
"""VKN, NIP, REGON and undashed SSN have weak checks (one wrong number of ten passes, or all): they need their name
before them."""
# Possessive: a number of seventy digits can be cut into groups in millions of ways, none of which ends it.
_INTERNATIONAL = r"\+[1-9]\d{0,2}(?:(?:[ .\u00a0\u2011–-]| - )?(?:\(0?\d{1,4}\)|\d{1,10}+)){1,6}"


_NATIONAL_DIGITS = {"1": 10, "48": 9, "90": 10}
"""Digits after the country code, where the number of them is fixed: a number that follows is no part of the phone."""


class Numbers:
    """Finds the numbers of ``kinds``. ``phones``: expressions of the country's phones; ``not_before``: of what makes an
    amount of them."""

    def __init__(self, kinds: Sequence[str], phones: Sequence[str], not_before: str):
        chosen = [(kind, number) for kind, number in NUMBERS.items() if kind in kinds]
        self.rules = [
            (kind, re.compile(_bounded(pattern)), number.valid)
            for kind, number in chosen
            for pattern in number.patterns
        ]
        if "phone" in kinds:
            unit = rf"(?![ \u00a0]?(?:{not_before}))" if not_before else ""
            self.rules += [
                ("phone", re.compile(_bounded(pattern) + unit), _has_phone_digits)
                for pattern in (_INTERNATIONAL, *phones)
            ]

    def __call__(self, text: str) -> Iterator[Find]:
        for start, end in windows(_runs(text), _LEFT, _RIGHT):
            for kind, pattern, valid in self.rules:
                for hit in pattern.finditer(text, start, end):
                    value = _value(hit)
                    place = _shrunk(text, value, valid) if kind in ("iban", "phone") else value
                    if place and valid(text[slice(*place)]):
                        yield *place, kind


def _runs(text: str) -> Iterator[re.Match[str]]:
    for start in range(0, len(text), _STRIDE):
        end = start + _STRIDE + _OVERLAP
        # bytes are searched ten times faster than by an expression
        if b"0" * 9 in text[start:end].encode("utf-8", "replace").translate(_SHAPE, _GAPS):
            yield from _RUN.finditer(text, start, end)


def _bounded(pattern: str) -> str:
    return rf"{_BEFORE}(?:{pattern}){_AFTER}"


def _value(hit: re.Match[str]) -> Place:
    return hit.span("value") if "value" in hit.re.groupindex else hit.span()


def _has_phone_digits(number: str) -> bool:
    digits = re.sub(r"\D", "", number.replace("(0)", ""))
    for country, size in _NATIONAL_DIGITS.items():
        if number.startswith(f"+{country}"):
            return len(digits) == len(country) + size
    return 8 <= len(digits) <= 15


def _shrunk(text: str, place: Place, valid: Callable[[str], bool]) -> Place | None:
    """The longest valid beginning of a place that ends with a group: what follows an IBAN or a phone may look like its
    next group."""
    start, end = place
    while end - start >= 9:
        if valid(text[start:end]):
            return start, end
        end = max(text.rfind(" ", start, end), text.rfind("-", start, end))
    return None
