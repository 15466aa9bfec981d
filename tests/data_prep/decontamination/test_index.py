import json
import random
import tempfile
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import UserError
from conf.schema.data import DataConfig
from conf.schema.duplicates import ContaminationConfig
from data_prep.decontamination.evaluation_texts import read_texts
from data_prep.decontamination.index import Index
from data_prep.decontamination.passages import cut, sentence_borders
from data_prep.sources.readers import read_documents
from data_prep.text.batch import Batch
from data_prep.text.language import load_language

TR = load_language("tr")
QUESTION = (
    "Mahkeme, davanın hangi nedenle reddine karar vermiştir ve davacı bu karara karşı hangi sürede istinaf yoluna"
    " başvurabilir?"
)
SHORT = "Kiracı ile kiraya veren arasındaki sözleşme hangi hallerde sona erer?"


def evaluation(folder, *records, **settings) -> ContaminationConfig:
    (folder / "evaluation.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return ContaminationConfig(inputs=[str(folder / "evaluation.jsonl")], **settings)


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    records = [{"question": QUESTION, "choices": [SHORT, "Hiçbiri"], "answer": 3}, {"text": upper(QUESTION)}]
    return Index.build(evaluation(tmp_path_factory.mktemp("evaluation"), *records), [TR.casing])


def upper(text):
    return text.replace("i", "İ").upper()


def find(index, *texts):
    return index.find(Batch(texts, TR.casing))


def test_what_is_looked_for(index):
    assert index.lengths == [10, 13] and index.short == 1 and len(index.places) == 3
    assert index.places[0].endswith("evaluation.jsonl:1 question") and index.samples[1] == SHORT
    text = f"Başka bir söz. {QUESTION} {SHORT}"
    assert find(index, text).pairs.tolist() == [[0, 0], [0, 1], [0, 2]]
    assert index.summary([1, 0, 1], 1) == {
        "texts": 4, "too_short": 1, "looked_for": 3, "found": 2, "samples": [{"place": index.places[0],
        "text": QUESTION}],
    }  # fmt: skip


def test_runs_whole_short_texts_and_nothing_else(index):
    words = QUESTION.split()
    texts = [
        QUESTION, " ".join(words[2:15]), "(" + upper("\n".join(words[3:16])), " ".join(words[2:14]),
        " ".join([*words[:8], "araya", *words[8:16]]), SHORT, " ".join(SHORT.split()[1:]), "Hiçbiri", "",
    ]  # fmt: skip
    hits = find(index, *texts)
    assert sorted(set(hits.owners.tolist())) == [0, 1, 2, 5]
    (start,), (end,) = hits.starts[hits.owners == 1], hits.ends[hits.owners == 1]
    batch = Batch(texts, TR.casing)
    assert "\n".join(texts)[start:end] == texts[1] and start == batch.starts[1]


def test_a_run_does_not_reach_over_two_documents(index):
    words = QUESTION.split()
    assert not len(find(index, " ".join(words[:7]), " ".join(words[7:])).owners)


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=12).map(" ".join), min_size=1, max_size=8), st.integers(2, 4))
def test_as_by_hand(texts, words):
    """Any texts as evaluation set and as corpus, against strings and sets."""
    half = len(texts) // 2
    looked_for = [text for text in texts[:half] if len(text.split()) >= 2]
    entries = {
        (run, number) for number, text in enumerate(looked_for) for run in grams(text, min(words, len(text.split())))
    }
    index = index_of(looked_for, words)
    hits = index.find(Batch(texts[half:]))
    right = set()
    for document, text in enumerate(texts[half:]):
        held = {run for length in range(2, words + 1) for run in grams(text, length)}
        right |= {(document, number) for run, number in entries if run in held}
    assert set(map(tuple, hits.pairs.tolist())) == right


def grams(text, length):
    split = text.split()
    return {tuple(split[at : at + length]) for at in range(len(split) - length + 1)}


def index_of(texts, words):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "evaluation.jsonl"
        path.write_text("".join(json.dumps({"text": text}) + "\n" for text in [*texts, "too_short"]))
        return Index.build(ContaminationConfig(inputs=[str(path)], words=words, min_words=2), [])


def test_the_lower_case_of_every_language(tmp_path):
    text = "THIS IS A TITLE WITH MANY INTERESTING WORDS IN IT INDEED"
    config = evaluation(tmp_path, {"text": text})
    assert len(Index.build(config, [{}]).find(Batch([text.lower()])).owners)
    both = Index.build(config, [{}, TR.casing, TR.casing])
    assert len(both.find(Batch([text.lower()])).pairs) == len(both.find(Batch([text], TR.casing)).pairs) == 1
    assert len(both.places) == 1


@pytest.fixture(scope="module")
def natural(shared_data):
    """Every twelfth legal document, and the questions and paragraphs of TQuAD, which have nothing to do with them."""
    path = shared_data / "tr_legal" / "train.jsonl.zst"
    texts = [document.text for number, document in enumerate(read_documents(path, DataConfig())) if number % 12 == 0]
    return texts, Index.build(ContaminationConfig(inputs=[str(shared_data / "retrieval" / "tquad_tr")]), [TR.casing])


