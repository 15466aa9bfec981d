"""A net of one tokenizer and tokens of another, through the jobs as a user starts them: refused before anything is
built, or on purpose."""

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from common.errors import UserError
from conf.schema import Config
from conf.schema.replace import with_value
from jobs import export, train
from model.training.checkpoints.checkpoints import list_checkpoints
from tests.jobs.validate.refusals import refuse
from tests.model.training.conftest import make_tokenizer, sentences, write_tokens


@pytest.fixture(scope="module")
def others(corpus, tmp_path_factory) -> Path:
    """Beside the corpus, folders with tokenizer/ and tokens/ of equal vocabulary size: of other text; and the same,
    written otherwise."""
    folder = tmp_path_factory.mktemp("others")
    size = Tokenizer.from_file(str(corpus / "tokenizer" / "tokenizer.json")).get_vocab_size()
    texts = [sentences(seed, 1 + seed % 12) for seed in range(120)]
    foreign = [text.upper().replace("T", "Q").replace("E", "XY") for text in texts]
    other = make_tokenizer(folder / "foreign" / "tokenizer", foreign, size)
    assert other.get_vocab_size() == size
    rewritten = folder / "rewritten" / "tokenizer"
    shutil.copytree(corpus / "tokenizer", rewritten)
    form = json.loads((rewritten / "tokenizer.json").read_text())
    form["model"]["merges"] = [" ".join(pair) for pair in form["model"]["merges"]]
    (rewritten / "tokenizer.json").write_text(json.dumps(form))
    for name in ("foreign", "rewritten"):
        own = Tokenizer.from_file(str(folder / name / "tokenizer" / "tokenizer.json"))
        around = [own.token_to_id("[CLS]")], [own.token_to_id("[SEP]")]
        documents = [[*around[0], *own.encode(text).ids, *around[1]] for text in texts]
        write_tokens(folder / name / "tokens", documents, folder / name / "tokenizer", size)
    return folder


@pytest.fixture
def first(config) -> Config:
    """A finished run of 4 steps: a probe checkpoint at 2, another at the end; its config."""
    config = with_value(with_value(config, "train.steps", 4), "optim.schedule.decay_steps", 1)
    config = with_value(
        with_value(config, "train.checkpoint.probe_every_steps", 2), "train.checkpoint.resume_every_steps", 3
    )
    train.run(config)
    return config


def second(first: Config, data: Path, **keys) -> Config:
    """A run that starts from that one's checkpoints, of tokens in ``data``."""
    config = dataclasses.replace(first, run="second", run_dir=str(Path(first.run_dir).with_name("second")))
    config.data = dataclasses.replace(first.data, tokenizer=str(data / "tokenizer"), tokens=str(data / "tokens"))
    for key, value in keys.items():
        config = with_value(config, f"train.{key}", value)
    return config


def test_tokens_of_another_tokenizer_are_refused_before_and_at_the_start(first, others, capsys):
    checkpoints = {checkpoint.step: checkpoint for checkpoint in list_checkpoints(first.run_dir)}
    assert checkpoints[3].kind == "resume"
    for start in (
        checkpoints[2].folder,
        checkpoints[2].folder / "hf",
        checkpoints[3].folder,
        Path(first.run_dir) / "checkpoints" / "last",
    ):
        for key in ("init_from", "branch_from") if start.name != "hf" else ("init_from",):
            config = second(first, others / "foreign", **{key: str(start), "steps": 8})
            for refused in (lambda config=config: refuse("train", config), lambda config=config: train.run(config)):
                with pytest.raises(UserError) as error:
                    refused()
                told = str(error.value)
                assert told.startswith(f"train.{key}: the net of {start} was trained with the tokenizer in ")
                assert "the vocabulary: " in told or "merge 0 is " in told
                assert str(others / "foreign" / "tokenizer") in told and "train.allow_other_tokenizer=true" in told
            assert not Path(config.run_dir).exists()
    dry = dataclasses.replace(second(first, others / "foreign", init_from=str(checkpoints[2].folder)), dry_run=True)
    with pytest.raises(UserError, match="was trained with the tokenizer in"):
        train.run(dry)


def test_on_purpose_it_trains_and_goes_on(first, others, capsys):
    checkpoint = list_checkpoints(first.run_dir)[0].folder
    config = second(first, others / "foreign", init_from=str(checkpoint), allow_other_tokenizer=True)
    assert train.run(config)["status"] == "finished"
    assert "warning: train.init_from: the net of" in capsys.readouterr().err
    config = with_value(with_value(config, "train.steps", 6), "train.allow_other_tokenizer", False)
    refuse("train", with_value(config, "train.steps", 4))
    shutil.rmtree(checkpoint)  # a run that has begun asks no more where it came from
    assert train.run(with_value(config, "train.steps", 4))["status"] == "finished"


def test_the_same_tokenizer_written_otherwise_is_taken(first, others):
    config = second(first, others / "rewritten", init_from=str(list_checkpoints(first.run_dir)[0].folder))
    refuse("train", config)
    assert train.run(config)["status"] == "finished"


