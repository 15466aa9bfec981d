"""A decoder over two ranks does what it does on one: tensor-parallel, with the sequence cut too, in two stages, with
the pack cut."""

import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from conf.schema import ParallelConfig
from model.nets.decoder import build_decoder
from tests.model.nets import decoder_ranks as script
from tests.model.nets.decoder_peers import SMALL, randomise

ROOT = os.path.dirname(os.path.abspath(__file__)).removesuffix("/tests/model/nets")


@pytest.fixture(scope="module")
def two_ranks(tmp_path_factory):
    """Folder of what two ranks found, with the weights they were given."""
    from model.megatron import startup

    folder = tmp_path_factory.mktemp("ranks")
    startup.start(ParallelConfig(threads=1), seed=0)
    for name in script.NAMES:
        net = randomise(build_decoder(SMALL[name]), SMALL[name])
        save_file(
            {key: parameter.detach().clone() for key, parameter in net.named_parameters()},
            folder / f"{name}.safetensors",
        )
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node=2",
        "-m",
        script.__name__,
        str(folder),
    ]
    env = {**os.environ, "PYTHONPATH": ROOT, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.mark.parametrize("name", script.NAMES)
def test_loss_and_gradients(name, two_ranks):
    expected = script.one_step(name, ParallelConfig(threads=1), load_file(two_ranks / f"{name}.safetensors"))
    for layout in script.LAYOUTS:
        found = load_file(two_ranks / f"{name}_{layout}.safetensors")
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            assert (found[key] - value).abs().max() <= 1e-4 * value.abs().max(), (layout, key)


def test_the_seed_alone_decides_the_initial_weights(two_ranks):
    expected, found = script.initial("phi", ParallelConfig(threads=1)), load_file(two_ranks / "initial.safetensors")
    assert found.keys() == expected.keys() and all(torch.equal(value, found[key]) for key, value in expected.items())
