import dataclasses
import random

import pytest

from common.errors import UserError
from conf.schema.data import DataConfig
from conf.schema.quality import QualityConfig
from data_prep.quality.examples import LABELS, collect_examples, in_short_lines, piece
from tests.data_prep.quality.small import articles, write
from tests.data_prep.quality.small import config as config


def test_no_document_source_or_kind_is_on_both_sides(config):
    made = collect_examples(config, DataConfig(), 0)
    train = {example.group for example in made.train}
    assert {example.source for example in made.train} == {"s0", "s1"} and {
        example.label for example in made.train
    } == set(LABELS)
    assert {example.kind for example in made.train}.isdisjoint(config.held_out_kinds)
    assert set(made.full) == train
    names = [
        "other documents",
        "other documents, other kinds",
        "source s2",
        "source s2, other kinds",
        config.measured[0],
    ]
    assert sorted(made.held_out) == sorted(names)
    for name, examples in made.held_out.items():
        assert examples and train.isdisjoint(example.group for example in examples), name
        if "other kinds" in name:
            assert {example.kind for example in examples} <= {"good", *config.held_out_kinds}
    assert {example.source for example in made.held_out["source s2"]} == {"s2"}
    assert collect_examples(config, DataConfig(), 0) == made != collect_examples(config, DataConfig(), 1)


def test_length_does_not_tell_the_class(config):
    train = collect_examples(config, DataConfig(), 0).train
    good = {example.group: len(example.text) for example in train if example.label == "HIGH"}
    ratios = {
        label: [len(e.text) / good[e.group] for e in train if e.label == label and e.kind in ("ocr", "casing")]
        for label in LABELS
    }
    assert all(0.8 < ratio < 1.3 for some in ratios.values() for ratio in some)


def test_labelled_documents(tmp_path):
    rows = [{"id": str(n), "text": f"text {n}", "label": LABELS[n % 3], "source": f"s{n % 5}"} for n in range(200)]
    config = QualityConfig(labelled=[write(tmp_path / "in.jsonl", rows)], held_out_sources=["s4"], documents=150)
    made = collect_examples(config, DataConfig(), 0)
    assert len(made.train) + sum(map(len, made.held_out.values())) == 150
    assert {example.source for example in made.held_out["source s4"]} == {"s4"}
    assert set(made.full) == {example.group for example in made.train if example.label == "HIGH"}


@pytest.mark.parametrize(
    "change, said",
    [
        ({"held_out_kinds": ["mojibke"]}, "did you mean 'mojibake'"),
        ({"held_out_sources": ["s9"]}, "has the source s9"),
        ({"good": []}, "quality.labelled"),
    ],
)
def test_mistakes_are_named(config, change, said):
    with pytest.raises(UserError, match=said):
        collect_examples(dataclasses.replace(config, **change), DataConfig(), 0)


def test_a_wrong_label_is_named_with_its_line(tmp_path):
    rows = [{"text": "a", "label": "LOW"}, {"text": "b", "label": "low"}]
    with pytest.raises(UserError, match="line 2: label=low; it must be LOW, MEDIUM or HIGH"):
        collect_examples(QualityConfig(labelled=[write(tmp_path / "in.jsonl", rows)]), DataConfig(), 0)


def test_pieces_begin_and_end_at_lines_or_sentences():
    text = next(iter(articles(1, 20_000).values()))
    for seed in range(50):
        part = piece(text, random.Random(seed))
        start = text.index(part)
        assert start == 0 or text[start - 1] in "\n " and text[:start].rstrip()[-1:] or text[start - 1] == "."
        assert part[-1] == "." or text[start + len(part)] in "\n "


def test_tables_are_not_taken_for_good_text():
    assert in_short_lines("1\n2\nMadde 3\n" * 20) == 1 and in_short_lines("Bir cümle. " * 20 + "\nMadde 3") < 0.1
