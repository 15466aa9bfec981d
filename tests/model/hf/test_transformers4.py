"""Exports as transformers 4 reads them, the version that most have installed: equal logits for the shape of every
recipe."""

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from conf.schema import EncoderConfig, ModelConfig
from conf.schema.model import RopeScalingConfig
from jobs.launch.compose import compose, to_config
from model.hf.decoder.folder import export_decoder
from model.hf.modernbert.folder import export_modernbert
from model.hf.tokenizer import SETTINGS
from model.megatron import startup
from model.nets.build import build_net
from model.nets.pack import Pack
from tests.model.hf.conftest import DECODERS
from tests.model.hf.read_by_transformers import TEXT

pytestmark = pytest.mark.long
ROOT = Path(__file__).resolve().parents[3]
LOCK, SCRIPT = ROOT / "requirements-transformers4.lock", Path(__file__).with_name("read_by_transformers.py")
RECIPES = [f"{file.parent.name}/{file.stem}" for file in sorted((ROOT / "conf" / "model").glob("*/*.yaml"))]
ENCODER = EncoderConfig(vocab_size=300, hidden_size=64, num_heads=4, ffn_size=96)
STRETCHED = {
    "linear": RopeScalingConfig(kind="linear", factor=2.5),
    "llama3": RopeScalingConfig(kind="llama3", factor=8.0, original_max_positions=64),
    "yarn": RopeScalingConfig(kind="yarn", factor=4.0, original_max_positions=64),
    "yarn_uneven": RopeScalingConfig(kind="yarn", factor=3.0, original_max_positions=96, beta_fast=16.0, beta_slow=2.0),
}
VARIANTS: dict[str, ModelConfig] = {
    f"period_{period}_of_{layers}": dataclasses.replace(ENCODER, global_every=period, num_layers=layers)
    for period, layers in ((1, 3), (2, 5), (3, 7), (5, 5), (5, 12))
}
VARIANTS |= {
    "other_bases": dataclasses.replace(
        ENCODER, num_layers=5, rope_theta_global=80_000.0, rope_theta_local=500.0, local_window=16
    ),
    "swapped_bases": dataclasses.replace(ENCODER, num_layers=4, rope_theta_global=10_000.0, rope_theta_local=160_000.0),
    **{f"family_{name}": config for name, config in DECODERS.items()},
    **{f"wide_{name}": dataclasses.replace(config, head_width=24) for name, config in DECODERS.items()},
    **{
        f"qwen3_{name}": dataclasses.replace(DECODERS["qwen3"], rope_scaling=scaling)
        for name, scaling in STRETCHED.items()
    },
    **{
        f"mistral_{name}": dataclasses.replace(DECODERS["mistral"], rope_scaling=scaling)
        for name, scaling in STRETCHED.items()
    },
}
TOLERANCE = 1e-4


@pytest.fixture(scope="session")
def transformers4() -> Path:
    """A folder to put on the path: transformers 4 and what of its packages differs from ours, installed once."""
    folder = ROOT / "build" / f"transformers4-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]}"
    if not (folder / ".whole").is_file():
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--upgrade",
            "--target",
            folder,
            "-r",
            LOCK,
        ]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=280)
        if done.returncode:
            pytest.skip(f"transformers 4 cannot be installed here: {done.stderr.strip().splitlines()[-1]}")
        (folder / ".whole").touch()
    return folder


def narrowed(recipe: str) -> ModelConfig:
    """The net of a recipe at a small width: layers, ratios of heads, rotations, norms and ties are its own."""
    model = to_config(compose("train", [f"model={recipe}", "name=narrow"])).model
    small = {"vocab_size": 300, "hidden_size": 64, "ffn_size": 96}
    if isinstance(model, EncoderConfig):
        return dataclasses.replace(model, **small, num_heads=4)
    heads = 2 * model.num_heads // model.num_kv_heads
    small["hidden_size"] = -(-64 // heads) * heads  # Llama's class takes no other
    return dataclasses.replace(
        model, **small, num_kv_heads=2, num_heads=heads, head_width=16, window=min(model.window, 24)
    )


@torch.no_grad()
def export(model: ModelConfig, folder: Path, tokenizer: Path | None = None) -> torch.Tensor:
    """A net of random weights to `folder`; its logits at 150 tokens, of which more than a window are seen."""
    net = build_net(model).eval()
    draw = torch.Generator().manual_seed(1)
    for name, parameter in net.named_parameters():
        noise = torch.randn(parameter.shape, generator=draw)
        is_norm = "norm" in name and name.endswith("weight")
        centre, spread = (0.0, 1.5 * parameter.shape[-1] ** -0.5) if parameter.ndim > 1 else (float(is_norm), 0.1)
        parameter.copy_(centre + spread * noise)
    (export_modernbert if isinstance(model, EncoderConfig) else export_decoder)(net, model, folder, tokenizer)
    ids = np.random.default_rng(0).integers(0, model.vocab_size, 150)
    (folder / "ids.json").write_text(json.dumps(ids.tolist()))
    return net(Pack.from_documents([ids]))[:, : model.vocab_size]


@pytest.fixture(scope="session")
def tokenizer_of_5(tokenizer_folder, tmp_path_factory) -> Path:
    """A tokenizer as transformers 5 saves it, with a special token more."""
    from transformers import AutoTokenizer

    folder = tmp_path_factory.mktemp("tokenizer_of_5")
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
    tokenizer.add_special_tokens({"extra_special_tokens": ["<more>"]})
    tokenizer.save_pretrained(folder)
    assert json.loads((folder / SETTINGS).read_text())["tokenizer_class"] == "TokenizersBackend"
    return folder


@pytest.fixture(scope="session")
def read(transformers4, tokenizer_of_5, tmp_path_factory) -> tuple[Path, dict[str, torch.Tensor]]:
    """Folder of all exports, which transformers 4 has read; our logits."""
    from conf.schema import ParallelConfig

    startup.start(ParallelConfig(threads=1), seed=0)
    folder = tmp_path_factory.mktemp("exports")
    nets = {recipe.replace("/", "_"): narrowed(recipe) for recipe in RECIPES} | VARIANTS
    ours = {
        name: export(model, folder / name, tokenizer_of_5 if name == "other_bases" else None)
        for name, model in nets.items()
    }
    env = {
        **os.environ,
        "PYTHONPATH": str(transformers4),
        "HF_HUB_OFFLINE": "1",
        "PYTHONWARNINGS": "ignore",
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(folder)], env=env, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, ours


@pytest.mark.parametrize("name", [*(recipe.replace("/", "_") for recipe in RECIPES), *VARIANTS])
def test_equal_logits(name, read):
    folder, ours = read
    told = json.loads((folder / name / "read.json").read_text())
    assert told["version"].startswith("4.57.") and told["wrong"] == []
    found, expected = torch.from_numpy(np.load(folder / name / "logits.npy")), ours[name]
    assert expected.std() > 0.5  # not a comparison of zeros
    assert (found - expected).abs().max() <= TOLERANCE * expected.abs().max()


def test_a_tokenizer_of_transformers_5_is_exported_for_both(read, tokenizer_of_5):
    from transformers import AutoTokenizer

    folder = read[0] / "other_bases"
    expected = AutoTokenizer.from_pretrained(tokenizer_of_5)(TEXT)["input_ids"]
    assert len(expected) > 10 and AutoTokenizer.from_pretrained(folder)(TEXT)["input_ids"] == expected
    assert json.loads((folder / "read.json").read_text())["tokens"] == expected
