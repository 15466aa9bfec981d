"""Our decoders compute what transformers' classes compute."""

import pytest
import torch
from tests.model.nets.decoder_peers import LINEAR, LLAMA3, SMALL, YARN, logits, randomise, theirs, translate

from conf.schema import ParallelConfig
from model.nets.decoder import build_decoder
from model.nets.pack import Pack

LENGTHS = [100, 7, 40, 1, 23]


@pytest.fixture
def pack():
    draw = torch.Generator().manual_seed(1)
    return Pack.from_documents([torch.randint(200, (length,), generator=draw).numpy() for length in LENGTHS])


@pytest.mark.parametrize("name", SMALL)
@torch.no_grad()
def test_logits(name, pack):
    config = SMALL[name]
    net = randomise(build_decoder(config), config).eval()
    peer = theirs(config, dict(net.named_parameters()))
    found, expected = net(pack)[:, :200], logits(peer, pack)
    assert expected.std() > 0.5
    assert (found - expected).abs().max() <= 1e-4 * expected.abs().max()
