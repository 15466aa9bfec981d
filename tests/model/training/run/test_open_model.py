"""A shape that is read where a training starts from, and rows that the tokenizer decides."""

import dataclasses
import json

import pytest
import yaml
from tokenizers import Tokenizer, models

from common import manifest as manifests
from common.errors import UserError
from conf.schema import DecoderConfig, EncoderConfig
from conf.schema.model import AutoConfig, RopeScalingConfig
from jobs.launch.compose import compose, to_config
from model.hf.decoder.config import write_config
from model.hf.modernbert.config import to_theirs
from model.training.run.folder import open_run
from model.training.run.open_model import check_start, close_model, is_open

SIZES = {"vocab_size": 1000, "num_layers": 2, "hidden_size": 64, "num_heads": 4, "ffn_size": 96, "max_positions": 256}
HEADS = {"num_kv_heads": 2, "head_width": 16}
NETS = {
    "modernbert": EncoderConfig(**SIZES, global_every=2, rope_theta_global=5e4, norm_eps=1e-6, embedding_dropout=0.1),
    "qwen3": DecoderConfig("qwen3", **SIZES, **HEADS | {"head_width": 32}),
    "qwen2": DecoderConfig("qwen2", **SIZES, **HEADS),
    "llama": DecoderConfig(
        "llama", **SIZES, **HEADS, rope_scaling=RopeScalingConfig("llama3", 8.0, 64), tie_embeddings=False
    ),
    "mistral": DecoderConfig("mistral", **SIZES, **HEADS, window=16, norm_eps=1e-5),
    "phi": DecoderConfig("phi", **SIZES, **HEADS | {"num_kv_heads": 4}, rope_share=0.5, dropout=0.1),
}


def written(net, folder):
    """``folder`` with the config.json of ``net``, whose weights nobody asks for here."""
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(net, EncoderConfig):
        to_theirs(net, {}, "float32").save_pretrained(folder)
    else:
        write_config(net, folder, "float32")
    return folder


def composed(*overrides, tmp_path=None):
    return to_config(compose("train", [*overrides, f"runs_dir={tmp_path}/runs"]))


@pytest.mark.parametrize("family", NETS)
def test_the_shape_of_every_family_is_read_said_and_frozen_in_numbers(family, tmp_path, capsys):
    folder = written(NETS[family], tmp_path / "base")
    config = composed(f"train.init_from={folder}", "parallel.threads=1", tmp_path=tmp_path)
    assert isinstance(config.model, AutoConfig) and is_open(config)
    closed = close_model(config)
    assert closed.model == NETS[family] and not is_open(closed)
    assert f"model=auto: {family}, 2 layers of 64" in capsys.readouterr().err
    run = open_run(closed)
    run.begin(0)
    frozen = yaml.safe_load((run.folder / "config.yaml").read_text())["model"]
    assert frozen == dataclasses.asdict(NETS[family])

    checkpoint = run.folder / "checkpoints" / "step_0000003"
    checkpoint.mkdir()
    manifests.write(checkpoint, manifests.describe("checkpoint", step=3, checkpoint="resume", files={}))
    (folder / "config.json").unlink()  # a run that has a checkpoint asks nobody
    assert close_model(config).model == NETS[family]
    assert open_run(close_model(config)).extended == {}


def test_what_is_given_beside_it_wins_and_must_be_of_its_kind(tmp_path):
    start = f"train.init_from={written(NETS['phi'], tmp_path / 'base')}"
    config = composed(start, "model.max_positions=512", "model.lora.rank=4", "model.vocab_size=auto", tmp_path=tmp_path)
    model = close_model(config).model
    assert (model.max_positions, model.lora.rank, model.vocab_size) == (512, 4, 1000)
    assert "fc1" in model.lora.targets and "gate_proj" not in model.lora.targets
    with pytest.raises(UserError, match="model.mlp_dropout is no key of a decoder, which this net is"):
        close_model(composed(start, "model.mlp_dropout=0.1", tmp_path=tmp_path))
    with pytest.raises(UserError, match="model.rope_theta is no key of an encoder"):
        composed("model.rope_theta=5", tmp_path=tmp_path)
    saved = tmp_path / "run" / "checkpoints" / "step_0000004"
    saved.mkdir(parents=True)
    wrong = {
        "nowhere": "does not exist, and model=auto reads its shape there",
        tmp_path: "does not state its shape",
        tmp_path / "run": f"does not state its shape .*; name one of its checkpoints, such as {saved}",
    }
    for folder, message in wrong.items():
        with pytest.raises(UserError, match=f"train.init_from: .*{message}"):
            close_model(composed(f"train.init_from={folder}", tmp_path=tmp_path))
    assert composed(start, "model=encoder/tiny", tmp_path=tmp_path).model == composed(tmp_path=tmp_path).model


