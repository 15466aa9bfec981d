import json

import pytest

from common.errors import UserError
from conf.schema import Config
from jobs import tokenizer


@pytest.fixture
def config(tmp_path):
    """500 documents in two languages."""
    config = Config()
    (tmp_path / "in").mkdir()
    rows = [{"text": f"kalem {i % 7} defterler the cat", "language": "tr" if i % 2 else "en"} for i in range(499)] + [
        {"text": "no language"}
    ]
    (tmp_path / "in" / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config.data.inputs = [str(tmp_path / "in")]
    config.data.tokenizer = str(tmp_path / "out" / "tokenizer")
    config.tokenizer.vocab_size = 275
    return config


def files(config, tmp_path):
    return {str(path.relative_to(tmp_path)): path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}


def test_a_folder_with_report_and_manifest(config, tmp_path, capsys):
    made = tokenizer.run(config)
    folder = tmp_path / "out" / "tokenizer"
    assert sorted(path.name for path in folder.iterdir()) == [
        "manifest.json",
        "report.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert made == json.loads((folder / "manifest.json").read_text())
    assert (made["vocab_size"], made["documents"], made["sampled"], made["bad_documents"]) == (275, 500, 500, {})
    assert list(made["inputs"]) == [str(tmp_path / "in" / "a.jsonl")] and made["settings"]["pattern"] == "llama3"
    report = json.loads((folder / "report.json").read_text())
    assert list(report) == ["all", "en", "tr"] and report["en"]["this"]["documents"] == 250
    assert "tokens per word" in capsys.readouterr().out


def test_the_same_again_does_nothing(config, tmp_path, capsys):
    first = tokenizer.run(config)
    before = files(config, tmp_path)
    capsys.readouterr()
    path = tmp_path / "in" / "a.jsonl"
    path.write_bytes(path.read_bytes())  # a new time, the same text
    config.tokenizer.report_bytes = 5
    assert tokenizer.run(config) == first and files(config, tmp_path) == before
    assert "is there: 275 tokens" in capsys.readouterr().err


def test_another_tokenizer_is_not_put_in_its_place(config, tmp_path):
    tokenizer.run(config)
    before = files(config, tmp_path)

    def refused(message):
        with pytest.raises(UserError, match=message):
            tokenizer.run(config)
        assert files(config, tmp_path) == before

    config.tokenizer.vocab_size = 276
    refused("was learnt with vocab_size=275, now vocab_size=276; choose another data.tokenizer or remove")
    config.tokenizer.vocab_size = 275
    (tmp_path / "in" / "b.txt").write_text("more")
    refused("was learnt without .*b.txt")
    (tmp_path / "in" / "b.txt").unlink()
    (tmp_path / "in" / "a.jsonl").write_text('{"text": "other"}\n')
    refused("was learnt from other text in .*a.jsonl")


def test_a_changed_file_and_a_foreign_folder_are_named(config, tmp_path):
    tokenizer.run(config)
    folder = tmp_path / "out" / "tokenizer"
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(UserError, match="tokenizer.json is not as jobs.tokenizer wrote it"):
        tokenizer.run(config)
    (folder / "manifest.json").unlink()
    with pytest.raises(UserError, match="holds files that jobs.tokenizer did not write"):
        tokenizer.run(config)


def test_nothing_is_left_behind_by_a_failure_or_a_dry_run(config, tmp_path, capsys):
    config.dry_run = True
    (tmp_path / "in" / "b.docx").write_text("not read")
    assert tokenizer.run(config) is None and not (tmp_path / "out").exists()
    shown, said = capsys.readouterr()
    assert "learn 275 tokens from 1 files" in shown and "files of kinds that are not read: 1 .docx; such as" in said
    config.dry_run = False
    config.tokenizer.vocab_size = 5000
    with pytest.raises(UserError, match=r"gives only \d+ tokens"):
        tokenizer.run(config)
    assert not (tmp_path / "out").exists()
    with (tmp_path / "in" / "a.jsonl").open("a") as file:
        file.write("{broken\n")
    config.tokenizer.vocab_size = 275
    with pytest.raises(UserError, match="a.jsonl line 501 is not valid JSON"):
        tokenizer.run(config)
    config.prepare.on_bad_document = "skip"
    assert tokenizer.run(config)["bad_documents"] == {"invalid_json": 1}


def test_a_sample_and_a_second_tokenizer(config, tmp_path):
    tokenizer.run(config)
    config.tokenizer.compare, config.data.tokenizer = config.data.tokenizer, str(tmp_path / "out" / "second")
    config.tokenizer.sample_bytes = 5000
    made = tokenizer.run(config)
    assert 5000 <= made["sampled_bytes"] < 5100 and made["sampled"] < 250
    report = json.loads((tmp_path / "out" / "second" / "report.json").read_text())
    assert list(report["tr"]) == ["this", "tokenizer"]
    config.tokenizer.compare, config.data.tokenizer = str(tmp_path), str(tmp_path / "out" / "third")
    with pytest.raises(UserError, match="there is no tokenizer.json"):
        tokenizer.run(config)


def test_a_field_with_a_value_for_every_document_is_not_taken_for_languages(config, tmp_path):
    rows = [json.dumps({"text": f"kalem defterler {i}", "language": f"id{i}"}) for i in range(500)]
    (tmp_path / "in" / "a.jsonl").write_text("\n".join(rows))
    tokenizer.run(config)
    report = json.loads((tmp_path / "out" / "tokenizer" / "report.json").read_text())
    assert len(report) == 101 and report["others"]["this"]["documents"] == 400
