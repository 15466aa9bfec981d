import math
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.quality.features.char_index import KINDS, CharIndex
from data_prep.quality.features.stylometric import MEANINGS, NAMES, features
from data_prep.quality.features.vocabulary import Vocabulary, count
from data_prep.text.batch import Batch
from data_prep.text.characters import lower
from data_prep.text.language import load_language

TURKISH = """T.C. YARGITAY 6. Ceza Dairesi
Esas No : 2015/2853

Sanığın, IŞIK mahallesinde oturan mağdurun çantasını aldığı; bu nedenle, "yağma" suçundan cezalandırılmasına karar verildi!
- Hüküm ONANMIŞTIR (8.9.2015 gününde oybirliğiyle).
- Hüküm ONANMIŞTIR (8.9.2015 gününde oybirliğiyle).
Neden? Çünkü karar karar usule uygundur ve bu ve bu ve bu"""  # noqa: E501
TEXTS = [
    TURKISH,
    "",
    "x",
    "   \n\t\n ",
    "1 2 3\n" * 40,
    "Ã¼Ã§ kalem | iki\tdefter   üç " * 20,
    "İstanbul'da yağmur. " * 300,
]
PROFILE = load_language("tr")
VOCABULARY = Vocabulary.of(
    count(CharIndex(Batch([TURKISH, "bu bir metindir ve bir metin bu metindir"] * 2, PROFILE.casing), PROFILE))
)


def of(text: str) -> dict[str, float]:
    return dict(zip(NAMES, features(Batch([text], PROFILE.casing), PROFILE, VOCABULARY)[0].tolist(), strict=True))


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


def test_about_two_hundred_features_each_with_a_meaning():
    assert 200 <= len(NAMES) <= 240 and len(set(NAMES)) == len(NAMES)
    assert all(meaning and meaning[0] != " " for meaning in MEANINGS.values())


def test_no_text_depends_on_its_neighbours():
    together = features(Batch(TEXTS, PROFILE.casing), PROFILE, VOCABULARY)
    alone = np.concatenate([features(Batch([text], PROFILE.casing), PROFILE, VOCABULARY) for text in TEXTS])
    assert together.shape == (len(TEXTS), len(NAMES)) and together.dtype == np.float32
    for row, other, text in zip(together, alone, TEXTS, strict=True):
        differs = [name for name, a, b in zip(NAMES, row, other, strict=True) if a != b]
        assert not differs, (text[:20], differs)
    assert features(Batch([]), PROFILE, VOCABULARY).shape == (0, len(NAMES))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.text(st.one_of(st.characters(codec=None), st.sampled_from('aI ().,!\n"1-|')), max_size=60), max_size=5)
)
def test_any_text_has_finite_features_that_no_neighbour_changes(texts):
    values = features(Batch(texts, PROFILE.casing), PROFILE, VOCABULARY)
    assert np.isfinite(values).all()
    if texts:
        assert np.array_equal(values[-1], features(Batch(texts[-1:], PROFILE.casing), PROFILE, VOCABULARY)[0])


def test_words_as_a_person_counts_them():
    values, all_words = of(TURKISH), words(TURKISH)
    total = len(all_words)
    lowered = [lower(word, PROFILE.casing) for word in all_words]
    stops = [word in PROFILE.stop_words for word in lowered]
    marks = [sum(letter in PROFILE.diacritics for letter in word) for word in lowered]
    expected = {
        "word_length": np.mean([len(word) for word in all_words]),
        "word_length_spread": np.std([len(word) for word in all_words]),
        "words_of_5": sum(len(word) == 5 for word in all_words) / total,
        "words_of_16": sum(len(word) >= 16 for word in all_words) / total,
        "words_per_character": total / len(TURKISH),
        "signs_per_word": len(re.findall(r"[^\w\s]", TURKISH)) / total,
        "words_digits": sum(word.isdigit() for word in all_words) / total,
        "words_upper": sum(word.isupper() and len(word) > 1 for word in all_words) / total,
        "words_capitalised": (
            sum(len(word) > 1 and word[0].isupper() and word[1:].islower() for word in all_words) / total
        ),
        "words_single_letter": sum(len(word) == 1 and word.isalpha() for word in all_words) / total,
        "words_diacritic": sum(mark > 0 for mark in marks) / total,
        "diacritics_per_word": sum(marks) / total,
        "stop_words": sum(stops) / total,
        "stop_words_adjacent": sum(a and b for a, b in zip(stops, stops[1:], strict=False)) / total,
        "stop_word_kinds": (
            len({word for word in lowered[:200] if word in PROFILE.stop_words}) / len(set(PROFILE.stop_words))
        ),
        "longest_word": math.log1p(max(map(len, all_words))),
        "words_twice_in_a_row": sum(a == b for a, b in zip(lowered, lowered[1:], strict=False)) / total,
        "window_128_repeated": 1 - len(set(lowered)) / total,
        "window_128_top": max(Counter(lowered).values()) / total,
    }
    assert total < 128
    for name, value in expected.items():
        assert values[name] == pytest.approx(value, rel=1e-5), name


