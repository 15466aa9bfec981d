import numpy as np

from data_prep.quality.features.char_index import CharIndex
from data_prep.quality.features.vocabulary import Vocabulary, add, count
from data_prep.text.batch import Batch, hash_words
from data_prep.text.language import load_language

PROFILE = load_language("tr")


def counted(*texts: str):
    return count(CharIndex(Batch(texts, PROFILE.casing), PROFILE))


def test_words_seen_twice_are_known_whatever_their_case():
    vocabulary = Vocabulary.of(counted("Işık yandı, ışık söndü", "söndü IŞIK"))
    assert vocabulary.look_up(hash_words(["ışık", "söndü", "yandı", "işik"], PROFILE.casing)).astype(bool).tolist() == [
        True,
        True,
        False,
        False,
    ]


def test_frequent_words_are_told_from_rare_ones():
    draw = np.random.default_rng(0)
    words = [
        f"kelime{chr(97 + place % 26)}{chr(97 + place // 26 % 26)}{chr(97 + place // 676)}" for place in range(2000)
    ]
    text = " ".join(" ".join([word] * (4 + (2000 - place) // 10)) for place, word in enumerate(words))
    vocabulary = Vocabulary.of(counted(text))
    bands = vocabulary.look_up(hash_words(words, PROFILE.casing))
    assert set(bands[:90]) == {4} and set(bands[150:900]) <= {3, 4} and set(bands[1100:]) <= {2, 3, 4}
    assert (bands[1100:] == 2).mean() > 0.95
    strangers = ["".join(chr(97 + letter) for letter in draw.integers(0, 26, 9)) for _ in range(1000)]
    assert (vocabulary.look_up(hash_words(strangers, PROFILE.casing)) > 0).mean() < 0.01


def test_counts_add_up_over_batches():
    at_once = counted("bir iki üç bir", "dört beş", "bir 12 bir 12")
    sum_of = add([counted("bir iki üç bir"), counted("dört beş", "bir 12 bir 12")])
    for name, (hashes, numbers) in at_once.items():
        assert np.array_equal(hashes, sum_of[name][0]) and np.array_equal(numbers, sum_of[name][1]), name
    assert np.array_equal(Vocabulary.of(at_once).entries, Vocabulary.of(sum_of).entries)
