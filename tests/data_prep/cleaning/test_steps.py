"""Cleaning steps on damaged and on sound text."""

import orjson
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import UserError
from data_prep.cleaning.characters import nfc, repair, whitespace
from data_prep.cleaning.pages import Pages
from data_prep.cleaning.steps import STEPS, build_cleaner
from data_prep.text.language import load_language

PROFILE = load_language("tr")
LEADS = "Â Ã Ä"
SOUND = [
    "Türkiye’de çalışan işçilerin hakları: Şişli, ığdır — €5", "Zażółć gęślą jaźń – „cytat” łódź Ąę…",
    "naïve café’s £5",
    "Rızâ’nın âli kâğıdı, ÂLİ", "Ärger, Ångström, SÃO “São”", LEADS, "Sütçü İmam",
]  # fmt: skip
PROSE = "Bu bölümde yöntem anlatılmaktadır ve elde edilen bulgular daha önceki çalışmalarla karşılaştırılmaktadır. " * 6


def read_with(encoding, text):
    """The text as it looks after UTF-8 was taken for another encoding; None where the bytes are no text in it."""
    try:
        return text.encode("utf-8").decode(encoding)
    except UnicodeDecodeError:
        return None


@pytest.mark.parametrize("encoding", ["latin-1", "iso8859-9", "cp1250", "cp1252", "cp1254"])
def test_text_read_with_the_wrong_encoding_comes_back(encoding):
    wrong = {misread: text for text in SOUND if text != LEADS and (misread := read_with(encoding, text))}
    assert len(wrong) >= 3
    assert {text: repair(f"sound line\n{text}\nâli") for text in wrong} == {
        text: f"sound line\n{right}\nâli" for text, right in wrong.items()
    }


def test_sound_text_comes_back_itself():
    for text in [*SOUND, "tab\tand\nnewline", "page\fpage", ""]:
        assert repair(text) is text
        assert nfc(text) is text
    text = "one\n\ntwo  three\n- four"
    assert whitespace(text) is text


def test_control_characters_and_surrogates_go():
    assert repair("a\x00b\x1bc\x7f\x01\td\n\x85e\x93f\x94") == "abc\td\n…e“f”"
    assert repair("\ud83d\ude00 \ud800x") == "\U0001f600 \ufffdx"


def test_composition():
    assert nfc("s\u0327ig\u0306 I\u0307") == "şiğ İ"


def test_white_space():
    assert whitespace("\ufeffa\u00a0b\u200b \r\nc\t \n\n\n\n\u2028d\rlast\u00ad \n\n") == "a b\nc\n\nd\nlast"
    assert whitespace(" \n ") == ""


def clean(text, *names):
    return build_cleaner(names, PROFILE).clean(text)


def test_boilerplate_lines_go_and_prose_stays():
    text = (
        "Başlık\nTÜM HAKLARI SAKLIDIR © 2020\nMetin.\nŞifremi Unuttum\n"
        + "Bu site JavaScript kullanan örnekleri anlatır. " * 6
    )
    assert clean(text, "boilerplate")[0].split("\n")[:2] == ["Başlık", "Metin."]
    assert clean(text, "boilerplate")[0].endswith("anlatır. ")
    assert clean("Metin.", "boilerplate") == ("Metin.", [])


def test_repeated_lines_go_but_for_short_ones():
    line = "Bu satır sayfanın altında tekrar eder."
    assert clean(f"{line}\nEvet.\nbir\n {line}\nEvet.", "repeated_lines")[0] == f"{line}\nEvet.\nbir\nEvet."


def test_c4_lines():
    text = (
        "Menü\nBu bir cümledir.\n“Evet!” dedi, “Geldim.”\nDevamı var...\nİki kelime.\nKaynak[3][kaynak belirtilmeli] bu"
        " yöndedir.\n" + "x" * 1001 + " a b."
    )
    assert clean(text, "c4_lines")[0] == "Bu bir cümledir.\n“Evet!” dedi, “Geldim.”\nKaynak bu yöndedir."


def test_what_is_removed_is_counted():
    cleaner = build_cleaner(["repair", "nfc", "whitespace"], PROFILE)
    assert cleaner.clean("a\x00b  \nc") == ("ab\nc", ["repair", "whitespace"])
    assert cleaner.clean("s\u0327") == ("ş", ["nfc"])
    text = "sound"
    assert cleaner.clean(text)[0] is text
    assert cleaner.removed == {"repair": 1, "whitespace": 2, "nfc": 1}


def test_pages_of_a_thesis():
    pages = Pages(PROFILE)
    contents = "GİRİŞ\n" + "\n".join(f"{number}. Bölüm adı burada {'.' * 20} {number * 7}" for number in range(1, 30))
    references = "144\nKAYNAKÇA\n" + "Yılmaz, A. (2001). Bir kitabın adı. İstanbul: Yayınevi.\n" * 20
    noise = " ".join(["|", "~", "3,4", "::", "—", "x"] * 20)
    columns = "\n".join(["kısa satır burada bir"] * 30)
    kinds = {PROSE: None, contents: "list", references: "heading", "ÖNSÖZ\n" + PROSE: "heading",
    "İçindekiler:\n" + PROSE: "heading",
             "1. GİRİŞ\n" + PROSE: None, "V. KAYNAKLAR\n" + PROSE: "heading",
             "Kaynaklar bize şunu söyler.\n" + PROSE: None,
             "boş sayfa": "few_words", noise: "noise", columns: "short_lines", "": "few_words"}  # fmt: skip
    assert {page: pages.refusal(page) for page in kinds} == kinds
    assert pages("\f".join(kinds)).count("\n\n") == 2
    assert pages(references) is references


@pytest.mark.parametrize(
    "text",
    ["x" + " " * 300_000 + "x \n", ". " * 150_000 + "\fx", "." * 300_000 + "x\f", "Ã¼ " * 100_000, ")" * 300_000],
)
def test_every_step_takes_linear_time(text):
    """A step whose time grows with the square of a run's length would take minutes, and the test's time limit ends
    it."""
    cleaned, _ = build_cleaner(STEPS, PROFILE).clean(text)
    assert len(cleaned) <= len(text)


def test_names_and_their_order():
    assert list(build_cleaner(STEPS, PROFILE).steps) == list(STEPS)
    with pytest.raises(UserError, match="no cleaning step 'whitspace'.*did you mean 'whitespace'"):
        build_cleaner(["whitspace"], PROFILE)
    with pytest.raises(UserError, match="pages must come before whitespace"):
        build_cleaner(["whitespace", "pages"], PROFILE)


@given(st.text(st.characters(exclude_categories=[]), max_size=60))
@settings(max_examples=200, deadline=None)
def test_cleaning_a_clean_text_changes_nothing(text):
    cleaner = build_cleaner(["repair", "nfc", "whitespace", "repeated_lines"], PROFILE)
    once = cleaner.clean(cleaner.clean(text)[0])[0]
    assert cleaner.clean(once) == (once, [])
    once.encode()


def test_natural_text_is_left_alone(shared_data):
    for name in ("tr_legal", "tr_general", "pl_general", "en_legal"):
        with zstandard.open(shared_data / name / "train.jsonl.zst", "rt", encoding="utf-8") as file:
            texts = [orjson.loads(line)["text"] for _, line in zip(range(500), file, strict=False)]
        cleaner = build_cleaner(["repair", "nfc", "boilerplate"], load_language(name[:2]))
        changed = [text for text in texts if cleaner.clean(text)[1]]
        assert len(changed) <= 1, name