def test_characters_as_a_person_counts_them():
    values, size = of(TURKISH), len(TURKISH)
    letters = [letter for letter in TURKISH if letter.isalpha()]

    def kind(letter: str) -> str:
        if letter == "\n":
            return "newline"
        if letter.isalpha():
            return "upper" if letter.isupper() else "lower"
        if letter.isdigit() or letter.isspace():
            return "digit" if letter.isdigit() else "blank"
        return "point" if letter in ".,;:!?…" else "sign"

    kinds = [kind(letter) for letter in TURKISH + "\n"]
    pairs = Counter(zip(kinds, kinds[1:], strict=False))
    for one in KINDS:
        assert values[f"kind_{one}"] == pytest.approx(kinds[:-1].count(one) / size), one
        for other in KINDS:
            assert values[f"pair_{one}_{other}"] == pytest.approx(pairs[one, other] / size), (one, other)
    assert values["sign_comma"] == pytest.approx(TURKISH.count(",") / size)
    assert values["sign_quote"] == pytest.approx(TURKISH.count('"') / size)
    assert values["letters_upper"] == pytest.approx(sum(map(str.isupper, letters)) / len(letters))
    foreign = [letter for letter in letters if lower(letter, PROFILE.casing) not in PROFILE.alphabet]
    assert values["letters_foreign"] == pytest.approx(len(foreign) / len(letters))
    assert values["mojibake"] == 0 and of("Ã¼Ã§ yağmur")["mojibake"] > 0


def test_lines_and_sentences_as_a_person_counts_them():
    values = of(TURKISH)
    lines = [line.strip() for line in TURKISH.split("\n") if line.strip()]
    ink = sum(map(len, lines))
    ends = [line.rstrip("\"'”’»)]").endswith(tuple(PROFILE.terminal_punctuation)) for line in lines]
    expected = {
        "line_length": math.log1p(ink / len(lines)),
        "lines_empty": 1 / (len(lines) + 1),
        "lines_to_40": sum(20 < len(line) <= 40 for line in lines) / len(lines),
        "line_longest": max(map(len, lines)) / ink,
        "lines_terminal": sum(ends) / len(lines),
        "characters_in_terminal_lines": sum(len(line) for line, end in zip(lines, ends, strict=True) if end) / ink,
        "lines_begin_sign": sum(line[0] == "-" for line in lines) / len(lines),
        "lines_end_digit": sum(line[-1].isdigit() for line in lines) / len(lines),
        "lines_repeated": 1 / len(lines),
        "lines_twice_in_a_row": 1 / len(lines),
        "line_words": math.log1p(len(words(TURKISH)) / len(lines)),
        "in_parentheses": 2 * 5 / len(words(TURKISH)),
        "text_begins_upper": 1.0,
    }
    for name, value in expected.items():
        assert values[name] == pytest.approx(value, rel=1e-5), name
    assert of("Bir iki. Üç dört beş! Altı")["sentences_per_word"] == pytest.approx(3 / 6)
    assert of("Bir iki. Üç dört beş! Altı")["words_after_last_sentence"] == pytest.approx(1 / 6)


def test_what_is_not_in_the_vocabulary():
    in_vocabulary = of("bu bir metin")
    assert in_vocabulary["unknown_words"] == 0 and in_vocabulary["words_very_frequent"] == 1
    odd = of("bu bir zzqxw metin")
    assert odd["unknown_words"] == pytest.approx(1 / 4) and odd["unknown_all"] == pytest.approx(1 / 4)
    assert of("bu 12 metin")["unknown_words"] == 0
    assert of("metin bir bu bu metindir bir")["unknown_pairs"] > of("bu bir metindir ve bir metin")["unknown_pairs"]


def test_a_long_text_is_like_its_parts():
    text = TURKISH + " sözler.\n"
    once, often = of(text), of(text * 40)
    drifting = [name for name in NAMES if abs(once[name] - often[name]) > 0.15]
    repeated = {
        "fives_repeated",
        "lines_repeated",
        "characters_in_repeated_lines",
        "window_128_repeated",
        "line_longest",
    }
    assert set(drifting) <= repeated