def test_held_out_tokens_of_another_tokenizer_are_refused_before(first, others, corpus):
    config = second(first, corpus, validation_fraction=0.0)
    config.data.validation = {"law": str(others / "foreign" / "tokens")}
    with pytest.raises(
        UserError,
        match=r"data.validation.law: .*foreign/tokens was tokenised with another tokenizer than .*tokenizer.json",
    ):
        refuse("train", config)
    config.data.validation = {}
    config.data.tokens = str(others / "foreign" / "tokens")
    with pytest.raises(UserError, match=r"data.tokens: .*foreign/tokens was tokenised with another tokenizer"):
        refuse("train", config)
    refuse("train", config, made=[str(others / "foreign" / "tokens")])  # a job before this one makes it anew


def test_a_model_without_a_tokenizer_is_said(first, corpus, tmp_path, capsys):
    hf = shutil.copytree(list_checkpoints(first.run_dir)[0].folder / "hf", tmp_path / "hf")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (hf / name).unlink()
    assert train.run(second(first, corpus, init_from=str(hf)))["status"] == "finished"
    assert "does not tell its tokenizer (no tokenizer.json)" in capsys.readouterr().err


def test_a_resume_checkpoint_is_exported_with_the_tokenizer_it_was_trained_with(first, others, corpus, tmp_path):
    """Though the folder of its data holds another one by now."""
    moved = Path(shutil.copytree(corpus / "tokenizer", tmp_path / "tokenizer"))
    checkpoint = next(checkpoint for checkpoint in list_checkpoints(first.run_dir) if checkpoint.kind == "resume")
    frozen = Path(first.run_dir) / "config.yaml"
    frozen.write_text(frozen.read_text().replace(str(corpus / "tokenizer"), str(moved)))
    shutil.copyfile(others / "foreign" / "tokenizer" / "tokenizer.json", moved / "tokenizer.json")
    config = dataclasses.replace(first)
    config.export = dataclasses.replace(first.export, checkpoint=str(checkpoint.folder), output=str(tmp_path / "out"))
    wanted = (corpus / "tokenizer" / "tokenizer.json").read_bytes()
    assert (export.run(config) / "tokenizer.json").read_bytes() == wanted
    for other in list_checkpoints(first.run_dir):
        if other.kind == "probe":
            shutil.rmtree(other.folder)
    config.export = dataclasses.replace(config.export, output=str(tmp_path / "none"))
    with pytest.raises(
        UserError, match=r"the tokenizer that .* was trained with is no longer in .*; restore the tokenizer.json there"
    ):
        export.run(config)
    assert not (tmp_path / "none").exists()


def test_a_tokenizer_that_no_checkpoint_may_copy_is_refused_at_the_start(config, tmp_path):
    shutil.copytree(config.data.tokenizer, tmp_path / "tokenizer")
    (tmp_path / "secret").write_text("geheim")
    (tmp_path / "tokenizer" / "merges.txt").symlink_to(tmp_path / "secret")
    config.data = dataclasses.replace(config.data, tokenizer=str(tmp_path / "tokenizer"))
    with pytest.raises(UserError, match=r"merges.txt is a link that leads out of its folder"):
        train.run(config)
    assert not Path(config.run_dir).exists()


def test_checkpoints_have_the_tokenizer_that_the_run_began_with(config, others, corpus, tmp_path, capsys):
    """Though another one is written into the folder of its data while it trains, or that folder goes."""
    moved = Path(shutil.copytree(corpus / "tokenizer", tmp_path / "tokenizer"))
    wanted = (moved / "tokenizer.json").read_bytes()
    config.data = dataclasses.replace(config.data, tokenizer=str(moved))
    config = with_value(with_value(config, "train.steps", 4), "optim.schedule.decay_steps", 1)
    config = with_value(
        with_value(config, "train.checkpoint.probe_every_steps", 1), "train.checkpoint.probe_at_start", False
    )

    def probe(checkpoint):
        if checkpoint.step == 1:
            shutil.copyfile(others / "foreign" / "tokenizer" / "tokenizer.json", moved / "tokenizer.json")
        if checkpoint.step == 2:
            shutil.rmtree(moved)
            shutil.rmtree(list_checkpoints(config.run_dir)[0].folder / "hf")
            shutil.rmtree(checkpoint.folder / "hf")

    assert train.run(config, probe)["status"] == "finished"
    checkpoints = {checkpoint.step: checkpoint for checkpoint in list_checkpoints(config.run_dir)}
    assert [checkpoints[step].kind for step in (1, 2, 3, 4)] == ["probe", "probe", "resume", "resume"]
    assert len({checkpoint.manifest["tokenizer"] for checkpoint in checkpoints.values()}) == 1
    assert (
        checkpoints[2].manifest["files"]["hf/tokenizer.json"].removeprefix("sha256:")
        == checkpoints[1].manifest["tokenizer"]
        == hashlib.sha256(wanted).hexdigest()
    )
    assert "the checkpoint of step 3 has no hf/ half; restore it" in " ".join(capsys.readouterr().err.split())
