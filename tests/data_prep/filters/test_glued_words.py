"""Words that run together: real text of three languages as it is and with a share of its spaces lost, and the
arithmetic of the rule."""

import io
import random
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
import pytest
import zstandard

from common.errors import UserError
from conf.schema.root import Config
from data_prep.filters.glued_words import GluedWords
from data_prep.morphology.dictionary import HashSet
from data_prep.text.batch import Batch
from data_prep.text.language import load_language

RULES: dict[str, GluedWords] = {}


def rule_of(code: str) -> GluedWords:
    """One rule a language: its dictionary takes seconds to load."""
    return RULES.setdefault(code, GluedWords(load_language(code), Config()))


def shares(rule: GluedWords, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Share of glued words of each text, and whether it is rejected."""
    batch = Batch(texts, rule.profile.casing)
    (test,) = rule.judge(batch, np.ones(len(texts), bool), [])
    return test.values, test.rejected


def lost_spaces(text: str, share: float, draw: random.Random) -> str:
    return "".join(part for part in re.split(r"(\s+)", text) if not part.isspace() or draw.random() >= share)


def real(folder: Path, name: str, every: int) -> list[str]:
    """Some documents of at least 200 words, cut at 6,000 characters."""
    with (folder / name / "train.jsonl.zst").open("rb") as file:
        lines = list(io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(file)))[::every]
    return [text[:6000] for line in lines if len((text := orjson.loads(line)["text"]).split()) >= 200]


@pytest.mark.parametrize(
    ("name", "code", "every", "most", "least"),
    [("tr_legal", "tr", 60, 0.01, 0.6), ("pl_general", "pl", 12, 0.02, 0.3), ("en_legal", "en", 12, 0.01, 0.4)],
)
def test_good_text_passes_and_glued_text_does_not(shared_data, name, code, every, most, least):
    rule, texts, draw = rule_of(code), real(shared_data, name, every), random.Random(1)
    assert len(texts) >= 50
    rejected = {
        share: shares(rule, [lost_spaces(text, share, draw) for text in texts])[1].mean()
        for share in (0, 0.04, 0.08, 0.16)
    }
    assert rejected[0] <= most and rejected[0.04] >= least and rejected[0.08] >= 0.85 and rejected[0.16] >= 0.95, (
        rejected
    )


SENTENCE = {
    "tr": "Mahkeme kararın gerekçesini açıklamış ve davacı tarafından yapılan itirazı kabul etmiştir",
    "pl": "Rodzice czekali wczoraj obok dworca oraz rozmawiali spokojnie długo razem",
    "en": "Parents were waiting yesterday before the station and talked about the weather together",
}


@pytest.mark.parametrize("code", ["tr", "pl", "en"])
def test_each_pair_of_neighbours_is_seen(code):
    """Two words of a plain sentence without the space between them: one glued word; where one is a short stop word
    too."""
    words = SENTENCE[code].split()
    texts = [
        SENTENCE[code],
        *(" ".join([*words[:at], words[at] + words[at + 1], *words[at + 2 :]]) for at in range(len(words) - 1)),
    ]
    values, _ = shares(rule_of(code), texts)
    assert values[0] == 0 and (values[1:] * (len(words) - 1)).round().tolist() == [1] * (len(words) - 1)


def test_what_is_no_sign_of_lost_spaces_is_not_counted():
    rule = rule_of("tr")
    texts = [
        "mahkemekararı mahkemekararı",  # what comes again is a word of its own
        "Mahkemekararı MAHKEMEKARARI",  # whatever its case
        "madde12 ab_cd 12.06.2013 a.b x",  # digits and signs
        "görevlendirilmesi tebliğnameye",  # halves that the profile excludes
        "qqqqqqqqqqqqqqqqq",  # unknown, and falls into nothing
    ]
    assert shares(rule, texts)[0].tolist() == [0] * 5
    assert shares(rule, ["mahkemekararı", "a" * 29, "a" * 28])[0].tolist() == [1, 1, 0]


def test_few_words_and_few_finds_are_not_judged():
    rule = GluedWords(load_language("tr", {"rules": {"glued_words": {"max_share": 0.01}}}), Config())
    whole = ["bir", "karar", "daha", "verildi"]
    glued = ["mahkemekararı", "davacıtarafından", "dosyaüzerinden"]

    def text(finds: int, words: int) -> str:
        return " ".join([*glued[:finds], *(whole * words)[: words - finds]])

    assert shares(rule, [text(3, 50), text(3, 49), text(2, 50), text(3, 299), text(3, 300)])[1].tolist() == [
        True,
        False,
        False,
        True,
        False,
    ]


def test_verdicts_do_not_depend_on_the_batch(shared_data):
    rule, draw = rule_of("tr"), random.Random(3)
    texts = ["", *(lost_spaces(text, 0.04, draw) for text in real(shared_data, "tr_legal", 200)), "a", "\n"]
    together = shares(rule, texts)[0].tolist()
    assert together == [shares(rule, [text])[0][0] for text in texts] and max(together) > 0.02
    assert shares(rule, texts[::-1])[0].tolist() == together[::-1]


def test_a_language_without_a_bound_passes_and_needs_no_dictionary():
    profile = replace(load_language("tr"), code="xx", name="Unknown")
    off = GluedWords(replace(profile, rules={}), Config())
    assert list(off.judge(Batch(["a b"]), np.ones(1, bool), [])) == [] and "dictionary" not in vars(off)
    with pytest.raises(
        UserError, match="corpus.languages.xx.rules.glued_words.max_share=0.02: simplemma has no dictionary of Unknown"
    ):
        GluedWords(profile, Config())
    with pytest.raises(UserError, match="longest=1000: give a number of letters from 4 to 100"):
        GluedWords(load_language("tr", {"rules": {"glued_words": {"longest": 1000}}}), Config())


def test_a_set_of_hashes_is_exact():
    hashes = np.random.default_rng(0).integers(0, 1 << 64, 5000, np.uint64)
    members = HashSet(np.sort(hashes[:2500]))
    near = hashes[:2500] ^ np.uint64(1)  # the same place in the table
    assert members.has(hashes).tolist() == [True] * 2500 + [False] * 2500 and not members.has(near).any()
    assert not HashSet(np.empty(0, np.uint64)).has(hashes).any() and members.has(np.empty(0, np.uint64)).shape == (0,)
