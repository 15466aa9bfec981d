import random
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import UserError
from conf.schema.duplicates import DuplicatesConfig
from data_prep.dedup.signature import Signer, shingles
from data_prep.quality.degrade.characters import ocr
from data_prep.text.batch import Batch, hash_words
from data_prep.text.language import load_language
from tests.data_prep.dedup.conftest import TURKISH, altered

PROFILE = load_language("tr")
SIGNER = Signer(DuplicatesConfig(), PROFILE)


def signed(*texts: str) -> np.ndarray:
    return SIGNER.keys(Batch(texts, TURKISH))


def shingle_sets(texts: list[str], length: int = 26) -> list[set[str]]:
    """Shingles by strings and sets, without any hash of ours."""
    sets = []
    for text in texts:
        plain = "".join(filter(str.isalnum, text.replace("I", "ı").replace("İ", "i").lower()))
        sets.append({plain[at : at + length] for at in range(len(plain) - length + 1)})
    return sets


def jaccard(a: set, b: set) -> float:
    return len(a & b) / len(a | b)


def test_the_digest_is_blind_to_case_and_white_space_alone():
    keys = signed(
        "Işık  söndü.\n", "ışık söndü .", "IŞIK\tSÖNDÜ.", "ışıksöndü.", "ışık söndü", "işik söndü.", "", " \n"
    )
    assert len(set(keys[:3, 0])) == 1 and len(set(keys[:, 0])) == 5 and keys[6, 0] == keys[7, 0]
    assert np.array_equal(keys[0], keys[2])


@settings(deadline=None)  # the first text pays for the tables
@given(st.lists(st.text(alphabet="ab cI\n.", max_size=40), min_size=1, max_size=8), st.integers(0, 8))
def test_keys_do_not_depend_on_the_batch(texts, cut):
    apart = np.concatenate([signed(*part) for part in (texts[:cut], texts[cut:]) if part])
    assert np.array_equal(signed(*texts), apart)


def test_short_texts_are_alike_only_where_they_are_equal():
    keys = signed("Evet.", "Hayır.", "...", "", "bir iki üç dört", "bir iki üç beş", "EVET.")
    assert len(np.unique(keys[:6], axis=0)) == 6 and all(
        len(set(keys[:6, column])) == 6 for column in range(SIGNER.columns)
    )
    assert np.array_equal(keys[0], keys[6])


@pytest.mark.parametrize("length", [1, 3, 5])
def test_shingles_are_the_runs_of_letters_of_each_document(length):
    texts = ["A b. c-d\ne f", "", "x y", "ab cde fab_c", "...", "q"]
    flat, offsets = shingles(Batch(texts), length)
    for text, start, end in zip(texts, offsets, offsets[1:], strict=False):
        plain = "".join(filter(str.isalnum, text)).lower()
        whole = [plain[at : at + length] for at in range(len(plain) - length + 1)] or ["".join(text.lower().split())]
        assert flat[start:end].tolist() == hash_words(whole).tolist(), text


def test_near_copies_share_a_band_as_often_as_theory_says(legal):
    """Real text with replaced words: the share found in each range of the exact Jaccard similarity, against 1 - (1 -
    s**8)**14."""
    draw, words = random.Random(1), " ".join(legal[:40]).split()
    texts = [text for text in legal if 200 < len(text.split()) < 1500] * 3
    copies = [altered(text, draw.choice([0.01, 0.02, 0.03, 0.05, 0.07]), words, draw) for text in texts]
    exact = [jaccard(a, b) for a, b in zip(shingle_sets(texts), shingle_sets(copies), strict=True)]
    met = (signed(*texts)[:, 1:] == signed(*copies)[:, 1:]).any(axis=1)
    theory = 1 - (1 - np.array(exact) ** 8) ** 14
    for low in np.arange(0.4, 1.0, 0.1):
        inside = (np.array(exact) >= low) & (np.array(exact) < low + 0.1)
        deviation = np.sqrt((theory * (1 - theory))[inside].sum())
        assert inside.sum() > 30 and abs((met - theory)[inside].sum()) < 4 * deviation + 1


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 60), st.integers(0, 10**6))
def test_rows_agree_as_often_as_the_sets_do(only_a, only_b, both, seed):
    """Each row of a signature is the same with probability J: rensa's hashes of ours are unbiased."""
    values = np.random.default_rng(seed).integers(0, 2**63, only_a + only_b + both).astype(np.uint64)
    a, b = values[: only_a + both], values[only_a:]
    config = DuplicatesConfig(bands=2000, rows=1, seed=seed)
    first, two = Signer(config, PROFILE)._bands(
        np.concatenate([a, b]), np.array([0, len(a), len(a) + len(b)], np.uint64)
    )
    expected = both / len(values)
    assert abs((first == two).mean() - expected) < 5 * np.sqrt(expected * (1 - expected) / 2000) + 0.005


