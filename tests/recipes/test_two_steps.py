"""The two-step test: every recipe trains at its true width and vocabulary, with only layers and batch cut, checkpoints,
exports, reloads."""

import json

import pytest
import torch
import transformers

from jobs import export, train
from jobs.launch.compose import compose, to_config

pytestmark = pytest.mark.long

RECIPES = ["mecellem/mursit_base", "mecellem/mursit_large"]
CUT = [
    "parallel.precision=fp32",  # a CPU without bf16 units needs minutes for a step
    "model.num_layers=2",  # one global, one local
    "train.tokens=0",
    "train.steps=2",
    "train.global_batch=1",
    "train.micro_batch=1",
    "train.batch_ramp_start=0",
    "train.eval_packs=1",
    "train.checkpoint.probe_at_start=false",
    "train.checkpoint.probe_every_steps=2",
    "optim.schedule.warmup_tokens=0",
    "optim.schedule.decay_steps=1",
]


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipe_trains_saves_exports_and_reloads(recipe, small_tokens, tmp_path):
    whole = to_config(compose("train", [f"experiment={recipe}"])).model
    overrides = [f"experiment={recipe}", *CUT, *small_tokens, f"runs_dir={tmp_path}"]
    config = to_config(compose("export", [*overrides, "export.checkpoint=${run_dir}/checkpoints/last"]))
    assert (config.model.hidden_size, config.model.vocab_size, config.model.ffn_size) == (
        whole.hidden_size,
        whole.vocab_size,
        whole.ffn_size,
    )
    train.run(config)
    losses = [
        json.loads(line)["loss"] for line in (tmp_path / recipe / "seed_0" / "metrics.jsonl").read_text().splitlines()
    ]
    assert len(losses) == 2
    assert all(5 < loss < 15 for loss in losses)
    export.run(config)
    model = transformers.AutoModelForMaskedLM.from_pretrained(config.export.output)
    assert model.config.vocab_size == whole.vocab_size
    assert model.config.num_hidden_layers == 2
    words = transformers.AutoTokenizer.from_pretrained(config.export.output)("import the module", return_tensors="pt")
    with torch.inference_mode():
        assert torch.isfinite(model(**words).logits).all()
