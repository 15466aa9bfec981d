"""``read_by_transformers.py FOLDER``: what the transformers on the path makes of the exports in FOLDER, each with its
ids in ids.json.

Beside each: logits.npy, and read.json with the version, what was missing or left over, and the ids of its tokenizer for
a text."""

import json
import sys
from pathlib import Path

import numpy as np
import torch
import transformers

TEXT = "The court pays, the tenant signs."


def read(folder: Path) -> None:
    """Load one export as people do, and compute."""
    masked = "MaskedLM" in json.loads((folder / "config.json").read_text())["architectures"][0]
    auto = transformers.AutoModelForMaskedLM if masked else transformers.AutoModelForCausalLM
    model, loading = auto.from_pretrained(folder, output_loading_info=True)
    ids = torch.tensor([json.loads((folder / "ids.json").read_text())])
    with torch.inference_mode():
        np.save(folder / "logits.npy", model.eval()(input_ids=ids).logits[0].float().numpy())
    told = {"version": transformers.__version__, "wrong": [name for names in loading.values() for name in names]}
    if (folder / "tokenizer.json").is_file():
        told["tokens"] = transformers.AutoTokenizer.from_pretrained(folder)(TEXT)["input_ids"]
    (folder / "read.json").write_text(json.dumps(told))


if __name__ == "__main__":
    for folder in sorted(path.parent for path in Path(sys.argv[1]).glob("*/ids.json")):
        read(folder)
