import json

import pytest

from common.errors import UserError
from conf.schema import Config
from data_prep.quality.degrade.degrade import degrade
from data_prep.quality.examples import LABELS
from jobs import quality, topics
from tests.data_prep.quality.small import articles, write
from tests.jobs.validate.refusals import checked


@pytest.fixture
def config(tmp_path):
    """24 articles with their degradations, labelled by what they are and by their first word."""
    config, rows = Config(), []
    for name, text in articles(24).items():
        for label in LABELS:
            bad = text if label == "HIGH" else degrade(text, "gibberish", label, name)
            rows.append({"id": f"{name}/{label}", "text": bad, "label": label, "topic": "abc"[len(rows) % 3]})
    config.quality.labelled = config.topics.labelled = [write(tmp_path / "in.jsonl", rows)]
    config.quality.language = config.topics.language = "en"
    config.quality.model, config.topics.model = str(tmp_path / "quality"), str(tmp_path / "topics")
    return config


@pytest.mark.parametrize(
    "job, section, changes", [(quality, "quality", {"documents": 50}), (topics, "topics", {"vocabulary": 100})]
)
def test_a_folder_that_is_made_once(job, section, changes, config, tmp_path, capsys):
    made = job.run(config)
    names = {"quality": ["booster.ubj", "profile.json", "vocabulary.npy"], "topics": ["weights.npz", "words.json"]}[
        section
    ]
    folder = tmp_path / section
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [*names, "manifest.json", "report.html", "report.json"]
    )
    assert "accuracy" in capsys.readouterr().out
    report = json.loads((folder / "report.json").read_text())
    if section == "quality":
        assert report["sets"]["other documents"]["boosted trees"]["accuracy"] > 0.8
    else:
        assert set(report["held_out"]["classes"]) == {"a", "b", "c"}
    stamps = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert job.run(config) == made and {path: path.stat().st_mtime_ns for path in folder.iterdir()} == stamps
    for key, value in changes.items():
        setattr(getattr(config, section), key, value)
        with pytest.raises(UserError, match=f"was learnt with {key}=.* choose another {section}.model or remove"):
            job.run(config)


@pytest.mark.parametrize("job, section", [(quality, "quality"), (topics, "topics")])
def test_a_dry_run_writes_nothing(job, section, config, tmp_path, capsys):
    config.dry_run = True
    assert job.run(config) is None and not (tmp_path / section).exists() and "learn the" in capsys.readouterr().out


@pytest.mark.parametrize("job, section", [(quality, "quality"), (topics, "topics")])
def test_a_strange_folder_is_left_alone(job, section, config, tmp_path):
    (tmp_path / section).mkdir()
    (tmp_path / section / "mine.txt").write_text("x")
    with pytest.raises(UserError, match=f"holds files that jobs.{section} did not write"):
        job.run(config)


@pytest.mark.parametrize("dry_run", [False, True])
def test_nothing_to_learn_from(dry_run, tmp_path):
    config = Config(dry_run=dry_run)
    config.quality.model, config.topics.model = str(tmp_path / "q"), str(tmp_path / "t")
    with pytest.raises(UserError, match="quality.good"):
        checked("quality", quality.run, config)
    with pytest.raises(UserError, match="topics.labelled is empty"):
        checked("topics", topics.run, config)


@pytest.mark.parametrize("job, section", [(quality, "quality"), (topics, "topics")])
def test_inputs_are_blamed_by_their_own_key_and_files_of_other_kinds_are_said(job, section, config, tmp_path, capsys):
    (tmp_path / "labelled").mkdir()
    (tmp_path / "labelled" / "notes.docx").write_text("x")
    getattr(config, section).labelled = [str(tmp_path / "labelled")]
    with pytest.raises(UserError, match=rf"^{section}.labelled: .*labelled holds no input file \(1 .docx; such as"):
        job.run(config)
    (tmp_path / "in.jsonl").rename(tmp_path / "labelled" / "in.jsonl")
    config.dry_run = True
    job.run(config)
    assert f"{section}.labelled: files of kinds that are not read: 1 .docx; such as" in capsys.readouterr().err
    if section == "quality":
        config.quality.measured = ["nowhere"]
        with pytest.raises(UserError, match="^quality.measured: nowhere does not exist"):
            job.run(config)
