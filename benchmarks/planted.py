"""Personal data planted in real text at known places, with decoys that must stay; what is written how is in
planted.yaml."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from stdnum import iban, luhn
from stdnum.pl import nip, pesel, regon
from stdnum.tr import tckimlik, vkn

from data_prep.pii.find import Find

CHECKED = ("iban", "card", "tckn", "vkn", "pesel", "nip", "regon")
CARDS = ["4", "51", "55", "2720", "6011", "9792", "37"]
URLS = [
    "www.{0}",
    "http://{0}",
    "https://www.{0}/",
    "https://{0}/a/b.html?x=1&y=2#z",
    "www.{0}/wiki/Ad_(x)",
    "{0}/a/123",
    "ftp://ftp.{0}/a.zip",
]
IP6 = ["2001:db8:85a3::8a2e:370:7334", "fe80::1ff:fe23:4567:890a", "2001:0db8:0000:0000:0000:ff00:0042:8329"]


@cache
def ways(language: str) -> dict[str, Any]:
    """How people write things in a language."""
    return yaml.safe_load((Path(__file__).parent / "planted.yaml").read_text(encoding="utf-8"))[language]


@dataclass
class Planted:
    """A text with the places of what was planted (start, end, kind), and of decoys."""

    text: str = ""
    data: list[Find] = field(default_factory=list)
    decoys: list[Find] = field(default_factory=list)

    def add(self, value: str, kind: str, places: list[Find]) -> None:
        """Append ``value`` and keep its place in ``places``."""
        places.append((len(self.text), len(self.text) + len(value), kind))
        self.text += value


def digits(dice: random.Random, form: str | int) -> str:
    """A form with # and N replaced by digits, N by one but 0; a number is a form of so many #."""
    signs = form if isinstance(form, str) else "#" * form
    return "".join(
        dice.choice("0123456789" if sign == "#" else "123456789") if sign in "#N" else sign for sign in signs
    )


def grouped(number: str, sizes: Sequence[int], gap: str) -> str:
    """A number in groups; what is left is the last one."""
    ends = [sum(sizes[: place + 1]) for place in range(len(sizes))]
    return gap.join(
        part for part in (number[start:end] for start, end in zip([0, *ends], [*ends, None], strict=True)) if part
    )


def value(dice: random.Random, kind: str, language: str) -> str:
    """A valid value of a kind, in one of the ways in which people write it."""
    return _MAKERS[kind](dice, language)


def broken(dice: random.Random, kind: str, language: str) -> str:
    """A value whose last digit is one too high: its checksum is wrong."""
    number = value(dice, kind, language)
    return number[:-1] + str((int(number[-1]) + 1) % 10)


def plant(texts: Sequence[str], language: str, kinds: Sequence[str], seed: int, each: int = 4) -> list[Planted]:
    """Into each text ``each`` values and as many decoys, at random ends of words; kinds in turns."""
    dice, planted, turn, leads = random.Random(seed), [], 0, ways(language)["leads"]
    checked = [kind for kind in kinds if kind in CHECKED]
    for text in texts:
        spaces = [place for place, sign in enumerate(text) if sign == " "]
        document, last = Planted(), 0
        for number, place in enumerate(sorted(dice.sample(spaces, min(2 * each, len(spaces))))):
            document.text += text[last:place] + " "
            last = place
            if number % 2:
                kind = dice.choice(checked) if dice.random() < 0.5 else "decoy"
                document.text += f"{dice.choice(leads[kind])} " if kind in leads else ""
                decoy = dice.choice(ways(language)["decoys"]) if kind == "decoy" else broken(dice, kind, language)
                document.add(decoy, kind, document.decoys)
                continue
            kind, turn = kinds[turn % len(kinds)], turn + 1
            lead = dice.choice(leads.get(kind, leads["any"]))
            document.text += lead if lead in ("(", '"', "„", "") else f"{lead} "
            document.add(value(dice, kind, language), kind, document.data)
            document.text += {"(": ")", '"': '"', "„": '"'}.get(lead) or dice.choice(["", ",", ".", ";"])
        document.text += text[last:]
        planted.append(document)
    return planted


def _email(dice: random.Random, language: str) -> str:
    address = (
        dice.choice(ways(language)["mailboxes"])
        + dice.choice(["@"] * 6 + [" (at) ", "[at]"])
        + dice.choice(ways(language)["hosts"])
    )
    return address.upper() if dice.random() < 0.1 and "at" not in address else address


def _url(dice: random.Random, language: str) -> str:
    address = dice.choice(URLS).format(dice.choice(ways(language)["hosts"]))
    return address.upper() if dice.random() < 0.1 and address.startswith(("http", "www")) else address


def _ip(dice: random.Random, language: str) -> str:
    return dice.choice(IP6) if dice.random() < 0.15 else ".".join(str(dice.randrange(1, 255)) for _ in range(4))