def test_natural_text_is_left_alone_and_planted_passages_are_found(natural):
    """No legal document shares 13 words with TQuAD. Of passages planted into them, in other case and line breaks, and
    with one word in 25 replaced, the share found is held to a bound, and what is cut contains the passage."""
    texts, index = natural
    batch = Batch(texts, TR.casing)
    assert len(texts) > 700 and not len(index.find(batch).owners)
    draw = random.Random(0)
    looked_for = [place for place in range(len(index.places)) if len(index.samples[place]) < 300]
    found = {"as it is": 0, "altered": 0}
    for kind in found:
        planted, leaks = [], []
        for text in texts[:400]:
            leak = index.samples[draw.choice(looked_for)]
            words = leak.split()
            if kind == "altered":
                words = [draw.choice(["ve", "bir", "da"]) if draw.random() < 0.04 else word for word in words]
            leaks.append("\n".join(" ".join(words[at : at + 11]) for at in range(0, len(words), 11)))
            at = text.find("\n", len(text) // 2) + 1
            planted.append(text[:at] + leaks[-1] + "\n" + text[at:])
        batch = Batch(planted, TR.casing)
        hits = index.find(batch)
        found[kind] = len(set(hits.owners.tolist())) / len(planted)
        for document in sorted(set(hits.owners.tolist()))[:50]:
            own = hits.owners == document
            places = zip(
                hits.starts[own] - batch.starts[document], hits.ends[own] - batch.starts[document], strict=True
            )
            left = cut(planted[document], places, TR)
            assert len(planted[document]) - len(left) <= len(leaks[document]) + 2
            assert not len(index.find(Batch([left], TR.casing)).owners)
    assert found["as it is"] == 1 and found["altered"] > 0.6


def test_sentences_and_lines_are_cut():
    text = (
        "Birinci cümle. İkinci cümle md. 5 uyarınca uzar! Üçüncü «cümle.» Dördüncü\nBeşinci cümle. 3. fıkra burada"
        " sürer. Son."
    )
    at = text.index("uyarınca")
    assert cut(text, [(at, at + 3)], TR) == text.replace("İkinci cümle md. 5 uyarınca uzar! ", "")
    assert cut(text, [(at, text.index("Dörd"))], TR) == "Birinci cümle. " + text[text.index("Dörd") :]
    assert cut(text, [(text.index("burada"),) * 2], TR) == text.replace("3. fıkra burada sürer. ", "")
    assert cut(text, [(0, len(text))], TR) == "" and cut(text, [], TR) == text
    assert cut("tek", [(0, 3)], TR) == ""


@given(
    st.text(alphabet="ab .!\n»A", max_size=40), st.lists(st.tuples(st.integers(0, 39), st.integers(1, 9)), max_size=3)
)
def test_cutting_takes_whole_sentences_and_the_passage_with_them(text, places):
    passages = [(start, min(start + length, len(text))) for start, length in places if start < len(text)]
    borders = sentence_borders(text, TR)
    assert borders[0] == 0 and borders[-1] == len(text) and borders == sorted(borders)
    kept = [
        text[a:b]
        for a, b in zip(borders, borders[1:], strict=False)
        if not any(a < end and start < b for start, end in passages)
    ]
    left = "".join(kept)
    assert cut(text, passages, TR) == (left.strip() if passages else text)


def test_evaluation_files_of_all_kinds(tmp_path):
    (tmp_path / "a.txt").write_text("bir metin")
    rows = [{"question": "soru", "choices": {"text": ["a", "b"], "label": [1, 2]}}, {"question": None, "choices": None}]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "b.parquet")
    (tmp_path / "c.jsonl").write_text('{"answer": [["x"], 5]}\n\n{"other": "y"}\n')
    read = list(read_texts(ContaminationConfig(inputs=[str(tmp_path)])))
    assert [text for _, text in read] == ["bir metin", "soru", "a", "b", "x"]
    assert [place.rpartition("/")[2] for place, _ in read[1:]] == [
        "b.parquet:1 question",
        "b.parquet:1 choices",
        "b.parquet:1 choices",
        "c.jsonl:1 answer",
    ]


@pytest.mark.parametrize("place", ["qrels/test.jsonl", "qrels.jsonl", "data/test-00000-of-00001.jsonl"])
def test_the_judgements_of_a_retrieval_set_are_no_text(tmp_path, place):
    (tmp_path / "corpus.jsonl").write_text('\ufeff{"_id": "d", "title": "t", "text": "belge"}\n')
    (tmp_path / "queries.jsonl").write_text('{"_id": "q", "text": "soru"}\n')
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).write_text('{"query-id": "q", "corpus-id": "d", "score": 1}\n')
    assert [text for _, text in read_texts(ContaminationConfig(inputs=[str(tmp_path)]))] == ["belge", "soru"]


def test_what_cannot_be_read_is_named(tmp_path):
    def refused(message, **settings):
        with pytest.raises(UserError, match=message):
            Index.build(ContaminationConfig(inputs=[str(tmp_path)], **settings), [{}])

    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a"}\n{"text"\n')
    refused("a.jsonl line 2 is not valid JSON")
    path.write_text('{"query": "a"}\n')
    refused(r"a.jsonl has no text in any of corpus.contamination.fields \(text, question")
    path.write_text('{"text": "a"}\n')
    refused("min_words=9 is not from 1 to corpus.contamination.words=5", words=5, min_words=9)
    (tmp_path / "b.parquet").write_bytes(b"PAR1 broken")
    refused(r"b.parquet \(after row 0\) is not readable as parquet")
    with pytest.raises(UserError, match="corpus.contamination.inputs: /nowhere.jsonl does not exist"):
        Index.build(ContaminationConfig(inputs=["/nowhere.jsonl"]), [{}])
