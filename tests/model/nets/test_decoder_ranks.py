"""A decoder over two ranks does what it does on one: tensor-parallel, with the sequence cut too, in two stages, with
the pack cut."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from conf.schema import ParallelConfig
from model.nets.decoder import build_decoder
from tests.model.nets import decoder_ranks as script
from tests.model.nets.decoder_peers import SMALL, randomise
from tests.processes import run_ranks


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
    done = run_ranks(["-m", script.__name__, folder])
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
