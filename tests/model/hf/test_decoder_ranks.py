"""The same bytes in and out of a net that is cut over two tensor-parallel ranks, or over two stages of a pipeline."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from model.hf.decoder.folder import export_decoder
from tests.processes import run_ranks

SCRIPT = Path(__file__).with_name("decoder_ranks.py")
TOLD = {
    "tensor": "rows 512 to 999 of the embedding table are all zero",
    "pipeline": "the head is not the embedding table any more",
}


def tensors(folder):
    return {name: tensor for file in folder.glob("*.safetensors") for name, tensor in load_file(file).items()}


@pytest.fixture
def folders(random_decoder, all_decoders, tmp_path):
    """A folder of every family."""
    for family, config in all_decoders.items():
        export_decoder(random_decoder(config), config, tmp_path / family)
    return tmp_path


def test_every_family(folders, all_decoders):
    done = run_ranks([SCRIPT, folders])
    assert done.returncode == 0, done.stderr[-3000:]
    for axis, told in TOLD.items():
        for family in all_decoders:
            given, again = tensors(folders / family), tensors(folders / axis / family)
            assert given.keys() == again.keys(), (axis, family)
            assert all(torch.equal(tensor, again[name]) for name, tensor in given.items()), (axis, family)
            assert (folders / family / "config.json").read_text() == (
                folders / axis / family / "config.json"
            ).read_text()
        lines = (folders / axis / "told.txt").read_text().splitlines()
        assert len(lines) == 2 and all(told in line for line in lines)  # on every rank
        assert not (folders / axis / "broken").exists()