def test_a_checkpoint_of_ours_states_its_shape_in_either_half(tmp_path):
    net = dataclasses.replace(NETS["qwen3"], dropout=0.2)
    config = dataclasses.replace(composed("objective=causal", "model=decoder/tiny", tmp_path=tmp_path), model=net)
    run = open_run(config)
    run.begin(0)
    checkpoint = run.folder / "checkpoints" / "step_0000003"
    checkpoint.mkdir()
    manifests.write(checkpoint, manifests.describe("checkpoint", step=3, checkpoint="resume", files={}))
    (run.folder / "checkpoints" / "last").symlink_to(checkpoint.name)
    for key in ("init_from", "branch_from"):
        for place in (checkpoint, run.folder / "checkpoints" / "last"):
            other = composed(f"train.{key}={place}", "run=other", tmp_path=tmp_path)
            assert close_model(other).model == net
    written(dataclasses.replace(net, rope_theta=7e5), checkpoint / "hf")
    starts = {
        key: close_model(composed(f"train.{key}={checkpoint}", "run=other", tmp_path=tmp_path)).model
        for key in ("init_from", "branch_from")
    }
    assert (starts["init_from"].rope_theta, starts["init_from"].dropout) == (7e5, 0.0)
    assert starts["branch_from"] == net  # which goes on as it was


@pytest.mark.parametrize(("tokens", "tensor", "rows"), [(300, 1, 384), (384, 1, 384), (385, 4, 512), (100, 3, 384)])
def test_rows_are_the_tokens_of_the_tokenizer_filled_up(tokens, tensor, rows, tmp_path, capsys):
    asked = [
        "model=encoder/tiny",
        "model.vocab_size=auto",
        f"data.tokenizer={tmp_path}/tokenizer",
        f"parallel.tensor={tensor}",
    ]
    config = composed(*asked, f"tokenizer.vocab_size={tokens}", tmp_path=tmp_path)
    assert close_model(config, ahead=True).model.vocab_size == rows
    with pytest.raises(
        UserError, match="model.vocab_size=auto counts the tokens of .*tokenizer.json, which does not exist"
    ):
        close_model(config)
    (tmp_path / "tokenizer").mkdir()
    ids = {str(number): number for number in range(tokens - 2)}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token="0"))
    tokenizer.add_special_tokens(["[CLS]", "[SEP]"])
    tokenizer.save(str(tmp_path / "tokenizer" / "tokenizer.json"))
    capsys.readouterr()
    assert close_model(config).model.vocab_size == rows
    assert f"model.vocab_size=auto: {rows} rows for the {tokens} tokens" in capsys.readouterr().err


def test_a_vocabulary_that_is_no_number_is_refused(tmp_path):
    with pytest.raises(
        UserError, match="model.vocab_size=many is no whole number; give a whole number from 1 to 10,000,000, or auto"
    ):
        composed("model=encoder/tiny", "model.vocab_size=many", tmp_path=tmp_path)


def test_an_explicit_net_that_differs_is_refused_before_anything_is_built(tmp_path):
    from jobs.validate.training import validate_training
    from model.training.prepare_run import prepare_run

    folder = written(NETS["qwen3"], tmp_path / "base")
    asked = [
        f"train.init_from={folder}",
        "model=decoder/tiny",
        "objective=causal",
        "train.steps=1",
        "model.max_positions=256",
    ]
    config = composed(*asked, "train.seq_length=64", tmp_path=tmp_path)
    with pytest.raises(
        UserError, match=r"holds another net than the one asked for: model.vocab_size=8192 \(there 1000\)"
    ):
        prepare_run(config, validate_training)
    plain = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(plain | {"rms_norm_eps": 9.999999974752427e-07}))
    same = [
        f"model.{key}={value}" for key, value in (SIZES | HEADS | {"head_width": 32, "tie_embeddings": "true"}).items()
    ]
    config = composed(*asked, *same, "train.seq_length=64", tmp_path=tmp_path)
    assert prepare_run(config, validate_training).config.model.norm_eps == 1e-6


@pytest.mark.parametrize("key", ["init_from", "branch_from"])
def test_a_checkpoint_whose_tensors_fit_is_still_no_net_of_other_heads_windows_or_norms(key, tmp_path, capsys):
    net = NETS["modernbert"]
    config = dataclasses.replace(composed("model=encoder/tiny", tmp_path=tmp_path), model=net)
    run = open_run(config)
    run.begin(0)
    checkpoint = run.folder / "checkpoints" / "step_0000003"
    checkpoint.mkdir()
    manifests.write(checkpoint, manifests.describe("checkpoint", step=3, checkpoint="resume", files={}))
    asked = [
        f"model.{name}={value}"
        for name, value in (SIZES | {"global_every": 2, "rope_theta_global": 5e4, "norm_eps": 1e-6}).items()
    ]
    asked += ["model=encoder/tiny", "model.tie_embeddings=true", f"train.{key}={checkpoint}", "run=other"]
    check_start(composed(*asked, tmp_path=tmp_path))
    assert "warning" not in capsys.readouterr().err
    for name, value in {"num_heads": 2, "local_window": 16, "global_every": 1, "norm_eps": 1e-5}.items():
        with pytest.raises(UserError, match=rf"holds another net than the one asked for: model.{name}={value}"):
            check_start(composed(*asked, f"model.{name}={value}", tmp_path=tmp_path))
    check_start(composed(*asked, "model.rope_theta_global=50001", tmp_path=tmp_path))
    assert "model.rope_theta_global=50001.0, and the net of" in " ".join(capsys.readouterr().err.split())
