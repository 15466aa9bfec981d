"""The table of words: what it gives, and that its size and history do not matter."""

import numpy as np
import pytest

from data_prep.morphology.analysers import Simplemma
from data_prep.morphology.words import WordTable
from data_prep.text.batch import Batch, hash_words
from data_prep.text.language import load_language

CASING = load_language("tr").casing
TEXT = "Kanunun 5'inci maddesi, Ankara'nın mahkemelerinde İLGİLİLERE ve xqzzt'de uygulanır. 2019/12 ISPARTA’DA"


@pytest.fixture(scope="module")
def turkish() -> Simplemma:
    return Simplemma(load_language("tr"))


def words_of(table: WordTable, texts: list[str]):
    batch = Batch(texts, CASING)
    return table.words(batch, np.ones(len(texts), bool))


def test_lemmas_and_classes_of_a_text(turkish: Simplemma) -> None:
    words = words_of(WordTable(turkish, 1000), [TEXT])
    lemmas = ["kanun", "madde", "ankara", "mahkeme", "ilgili", "ve", "", "uygula", "ısparta"]
    expected = hash_words(
        [turkish.word(word)[0] for word in ("kanunun", "maddesi", "ankara", "mahkemelerinde", "ilgililere", "ve")]
    )
    assert words.lemmas[:6].tolist() == expected.tolist() == hash_words(lemmas[:6]).tolist()
    assert words.lemmas[6] == 0
    suffixes = dict(zip(lemmas, words.suffixes.tolist(), strict=True))
    assert suffixes["ankara"] == suffixes["kanun"] == int(hash_words(["ın"])[0])
    assert suffixes[""] == suffixes["ısparta"] == int(hash_words(["da"])[0])
    assert suffixes["ve"] == 0


def test_table_size_history_and_batches_do_not_matter(turkish: Simplemma, first_legal: list[str]) -> None:
    whole = words_of(WordTable(turkish, 1 << 16), first_legal)
    tiny = WordTable(turkish, 4)
    words_of(tiny, first_legal[::-1])
    single = [words_of(tiny, [text]) for text in first_legal]
    assert np.concatenate([words.lemmas for words in single]).tolist() == whole.lemmas.tolist()
    assert np.concatenate([words.suffixes for words in single]).tolist() == whole.suffixes.tolist()
    assert tiny.keys.size == 4
    assert (whole.lemmas != 0).mean() > 0.9


def test_endless_words_and_strange_letters(turkish: Simplemma) -> None:
    words = words_of(WordTable(turkish, 100), ["ev" * 300_000 + " evi 𝔱𝔢𝔰𝔱 \ud800 '’ev’' ''", "’nın", ""])
    assert [int(lemma != 0) for lemma in words.lemmas[:2]] == [0, 1]
    assert words.suffixes[0] == 0


def test_only_chosen_documents(turkish: Simplemma) -> None:
    batch = Batch(["bir kitap", "iki ev", "", "üç okul"], CASING)
    words = WordTable(turkish, 100).words(batch, np.array([True, False, True, True]))
    assert words.owners.tolist() == [0, 0, 3, 3]
    none = WordTable(turkish, 100).words(Batch([]), np.ones(0, bool))
    assert len(none.owners) == 0
