"""docs/own_domain.md as a user does it: its command, with two folders of text and a small model in Hugging Face's
format."""

import json
import math
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import transformers

from jobs import tokenizer
from jobs.launch.compose import compose, to_config
from tests.docs.pages import ROOT, section

pytestmark = pytest.mark.long

STANDARD_LIBRARY = Path(json.__file__).parent.parent
SMALL = [
    "phases.own.tokens=40_000", "train.seq_length=128", "train.global_batch=16", "train.micro_batch=16",
    "optim.lr=3e-3", "split.validation_share=0.2", "evaluation.max_documents=10", "sweep.bootstrap=50",
    "parallel.threads=2", "train.checkpoint.probe_share=0.5", "mixture.max_repeats=50",
]  # fmt: skip
"""What a test of a minute needs other than the page has."""


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Path:
    """A folder with my/law, my/web (sources of the standard library) and models/base: an untrained Llama with a
    tokenizer."""
    folder = tmp_path_factory.mktemp("own")
    for name, pattern in (("law", "email/*.py"), ("web", "[a-c]*.py")):
        (folder / "my" / name).mkdir(parents=True)
        for file in sorted(STANDARD_LIBRARY.glob(pattern)):
            (folder / "my" / name / f"{file.stem}.txt").write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    base = folder / "models" / "base"
    learn = [f"data.inputs=['{folder}/my/web']", f"data.tokenizer={base}", "tokenizer.vocab_size=1000"]
    tokenizer.run(to_config(compose("tokenizer", [*learn, "tokenizer.mlm_tokens=false", "tokenizer.chat_tokens=true"])))
    shape = transformers.LlamaConfig(
        vocab_size=1024, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=256, tie_word_embeddings=True,
    )  # fmt: skip
    transformers.set_seed(0)
    transformers.LlamaForCausalLM(shape).save_pretrained(base)
    return folder


def test_the_command_of_the_page_gains_and_says_what_it_forgets(inputs):
    (block,) = section("own_domain.md")
    words = shlex.split(block.text.replace("\\\n", " "))
    assert words[0] == "python"
    command = [sys.executable, *words[1:], *SMALL]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, cwd=inputs, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    run = inputs / "runs" / "law" / "seed_0"
    results = [json.loads(file.read_text()) for file in sorted((run / "eval" / "perplexity").glob("step_*.json"))]
    first, last = map(_perplexities, (results[0], results[-1]))
    assert set(first) == {"domain", "general"} and last["domain"] < first["domain"] / 2
    assert all(math.isfinite(value) for value in [*first.values(), *last.values()])
    assert "forg" in (run / "report.html").read_text()
    model = transformers.AutoModelForCausalLM.from_pretrained(run / "checkpoints" / "best" / "hf")
    assert (model.config.model_type, model.config.vocab_size) == ("llama", 1024)


def _perplexities(result: dict) -> dict[str, float]:
    """Name of each text -> perplexity by token of one checkpoint."""
    return {name: math.exp(values["nll"] / values["token"]) for name, values in result["texts"].items()}


def test_the_yaml_is_as_short_as_the_page_promises():
    lines = (ROOT / "conf/experiment/decoder/own.yaml").read_text().splitlines()
    assert len([line for line in lines if line and not re.match(r"#", line)]) <= 25
