"""Equal logits in transformers' ModernBERT and ours where ours is cut over two tensor-parallel ranks."""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from model.hf.modernbert.folder import export_modernbert
from tests.processes import run_ranks

SCRIPT = Path(__file__).with_name("two_ranks.py")
LENGTHS = [600, 17, 150, 64, 65, 129, 300, 2]  # 1,327 tokens: an odd number cannot be cut in two without filling


@torch.no_grad()
def test_logits_and_export(config, randomised, theirs, tmp_path):
    export_modernbert(randomised(config), config, tmp_path / "given")
    draw = np.random.default_rng(0)
    documents = [draw.integers(0, 300, length) for length in LENGTHS]
    np.savez(tmp_path / "documents.npz", *documents)
    done = run_ranks([SCRIPT, tmp_path])
    assert done.returncode == 0, done.stderr[-3000:]
    net = theirs(tmp_path / "given")
    expected = torch.cat([net(input_ids=torch.from_numpy(document)[None]).logits[0] for document in documents])
    given = load_file(tmp_path / "given" / "model.safetensors")
    for how in ("whole", "sequence"):
        with np.load(tmp_path / f"{how}.npz") as found:
            for name, part in (("logits", expected), ("some", expected[::7])):
                assert part.std() > 0.5
                assert (torch.from_numpy(found[name]) - part).abs().max() <= 1e-4 * part.abs().max()
        again = load_file(tmp_path / f"again_{how}" / "model.safetensors")
        assert given.keys() == again.keys()
        assert all(torch.equal(tensor, again[name]) for name, tensor in given.items())
