"""Personal data: what goes, what stays, and precision and recall on planted values."""

import re

import pytest

from benchmarks.planted import plant, score
from common.errors import UserError
from data_prep.pii.anonymise import KINDS, Anonymiser
from data_prep.text.language import load_language


@pytest.fixture(scope="module")
def anonymisers() -> dict[str, Anonymiser]:
    return {code: Anonymiser(load_language(code)) for code in ("tr", "pl", "en")}


@pytest.mark.parametrize(
    ("language", "text", "replaced"),
    [
        ("tr", "Yazın: ayse.kaya@baro.org.tr'ye, 0532 123 45 67.", "Yazın: <EMAIL>'ye, <PHONE>."),
        ("tr", "www.mevzuat.gov.tr'de (bkz. http://a.com/b_(c)).", "<URL>'de (bkz. <URL>)."),
        ("tr", "T.C. 10000000146 nolu, TR330006100519786457841326 hesabı", "T.C. <TCKN> nolu, <IBAN> hesabı"),
        ("tr", "T.C. 10000000147 nolu, TR330006100519786457841327 hesabı", None),
        ("tr", "5237 sayılı Kanunun 53/1 maddesi, 2019/1234 E., 2020/77 K., 23.12.2013 tarih, 1.838.952.760 TL", None),
        ("tr", "1.250.180.200 TL ile 85.105.20.7 adresi", "1.250.180.200 TL ile <IP> adresi"),
        ("tr", "Vergi No: 4540536920, dosya 4540536920", "Vergi No: <VKN>, dosya 4540536920"),
        ("tr", "Moda Mah. Bahariye Cad. No: 12/3 Kadıköy/İstanbul adresinde", "<ADDRESS> adresinde"),
        (
            "tr",
            (
                "(İptal: An. Mah. 2/12/1986 tarih), Moda Mahallesi, 170 ada 5 parsel, ISBN 9752977634, IMEI"
                " 353496011260190"
            ),
            None,
        ),
        (
            "pl",
            "PESEL 44051401359, tel. 601 234 567, kwota 601 234 567 zł",
            "PESEL <PESEL>, tel. <PHONE>, kwota 601 234 567 zł",
        ),
        (
            "pl",
            "NIP 526-000-12-46, REGON 000331501, ul. Długa 7/2, 00-950 Warszawa.",
            "NIP <NIP>, REGON <REGON>, <ADDRESS>.",
        ),
        (
            "en",
            "SSN 123-45-6789, not 000-12-3456, (212) 555-0123 or +44 20 7946 0958",
            "SSN <SSN>, not 000-12-3456, <PHONE> or <PHONE>",
        ),
        (
            "en",
            "Section 11.1.1.4 of 4111 1111 1111 1111 but 4111 1111 1111 1112",
            "Section 11.1.1.4 of <CARD> but 4111 1111 1111 1112",
        ),
        (
            "en",
            "Women.com, NDCG@10.Based, pass@k, git@github.com:a/b, std::cout, 127.0.0.1, nvcr.io/nvidia/nemo:26.08",
            None,
        ),
        ("en", "john (at) example.com, fe80::1ff:fe23:4567:890a, github.com/a/b.", "<EMAIL>, <IP>, <URL>."),
        ("en", "", None),
    ],
)
def test_replaces_what_is_personal_and_nothing_else(
    anonymisers: dict[str, Anonymiser], language: str, text: str, replaced: str | None
) -> None:
    result, counts = anonymisers[language].replace(text)
    assert result == (text if replaced is None else replaced)
    assert sorted(counts.elements()) == sorted(kind.lower() for kind in re.findall("<([A-Z]+)>", result))
    assert anonymisers[language].replace(result)[0] == result


def test_finds_numbers_at_the_seams_of_long_texts(anonymisers: dict[str, Anonymiser]) -> None:
    for before in range(8150, 8250, 2):
        for number, kind in (("TR33 0006 1005 1978 6457 8413 26", "IBAN"), ("0532 123 45 67", "PHONE")):
            assert anonymisers["tr"].replace("x " * (before // 2) + number + " son")[0].endswith(f"x <{kind}> son"), (
                before
            )


@pytest.mark.parametrize(
    ("language", "folder", "least"),
    [
        ("tr", "tr_legal", {"ip": 0.95, "phone": 0.93}),
        ("pl", "pl_general", {"ip": 0.95, "phone": 0.96}),
        ("en", "en_legal", {"ip": 0.95}),
    ],
)
def test_precision_and_recall_on_planted_values(
    anonymisers, first_texts, language: str, folder: str, least: dict[str, float]
) -> None:
    texts = [text for text in first_texts(folder) if 500 < len(text) < 8000]
    before = [anonymisers[language].find(text) for text in texts]
    texts = [text for text, finds in zip(texts, before, strict=True) if not finds]
    assert len(texts) > 0.97 * len(before)
    planted = plant(texts, language, anonymisers[language].kinds, seed=3)
    finds = [anonymisers[language].find(document.text) for document in planted]
    scores = score(planted, finds, misses := [])
    assert set(scores) == set(anonymisers[language].kinds)
    for kind, measured in scores.items():
        assert measured.planted >= 50
        assert measured.recall >= least.get(kind, 0.97), misses
        assert measured.precision >= 0.97, misses


def test_names_the_key_of_a_bad_profile() -> None:
    with pytest.raises(UserError, match=r"corpus.languages.tr.pii.kinds: 'emial' is unknown.*email"):
        Anonymiser(load_language("tr", {"pii": {"kinds": ["emial"]}}))
    with pytest.raises(UserError, match=r"corpus.languages.tr.pii.phone: '\(' is no regular expression"):
        Anonymiser(load_language("tr", {"pii": {"phone": ["("]}}))


def test_kinds_and_template_are_configurable() -> None:
    profile = load_language("tr", {"pii": {"kinds": ["email"], "template": "[{kind}]"}})
    assert Anonymiser(profile).replace("a@b.tr 0532 123 45 67") == ("[EMAIL] 0532 123 45 67", {"email": 1})
    assert set(load_language("tr").pii.kinds) | set(load_language("pl").pii.kinds) | set(
        load_language("en").pii.kinds
    ) == set(KINDS)


def test_long_numbers_and_many_hosts_hide_nothing() -> None:
    anonymiser = Anonymiser(load_language("en", {"pii": {"kinds": ["phone", "url"]}}))
    number, hosts = "+1" + "4" * 70, "a.com/,b.com/x:y,c.com/d"
    text = f"{number} {number} +1 415 555 2671. {hosts} www.a.b/c((((d))))))."
    assert [text[start:end] for start, end, _ in anonymiser.find(text)] == [
        "+1 415 555 2671",
        "c.com/d",
        "www.a.b/c((((d))))",
    ]
