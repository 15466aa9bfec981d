"""Rules and the chain by names: what passes, what goes and why."""

import numpy as np
import pytest

from common.errors import UserError
from conf.schema.root import Config
from data_prep.filters.c4 import C4
from data_prep.filters.fineweb import FineWeb
from data_prep.filters.gopher_quality import GopherQuality
from data_prep.filters.gopher_repetition import GopherRepetition
from data_prep.filters.identification import Identification, load_identifier, middle
from data_prep.filters.measures.runs import Runs
from data_prep.filters.registry import RULES, build_rules
from data_prep.filters.url import Url
from data_prep.records.record import Record
from data_prep.text.batch import Batch
from data_prep.text.language import load_language

TURKISH = (
    "Yargıtay, 12. madde uyarınca kararı bozmuştur. Davacı vekili Av. A. Yılmaz, olayın bu şekilde geliştiğini ve"
    " zararın büyük olduğunu söyledi! Mahkeme ise tanıkları dinledikten sonra davayı kabul etti (bkz. 5. bölüm). Peki,"
    " bu karar daha önce verilmiş olanlar gibi mi?"
)
POLISH = (
    "Sąd oddalił powództwo, ponieważ nie było podstaw do jego uwzględnienia. Strona wniosła apelację, która także"
    " została oddalona."
)
ENGLISH = (
    "The court dismissed the claim because there was no basis for it. The party appealed, and the appeal was dismissed"
    " as well."
)


def judge(rule, texts, profile, records=()):
    """Reasons of a rule, None for what stays; a test may reject what an earlier one did."""
    batch = Batch(texts, profile.casing)
    alive, reasons = np.ones(len(batch), bool), [None] * len(texts)
    for test in rule.judge(batch, alive, records):
        assert test.values.shape == test.rejected.shape == (len(texts),)
        assert test.rejected.dtype == bool and test.name.startswith(rule.name + "/") and test.low < test.high
        for index in np.flatnonzero(alive & test.rejected):
            reasons[index] = test.name.partition("/")[2]
        alive &= ~test.rejected
    return reasons


def with_lists(*files):
    config = Config()
    config.corpus.url_lists = list(files)
    return config


def record(url):
    return Record("1", "text", "web", "unknown", url, "tr", "f.jsonl", 1)


def test_natural_turkish_passes_and_english_stop_words_would_drop_it():
    profile = load_language("tr")
    text = "\n".join([TURKISH, TURKISH.replace("a", "e")])
    for rule in (FineWeb, GopherQuality, GopherRepetition, C4):
        assert judge(rule(profile, Config()), [text], profile) == [None], rule
    profile.stop_words = load_language("en").stop_words
    assert judge(GopherQuality(profile, Config()), [text], profile) == ["stop_words"]


@pytest.mark.parametrize("code", ["tr", "pl", "en"])
def test_profiles_are_complete(code):
    profile = load_language(code)
    assert 30 <= len(profile.stop_words) <= 60 and len(set(profile.stop_words)) == len(profile.stop_words)
    assert set(profile.diacritics) <= set(profile.alphabet)
    for words in (
        profile.stop_words,
        profile.abbreviations,
        profile.lines.boilerplate,
        profile.pages.headings,
        profile.lines.citations,
    ):
        assert words and all(isinstance(word, str) and word == word.lower() for word in words), (
            "YAML takes no and on for booleans"
        )
    assert profile.rules["identification"]["labels"][0] == code and profile.terminal_punctuation and profile.closing


def test_sentences():
    profile = load_language("tr")
    texts = [
        TURKISH,
        "",
        "...",
        "Bitti.",
        "Bitti",
        "“Bitti.” dedi. Evet!?",
        "Madde 5. fıkra\nBkz.\nSon (a).",
        "T.C. Yargıtay. 1999. Yılı…\n\n",
    ]
    assert C4(profile, Config()).sentences(Batch(texts, profile.casing)).tolist() == [4, 0, 1, 1, 0, 3, 2, 3]


def test_c4_phrases_whatever_their_case():
    profile = load_language("tr")
    texts = ["Bir. İki. Üç.", "Bir. LOREM İPSUM. Üç.", "Bir. { İki. Üç.", "Bir. Lorem ipsum. Üç. {"]
    assert judge(C4(profile, Config()), texts, profile) == [None, "phrase", "phrase", "phrase"]


def test_identification_by_the_model_in_its_package():
    profiles = {code: load_language(code) for code in ("tr", "pl", "en")}
    texts = [TURKISH, POLISH, ENGLISH, "", TURKISH.upper()]
    expected = {"tr": [None, "x", "x", "x", None], "pl": ["x", None, "x", "x", "x"], "en": ["x", "x", None, "x", "x"]}
    for code, profile in profiles.items():
        records = [record("") for _ in texts]
        reasons = judge(Identification(profile, Config()), texts, profile, records)
        assert reasons == [reason and "other_language" for reason in expected[code]]
    assert records[0].notes["identified"] == "tr" and not records[2].notes


