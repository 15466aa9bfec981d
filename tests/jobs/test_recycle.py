"""Rewriting by a real server and a real, if simple, scorer."""

import json

import pytest
import zstandard

from common.errors import UserError
from conf.schema import Config
from conf.schema.endpoint import EndpointConfig, RecycleConfig
from data_prep.records.record import from_line
from data_prep.sources.inputs import list_inputs
from data_prep.sources.readers import Form, read_documents
from jobs import recycle
from tests.data_prep.recycling.letters import LetterScorer, note
from tests.model_server import model_server, text_of


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


TEXTS = {
    "middle": [f"karar {number} 12345 abc" for number in range(80)],  # becomes better
    "worse": ["esas 7777 karar", "esas 8888 karar"],
    "same": ["sayı 6666 karar"],
    "refused": ["bozuk 5555 karar"],
    "silent": ["sessiz 4444 kar"],
    "endless": ["sonsuz 333 ka33"],
    "good": ["bu metin yalnız harf"],
    "bad": ["123456789 a"],
    "long": ["karar 12345 abc " * 50],
}


@pytest.fixture
def corpus(tmp_path):
    rows = [(kind, number, text) for kind, texts in TEXTS.items() for number, text in enumerate(texts)]
    place = {"source": "s", "licence": "l", "url": "u", "language": "tr", "file": "f", "line": 3}
    medium = {"quality": "MEDIUM", "quality_probabilities": [0.1, 0.8, 0.1]}
    notes = [medium if kind == "worse" else note(text) for kind, _, text in rows]
    lines = [
        json.dumps({"id": f"{kind}-{number}", "text": text} | place | one)
        for (kind, number, text), one in zip(rows, notes, strict=True)
    ]
    lines.append(json.dumps({"id": "plain", "text": "nobody scored this"}))
    (tmp_path / "kept.jsonl.zst").write_bytes(zstandard.compress("\n".join(lines).encode()))
    return tmp_path


def writer(body, _times):
    prompt, text = text_of(body).split("\n\n", 1)
    assert prompt.startswith("Rewrite")
    match text.split()[0]:
        case "bozuk":
            return 400
        case "sessiz":
            return "  "
        case "sonsuz":
            return {"choices": [{"message": {"content": "x"}, "finish_reason": "length"}]}
        case "esas":
            return "1234567890"
        case "sayı":
            return text
        case _:
            return "".join(c for c in text if not c.isdigit()) + "\n"


def config(server, corpus, dry_run=False, **keys):
    endpoint = EndpointConfig(url=server.url if server else "http://127.0.0.1:9/v1", wait=0.01, retries=1)
    settings = {
        "inputs": [f"{corpus}/kept.jsonl.zst"],
        "output": f"{corpus}/out",
        "max_characters": 200,
        "high_to": 0.9,
    } | keys
    return Config(recycle=RecycleConfig(endpoint=endpoint, **settings), dry_run=dry_run)


def test_only_better_texts_are_kept_and_all_are_counted(corpus):
    with model_server(writer) as server:
        counts = recycle.recycle(config(server, corpus), LetterScorer())
    assert counts == {
        "read": 90, "unscored": 1, "outside": 2, "too_long": 1, "chosen": 86, "high": 84, "medium": 2, "better": 80,
        "not_better": 3,
        "failed": 3,
    }  # fmt: skip
    assert counts["chosen"] == counts["better"] + counts["not_better"] + counts["failed"]
    assert counts["read"] == counts["chosen"] + counts["unscored"] + counts["outside"] + counts["too_long"]
    report = json.loads((corpus / "out/documents/report.json").read_text())
    assert (
        report["counts"] == counts
        and sum(report["failures"].values()) == 3
        and {"empty", "cut off at max_tokens"} < set(report["failures"])
    )
    (file,) = list_inputs([f"{corpus}/out"])
    kept = list(read_documents(file, Form()))
    assert [d.id for d in kept] == [f"middle-{number}#recycled" for number in range(80)]
    for document in kept:
        before, after = (document.fields[f"quality_probabilities{which}"][2] for which in ("_before", ""))
        assert (
            after > before
            and after == round(LetterScorer().probabilities([document.text])[0, 2], 4)
            and not any(map(str.isdigit, document.text))
        )
        assert (
            document.fields["recycled_from"] == document.id.removesuffix("#recycled")
            and document.fields["recycled_by"] == "reader"
        )
        assert document.fields["quality"] == "HIGH"
    record = from_line(zstandard.ZstdDecompressor().stream_reader(file.read_bytes()).read().splitlines()[0])
    assert (record.source, record.licence, record.line) == ("s", "l", 3)


def test_the_same_command_asks_nothing_twice_and_gives_the_same_bytes(corpus):
    with model_server(writer) as server:
        recycle.recycle(config(server, corpus), LetterScorer())
        (file,) = list_inputs([f"{corpus}/out"])
        before, came = file.read_bytes(), server.came.total()
        file.unlink()
        recycle.recycle(config(server, corpus), LetterScorer())
        assert file.read_bytes() == before and server.came.total() == came + 1, "the refused one is tried again"


def test_min_gain(corpus):
    with model_server(writer) as server:
        assert recycle.recycle(config(server, corpus, min_gain=0.9), LetterScorer())["better"] == 0


def test_a_dry_run_counts_and_asks_nobody(corpus, capsys):
    assert recycle.run(config(None, corpus, dry_run=True)) is None
    assert "read 90, chosen 86" in capsys.readouterr().err and not (corpus / "out").exists()


def test_mistakes_are_one_sentence(corpus):
    with pytest.raises(UserError, match="does not answer .*recycle.endpoint.url"):
        recycle.recycle(config(None, corpus), LetterScorer())
    (corpus / "kept.jsonl.zst").write_bytes(zstandard.compress(b'{"text": "x"}'))
    with pytest.raises(UserError, match="none of the 1 documents of recycle.inputs has a quality"):
        recycle.run(config(None, corpus, dry_run=True))
    with pytest.raises(UserError, match="recycle.inputs is empty"):
        recycle.run(config(None, corpus, dry_run=True, inputs=[]))
