import difflib

import pytest

from data_prep.quality.degrade.degrade import KINDS, LOW, MEDIUM, degrade
from tests.data_prep.quality.small import articles

TEXT = next(iter(articles(1, 4000).values()))[:4000]


@pytest.fixture(scope="module")
def turkish(shared_data):
    import orjson
    import zstandard

    with (
        (shared_data / "tr_legal" / "train.jsonl.zst").open("rb") as packed,
        zstandard.ZstdDecompressor().stream_reader(packed) as text,
    ):
        return [orjson.loads(line)["text"] for line in text.read(400_000).splitlines()[:-1]][:20]


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_text_and_heavy_is_worse_than_light(kind):
    text = TEXT.replace("e", "é") if kind in ("diacritics", "mojibake") else TEXT
    light, heavy = (degrade(text, kind, label, "7") for label in (MEDIUM, LOW))
    assert light == degrade(text, kind, MEDIUM, "7") and light != degrade(text, kind, MEDIUM, "8")
    if kind == "shuffled_sentences":  # two sentences may change places with the same effect as many
        assert sorted(heavy) == sorted(light) == sorted(text) and heavy != text
        return
    near, far = (
        difflib.SequenceMatcher(None, text.split(), bad.split(), autojunk=False).ratio() for bad in (light, heavy)
    )
    assert far < 1
    if kind not in ("hyphenated", "lists"):  # these hardly change words
        assert far < near < 1


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"hyphenated"}))
def test_turkish_text_is_degraded_too(kind, turkish):
    changed = sum(degrade(text, kind, LOW, "1") != text for text in turkish)
    assert changed == len(turkish)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", ["", "x", "\n\n", "12 34", "kısa bir metin."])
def test_the_shortest_texts_do_no_harm(kind, text):
    assert isinstance(degrade(text, kind, LOW, "1"), str)