def test_identification_adds_the_labels_of_a_language():
    class Scripts:
        def labels(self, text):
            return {"tur_Latn": 0.5, "tr": 0.3, "aze_Latn": 0.2}

    profile = load_language("tr")
    rule = Identification(profile, Config())
    rule.identifier = Scripts()
    (test,) = rule.judge(Batch([TURKISH]), np.ones(1, bool), [])
    assert test.values.tolist() == pytest.approx([0.8]) and not test.rejected.any()


def test_identification_refuses_what_is_no_model(tmp_path):
    with pytest.raises(UserError, match="neither 'lite' nor a file"):
        load_identifier(str(tmp_path / "glotlid.bin"))
    (tmp_path / "text.bin").write_text("no model", encoding="utf-8")
    with pytest.raises(UserError, match="is no fastText model"):
        load_identifier(str(tmp_path / "text.bin"))


def test_the_middle_of_a_text_is_cut_at_white_space():
    text = " ".join(f"word{number}" for number in range(100))
    piece = middle(text, 100)
    assert 80 < len(piece) <= 100 and f" {piece} " in text
    assert middle("x" * 50, 10) == "x" * 10
    assert middle("A\nB C", 10) == "a b c"
    assert middle("a" + " " * 3000 + "b", 100) == ""


def test_url_lists(tmp_path):
    (tmp_path / "list.txt").write_text(
        "# spam\nexample.org\nhttps://www.good.net/shop/  # a part\n\nÇöp.com.tr\n", encoding="utf-8"
    )
    rule, profile = Url(load_language("tr"), with_lists(str(tmp_path / "list.txt"))), load_language("tr")
    urls = {
        "https://example.org/a?b": "domain", "http://user@www.News.Example.ORG:8080": "domain", "example.org": "domain",
        "https://notexample.org/": None, "https://good.net/shop/x?y": "address", "https://good.net/shop": "address",
        "https://good.net/shopping": None, "https://good.net": None, "": None, "http://[broken": None,
        "https://çöp.com.tr/1": "domain",
    }  # fmt: skip
    assert judge(rule, ["text"] * len(urls), profile, [record(url) for url in urls]) == list(urls.values())


def test_url_lists_name_the_line_that_is_wrong(tmp_path):
    (tmp_path / "list.txt").write_text("example.org\ntwo words\n", encoding="utf-8")
    with pytest.raises(UserError, match="list.txt line 2 is neither"):
        Url(load_language("tr"), with_lists(str(tmp_path / "list.txt")))
    with pytest.raises(UserError, match="cannot be read"):
        Url(load_language("tr"), with_lists(str(tmp_path / "none.txt")))


def test_a_chain_is_built_by_names():
    profile, names = (
        load_language("tr"),
        ["url", "identification", "c4", "gopher_repetition", "gopher_quality", "fineweb"],
    )
    assert [rule.name for rule in build_rules(names, profile, Config())] == names
    assert set(names) < set(RULES)
    with pytest.raises(UserError, match="no rule 'gopher_qualty'.*did you mean 'gopher_quality'"):
        build_rules(["gopher_qualty"], profile, Config())


def test_rules_take_an_empty_batch_and_empty_texts():
    profile = load_language("en")
    for rule in (
        FineWeb(profile, Config()),
        GopherQuality(profile, Config()),
        GopherRepetition(profile, Config()),
        C4(profile, Config()),
    ):
        assert judge(rule, [], profile) == []
        assert None not in judge(rule, ["", "\n"], profile)[:1], rule.name


def test_verdicts_do_not_depend_on_the_batch():
    profile = load_language("tr")
    texts = [TURKISH, TURKISH * 3, "a\n" * 60, POLISH, "", TURKISH + "\n" + TURKISH, "bir iki üç dört beş altı " * 20]
    for rule in (
        FineWeb(profile, Config()),
        GopherQuality(profile, Config()),
        GopherRepetition(profile, Config()),
        C4(profile, Config()),
    ):
        alone = [judge(rule, [text], profile)[0] for text in texts]
        assert judge(rule, texts, profile) == alone
        assert judge(rule, texts[::-1], profile) == alone[::-1]


def test_the_bound_is_never_below_the_measure():
    texts = [TURKISH * 2, "bir iki üç dört beş altı " * 20, TURKISH, ENGLISH + POLISH + ENGLISH]
    for length in (2, 3, 4):
        bound, exact = (Runs(Batch(texts), np.full(4, alive)) for alive in (False, True))
        bound.extend(length), exact.extend(length)
        assert (bound.top(-1) >= exact.top(-1)).all()
    for length in range(5, 11):
        runs = Runs(Batch(texts), np.ones(4, bool))
        runs.extend(5)
        bound = runs.covered()
        assert (bound >= runs.repeated(length, -1, bound)).all() and bound[1] > 0.7 > 0 == bound[2]
