"""Runs with checkpoints of small decoders and a tokenizer of bytes, texts of two kinds, and transformers' word on
each."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from conf.schema import Config, DecoderConfig, ParallelConfig
from model.hf.folder import export_net
from model.megatron.startup import start
from model.nets.build import build_net
from model.training.checkpoints.checkpoints import PROBE
from model.training.checkpoints.write import write_checkpoint

END = "<|endoftext|>"
SHAPE = DecoderConfig(
    architecture="qwen3", vocab_size=300, num_layers=2, hidden_size=32, num_heads=2, num_kv_heads=1, head_width=16,
    ffn_size=48,
    max_positions=64, init_std=0.3,
)  # fmt: skip
CONTEXT = 24
WORDS = [
    "mahkeme", "karar", "verdi", "çünkü", "sözleşme", "geçersiz", "İstanbul", "davacı", "davalı", "temyiz", "şöyle",
    "ığdır", "güneş",
    "deniz", "yürüdü", "ağaç", "kuş", "😀",
]  # fmt: skip


def write_tokenizer(folder: Path, template: bool = False) -> Path:
    """A byte-level BPE of 300 tokens; with ``template`` it puts a [BOS] before every text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        [" ".join(WORDS)] * 3, trainers.BpeTrainer(vocab_size=300, special_tokens=[END], initial_alphabet=alphabet)
    )
    if template:
        tokenizer.post_processor = processors.TemplateProcessing(single=f"{END} $A", special_tokens=[(END, 0)])
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": END, "pad_token": END}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def write_texts(file: Path, seed: int, documents: int = 12, longest: int = 25) -> list[str]:
    """Documents of 1 to ``longest`` words, the first ones a single character and white space alone."""
    rng = np.random.default_rng(seed)
    texts = ["ç", " \n"] + [" ".join(rng.choice(WORDS, rng.integers(1, longest + 1))) for _ in range(documents)]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts), encoding="utf-8")
    return texts


def random_decoder(seed: int, shape: DecoderConfig = SHAPE) -> Any:
    """Untrained, yet far from uniform."""
    start(ParallelConfig(threads=1), seed)
    return build_net(shape)


def make_run(
    run: Path,
    tokenizer: Path,
    steps: dict[int, int],
    shape: DecoderConfig = SHAPE,
    phases: dict[int, list[str]] | None = None,
) -> Path:
    """A run with a probe checkpoint at each step of ``steps``, of a decoder by its seed, and its frozen
    configuration."""
    for step, seed in steps.items():
        net = random_decoder(seed, shape)

        def fill(folder: Path, net: Any = net) -> None:
            export_net(net, shape, folder / "hf", tokenizer)

        begun = {name: {"samples": 1, "sources": {}} for name in (phases or {}).get(step, [])}
        known = {
            "tokens": step * 1000,
            "samples": step,
            "loss": 5.0 - step / 100 if step else None,
            "validation_loss": None,
        }
        write_checkpoint(run, step, PROBE, fill, seed=0, **known, phases=begun)
    sections = {name: asdict(getattr(Config(), name)) for name in ("objective", "optim", "parallel", "train")}
    sections["train"]["seq_length"] = CONTEXT
    frozen = {"seed": 0, **sections, "model": asdict(shape), "data": {"tokenizer": "", "tokens": ""}}
    (run / "config.yaml").write_text(yaml.safe_dump(frozen))
    (run / "metrics.jsonl").write_text(
        "".join(json.dumps({"step": step, "loss": 5.0 - step / 100}) + "\n" for step in range(1, 31))
    )
    return run


def their_likelihoods(hf_folder: Path, texts: list[str], context: int) -> list[tuple[float, int, int, int]]:
    """By transformers, document by document: nats, predicted tokens, their characters and bytes; of documents that have
    any."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(hf_folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(hf_folder)
    found = []
    for text in texts:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        first = tokenizer.decode(ids[:1])
        rest = text[1 if "\ufffd" in first else len(first) :]
        nats, place = 0.0, 1
        while place < len(ids):
            piece = torch.tensor([ids[place - 1 : place - 1 + context]])
            with torch.inference_mode():
                nats += model(piece, labels=piece).loss.item() * (piece.shape[1] - 1)
            place += piece.shape[1] - 1
        if rest and text.strip():
            found.append((nats, len(ids) - 1, len(rest), len(rest.encode())))
    return found