def _iban(dice: random.Random, language: str) -> str:
    country = {"tr": "TR", "pl": "PL", "en": "DE"}[language]
    bank = digits(dice, 7)
    check = (10 - sum(int(digit) * weight for digit, weight in zip(bank, (3, 9, 7, 1, 3, 9, 7), strict=True))) % 10
    account = {
        "TR": f"000620{digits(dice, 16)}",
        "PL": f"{bank}{check}{digits(dice, 16)}",
        "DE": f"37040044{digits(dice, 10)}",
    }[country]
    number = country + iban.calc_check_digits(f"{country}00{account}") + account
    return number if dice.random() < 0.4 else grouped(number, [4] * (len(number) // 4), dice.choice("    -"))


def _card(dice: random.Random, language: str) -> str:
    stem = dice.choice(CARDS)
    body = stem + digits(dice, (14 if stem == "37" else 15) - len(stem))
    number = body + luhn.calc_check_digit(body)
    return number if dice.random() < 0.4 else grouped(number, [4, 6, 5] if stem == "37" else [4] * 4, dice.choice(" -"))


def _tckn(dice: random.Random, language: str) -> str:
    body = digits(dice, "N########")
    number = body + tckimlik.calc_check_digits(body)
    return number if dice.random() < 0.85 else grouped(number, [3, 3, 3], " ")


def _vkn(dice: random.Random, language: str) -> str:
    return (body := digits(dice, 9)) + vkn.calc_check_digit(body)


def _pesel(dice: random.Random, language: str) -> str:
    body = f"{dice.randrange(40, 99):02d}{dice.randrange(1, 13):02d}{dice.randrange(1, 29):02d}{digits(dice, 4)}"
    return body + pesel.calc_check_digit(body)


def _nip(dice: random.Random, language: str) -> str:
    number = next(number for number in iter(lambda: digits(dice, "N#########"), "") if nip.is_valid(number))
    return dice.choice(
        [number, grouped(number, [3, 3, 2], "-"), grouped(number, [3, 2, 2], "-"), grouped(number, [3, 3, 2], " ")]
    )


def _regon(dice: random.Random, language: str) -> str:
    return (body := digits(dice, 8)) + regon.calc_check_digit(body)


def _ssn(dice: random.Random, language: str) -> str:
    return dice.choice("---  ").join(
        (f"{dice.randrange(100, 665)}", f"{dice.randrange(1, 100):02d}", f"{dice.randrange(1, 10000):04d}")
    )


_MAKERS = {
    **{
        "email": _email,
        "url": _url,
        "ip": _ip,
        "iban": _iban,
        "card": _card,
        "tckn": _tckn,
        "vkn": _vkn,
        "pesel": _pesel,
        "nip": _nip,
    },
    **{"regon": _regon, "ssn": _ssn},
    "phone": lambda dice, language: digits(dice, dice.choice(ways(language)["phones"])),
    "address": lambda dice, language: dice.choice(ways(language)["addresses"]),
}


@dataclass
class Score:
    """Of one kind: planted, found, and finds that are wrong."""

    planted: int = 0
    found: int = 0
    wrong: int = 0

    @property
    def recall(self) -> float:
        """Share of the planted that was found."""
        return self.found / max(self.planted, 1)

    @property
    def precision(self) -> float:
        """Share of the finds that is right."""
        return self.found / max(self.found + self.wrong, 1)


def score(
    documents: Sequence[Planted], finds: Sequence[Sequence[Find]], misses: list[str] | None = None
) -> dict[str, Score]:
    """Right is the same kind at the same place; for addresses, which end where people differ, the same kind over at
    least 80% of it.

    ``misses`` takes what was missed and what was wrongly found, for people."""
    scores: dict[str, Score] = {}
    for document, places in zip(documents, finds, strict=True):
        left, missed = list(places), []
        for planted in document.data:
            entry = scores.setdefault(planted[2], Score())
            entry.planted += 1
            right = next((find for find in left if _same(planted, find)), None)
            if right:
                entry.found += 1
                left.remove(right)
            else:
                missed.append(planted)
        for find in left:
            scores.setdefault(find[2], Score()).wrong += 1
        if misses is not None:
            for what, (start, end, kind) in [("missed", place) for place in missed] + [
                ("wrong", place) for place in left
            ]:
                text = document.text
                misses.append(
                    f"{what} {kind}: …{text[max(start - 25, 0) : start]}[{text[start:end]}]{text[end : end + 8]}"
                )
    return scores


def _same(planted: Find, find: Find) -> bool:
    if planted[2] != "address" or find[2] != "address":
        return planted == find
    return min(planted[1], find[1]) - max(planted[0], find[0]) >= 0.8 * (planted[1] - planted[0])