def test_another_seed_gives_other_bands_and_near_can_be_off():
    other = Signer(DuplicatesConfig(seed=2), PROFILE).keys(Batch(["bir iki üç dört beş altı yedi"]))
    own = signed("bir iki üç dört beş altı yedi")
    assert other[0, 0] == own[0, 0] and not (other[0, 1:] == own[0, 1:]).any()
    assert Signer(DuplicatesConfig(near=False), PROFILE).keys(Batch(["bir"])).shape == (1, 1)
    assert SIGNER.keys(Batch([])).shape == (0, 15)
    with pytest.raises(UserError, match="at least 1"):
        Signer(DuplicatesConfig(bands=0), PROFILE)
    with pytest.raises(UserError, match="corpus.languages.tr.shingle=0"):
        Signer(DuplicatesConfig(), load_language("tr", {"shingle": 0}))


def test_numbers_can_count_as_one():
    texts = ["madde 5 uyarınca 250 lira ödenir", "madde 17 uyarınca 9 lira ödenir", "madde 5a uyarınca 250 lira ödenir"]
    folded = Signer(DuplicatesConfig(fold_numbers=True), PROFILE).keys(Batch(texts))
    assert np.array_equal(folded[0, 1:], folded[1, 1:]) and folded[0, 0] != folded[1, 0]
    assert not np.array_equal(folded[0, 1:], folded[2, 1:]) and not np.array_equal(*signed(*texts[:2])[:, 1:])
    dates = [
        "1",
        "karar 05.06.2013 tarihinde 12 sayı ile verildi",
        "karar5/6/13tarihinde 7 sayı ile verildi",
        "2",
        "",
        "3 karar",
    ]
    folded = Signer(DuplicatesConfig(fold_numbers=True), PROFILE).keys(Batch(dates))
    assert np.array_equal(folded[1, 1:], folded[2, 1:]) and len(np.unique(folded[:, 1])) == 4  # 1 and 2 are a number


def lost_spaces(text: str, share: float, draw: random.Random) -> str:
    """``text`` without about ``share`` of its white space."""
    return "".join(part for part in re.split(r"(\s+)", text) if not part.isspace() or draw.random() >= share)


@pytest.mark.parametrize("share", [0.01, 0.02, 0.04, 0.08, 0.16, 1])
def test_lost_spaces_signs_and_case_change_no_band(legal, share):
    """Pairs of a document and a damaged copy; keys of words found 66% of them at 4% of the spaces lost, and 1% at
    16%."""
    draw = random.Random(2)
    copies = [lost_spaces(text, share, draw) for text in legal[:60]]
    copies = [re.sub(r"[^\w\s]", lambda match: draw.choice([match[0], "", " "]), text) for text in copies]
    copies = [
        text.replace("i", "İ").replace("ı", "I").upper() if number % 2 else text for number, text in enumerate(copies)
    ]
    keys, copied = signed(*legal[:60]), signed(*copies)
    assert np.array_equal(keys[:, 1:], copied[:, 1:]) and (keys[:, 0] != copied[:, 0]).mean() > 0.9


def test_lost_spaces_beside_misread_letters(legal):
    """4% of the spaces and a letter or two of 2% of the words, as scanners lose and mistake them; keys of words found
    41% of the pairs."""
    draw = random.Random(2)
    texts = [text[:6000] for text in legal[:300]]
    copies = [lost_spaces(ocr(text, draw, 0.02), 0.04, draw) for text in texts]
    assert (signed(*texts)[:, 1:] == signed(*copies)[:, 1:]).any(axis=1).mean() > 0.95


def test_short_texts_may_lose_spaces_too():
    keys = signed("Davanın reddine.", "davanınreddine.", "Davanın reddine", "Davanın kabulüne.")
    assert np.array_equal(keys[0, 1:], keys[1, 1:]) and all(
        len(set(keys[[0, 2, 3], column])) == 3 for column in range(1, SIGNER.columns)
    )


def test_the_hash_functions_are_the_ones_they_were():
    """Keys of one run may come from several machines and days; a library that changes its hashes must be noticed
    here."""
    signer = Signer(DuplicatesConfig(bands=3), PROFILE)
    keys = signer.keys(Batch(["Işık söndü ve herkes evine döndü."], TURKISH))
    assert keys.tolist() == [[1023651736310772688, 16670589823377245433, 8281937779300448318, 11209794170092241208]]
