"""Analysers against examples and the gold of a treebank."""

import pytest

from benchmarks.gold import agreement, read_gold
from common.errors import UserError
from conf.schema.language import LanguageConfig
from conf.schema.morphology import MorphologyConfig
from data_prep.morphology.analysers import UNKNOWN, Simplemma, Zeyrek, make_analyser
from data_prep.text.language import load_language


@pytest.fixture(scope="module")
def turkish() -> Simplemma:
    return Simplemma(load_language("tr"))


def test_simplemma_gives_lemma_and_class(turkish: Simplemma) -> None:
    assert turkish.word("kanunun") == ("kanun", "ın")
    assert turkish.word("mahkemenin") == ("mahkeme", "ın")
    assert turkish.word("kanun") == ("kanun", "")
    assert turkish.word("xqzzt") == UNKNOWN
    english = make_analyser(load_language("en", {"morphology": {"analyser": "simplemma"}}))
    assert english.word("parties") == ("party", "ies")


def test_simplemma_agrees_with_gold(shared_data, turkish: Simplemma) -> None:
    words = read_gold(shared_data / "ud" / "tr_boun-ud-dev.conllu")
    assert words[:2] == [("bu", "bu", ""), ("yasanın", "yasa", "Case=Gen")] or len(words) > 9000
    measured = agreement(words, turkish)
    assert measured["analysed"] > 0.96
    assert measured["lemmas_right"] > 0.9 > 0.5 > measured["form_is_lemma"]
    assert measured["suffix_mutual_information"] > 0.8
    assert measured["entropy_correlation"] > 0.8
    assert measured["diversity_correlation"] > 0.95


def test_zeyrek_gives_morphemes(caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("zeyrek")
    analyser = make_analyser(load_language("tr", {"morphology": {"analyser": "zeyrek"}}))
    assert analyser.word("ağacıyla") == ("ağaç", "P3sg+Ins")
    assert analyser.word("yapılmıştır") == ("yap", "Pass+Narr+Cop")
    assert analyser.word("xqzzt") == UNKNOWN
    assert analyser.suffix("ta") == "da"
    assert not caplog.records


def test_says_what_is_missing() -> None:
    with pytest.raises(UserError, match="corpus.languages.pl.morphology.analyser=zeyrek knows Turkish alone"):
        Zeyrek(load_language("pl"))
    with pytest.raises(UserError, match="simplemma: it has no dictionary of Klingon; give none"):
        Simplemma(LanguageConfig(code="xx", name="Klingon", morphology=MorphologyConfig(analyser="simplemma")))


def test_names_the_package_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "zeyrek", None)
    with pytest.raises(UserError, match="pip install zeyrek"):
        Zeyrek(load_language("tr"))
