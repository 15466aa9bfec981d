"""Layers learn beside a frozen embedding, recomputed or not."""

import pytest

from conf.schema import ParallelConfig
from model.megatron import startup
from model.nets.recompute import keep_gradients
from tests.model.nets.decoder_peers import SMALL
from tests.model.nets.lora_peers import Training, adapted_net


@pytest.mark.parametrize("frozen", ["word_embeddings", ".layers.0."], ids=["embedding", "with layer 0"])
def test_gradients_are_those_without_recomputation(frozen):
    found = []
    for recompute in ("none", "full"):
        parallel = ParallelConfig(threads=1, recompute=recompute)
        startup.start(parallel, seed=0)
        net = adapted_net(SMALL["llama"])
        for name, parameter in net.named_parameters():
            parameter.requires_grad = not ("word_embeddings" in name or frozen in name)
        keep_gradients(net)
        training = Training(net, parallel)
        result = training.step(0)
        found.append((result.loss, result.grad_norm))
        assert all(parameter.main_grad.any() for parameter in net.parameters() if parameter.requires_grad)
    assert found[0] == pytest.approx(found[1], rel=1e-6)
