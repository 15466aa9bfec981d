"""The two-step test of continual pre-training: a recipe's net at its true width, with layers, vocabulary, lengths and
batches cut, makes two steps, over a border of its phases where it has any, checkpoints, exports, reloads. (With the
vocabulary of 151,936 a checkpoint is five gigabytes; nets of that size are counted on the meta device elsewhere.)"""

import json

import pytest
import torch
import transformers

from jobs import export, train
from jobs.launch.compose import compose, to_config

pytestmark = pytest.mark.long

KEPT = {"mecellem/qwen3_1_7b_cpt": ["general", "anneal"], "mecellem/qwen3_4b_cpt": ["all"]}
"""Recipe -> the phases that are tried."""
CUT = [
    "parallel.precision=fp32", "model.num_layers=1", "model.vocab_size=8192", "budget=1e-9", "train.seq_length=128",
    "train.global_batch=1",
    "train.micro_batch=1", "train.init_from=null", "train.eval_every_steps=0", "train.eval_packs=1",
    "train.checkpoint.probe_at_start=false",
    "train.checkpoint.keep_probes=1", "mixture.max_repeats=100", "objective.chunk_tokens=64",
]  # fmt: skip


@pytest.mark.parametrize("recipe", KEPT)
def test_recipe_trains_through_phases_saves_exports_and_reloads(recipe, small_tokens, tmp_path):
    whole = to_config(compose("train", [f"experiment={recipe}"]))
    tokens = next(one.removeprefix("data.tokens=") for one in small_tokens if one.startswith("data.tokens="))
    overrides = [f"experiment={recipe}", *CUT, *small_tokens, f"runs_dir={tmp_path}"]
    overrides += [f"data.validation.{name}={tokens}" for name in whole.data.validation]
    for name in whole.phases:
        own = {"data": f"'{tokens}'", "seq_length": 128, "global_batch": 1, "micro_batch": 1}
        overrides += (
            [f"phases.{name}.{key}={value}" for key, value in own.items()]
            if name in KEPT[recipe]
            else [f"~phases.{name}"]
        )
    config = to_config(compose("export", [*overrides, "export.checkpoint=${run_dir}/checkpoints/last"]))
    for key in ("hidden_size", "ffn_size", "num_heads", "num_kv_heads", "head_width"):
        assert getattr(config.model, key) == getattr(whole.model, key)
    train.run(config)
    lines = [json.loads(line) for line in (tmp_path / recipe / "seed_0" / "metrics.jsonl").read_text().splitlines()]
    assert len(lines) == 2 and list(dict.fromkeys(line["phase"] for line in lines)) == KEPT[recipe]
    assert all(5 < line["loss"] < 15 for line in lines)
    export.run(config)
    model = transformers.AutoModelForCausalLM.from_pretrained(config.export.output)
    assert model.config.hidden_size == whole.model.hidden_size
    words = transformers.AutoTokenizer.from_pretrained(config.export.output)("import the module", return_tensors="pt")
    with torch.inference_mode():
        assert torch.isfinite(model(**words).logits).all()
